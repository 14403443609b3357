"""Names of contenders that other modules ask for."""

GRAD_NORM_CLOSED_FORM = "GradNorm (closed form)"
