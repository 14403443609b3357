"""Time of each detector beside one plain forward pass of the same classifier."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from earlyglow.experiments.cost.measuring import Contender, interleaved_times
from earlyglow.experiments.short_circuit.contenders import on_images
from earlyglow.experiments.short_circuit.experiment import (
    GSC,
    GSC_EXACT,
    PLACES,
    ShortCircuit,
    penultimate,
)
from earlyglow.experiments.short_circuit.image_sets import sets_to_score
from earlyglow.experiments.short_circuit.sizes import trained_classifier
from earlyglow.gradients.model_state import evaluating
from earlyglow.provenance import combined, source_digests
from earlyglow.short_circuit import AffineHeadWarning, GradientShortCircuit, split
from earlyglow.store import Computed

FORWARD = "forward"
_BATCH = 60
_REPETITIONS = 15


@dataclass(frozen=True)
class ShortCircuitCost(ShortCircuit):
    """Every detector of :class:`ShortCircuit` on the same batch, in turns; times differ by run."""

    name: ClassVar[str] = "short_circuit_cost"
    reproducible: ClassVar[bool] = False
    source_path: ClassVar[tuple[str, ...]] = (
        *ShortCircuit.source_path,
        "experiments/cost/measuring.py",
    )

    def compute(self, workspace: Path) -> Computed:
        """Measure, with the classifier trained or found trained."""
        trained = trained_classifier(self.id_dataset, self.sizes, self.seed, workspace)
        model = trained.model
        sets = sets_to_score(self.id_dataset, (), _BATCH, self.seed)
        x = sets[self.id_dataset]

        @torch.no_grad()
        def forward() -> torch.Tensor:
            return model(x)

        contenders = [Contender(FORWARD, len(x), forward)]
        detectors = dict(on_images(model, penultimate(model, self.id_dataset)))
        for at in PLACES[self.network]:
            parts = split(model, at)
            detectors |= {
                f"{GSC} at {at}": GradientShortCircuit(*parts, self.fraction),
                f"{GSC_EXACT} at {at}": GradientShortCircuit(*parts, self.fraction, exact=True),
            }
        contenders += [
            Contender(name, len(x), lambda detector=detector: detector.predict(x))
            for name, detector in detectors.items()
        ]
        with evaluating(model), warnings.catch_warnings():
            # The place after pooling is measured too, where the head is affine.
            warnings.simplefilter("ignore", AffineHeadWarning)
            times = interleaved_times(contenders, _REPETITIONS)
        source = combined(source_digests(self.source_path), trained.source)
        return Computed({"times": times}, source)
