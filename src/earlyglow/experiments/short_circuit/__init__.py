"""Gradient Short-Circuit beside the detectors of the field, on classifiers trained here."""

from earlyglow.experiments.short_circuit.cost import ShortCircuitCost
from earlyglow.experiments.short_circuit.experiment import PLAIN_SCORE, ShortCircuit

__all__ = ["PLAIN_SCORE", "ShortCircuit", "ShortCircuitCost"]
