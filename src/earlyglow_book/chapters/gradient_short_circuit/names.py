"""Names that several modules of the chapter use."""

from __future__ import annotations

GSC, GSC_EXACT, PLAIN = "GSC", "GSC (exact)", "no intervention"
GRAD_NORM_CLOSED_FORM = "GradNorm (closed form)"
# The plain forward pass, beside which times are measured.
FORWARD = "forward"
# What GSC is without an intervention.
PLAIN_SCORE = {"energy": "Energy", "msp": "MSP", "max_logit": "MaxLogit"}
# Where each network may be cut, and where it is cut if nothing else is asked for.
PLACES = {"resnet": ("stage1", "stage2", "stage3.0", "pool"), "cnn": ("stage1", "stage2", "pool")}
DEFAULT_PLACE = {"resnet": "stage3.0", "cnn": "stage2"}
# Sets of noise that are drawn for a classifier, among the names of OOD sets.
NOISE = ("uniform_noise", "gaussian_noise")
