"""Time of each detector beside one plain forward pass of the same classifier."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from earlyglow.experiments.cost.measuring import Contender, interleaved_times
from earlyglow.experiments.short_circuit import contenders
from earlyglow.experiments.short_circuit.experiment import (
    GSC,
    GSC_EXACT,
    PLACES,
    network_of,
    penultimate,
)
from earlyglow.experiments.short_circuit.image_sets import sets_to_score
from earlyglow.experiments.short_circuit.sizes import (
    find_sizes,
    fitting_images,
    untrained_classifier,
)
from earlyglow.provenance import processor_name, source_digests
from earlyglow.settings import unknown
from earlyglow.store import Computed, Inputs
from torch import Tensor, nn

from earlyglow import short_circuit
from earlyglow.datasets import DATASETS, find_fingerprint
from earlyglow.gradients.model_state import evaluating

if TYPE_CHECKING:
    from pytorch_ood.api import Detector

FORWARD = "forward"
_BATCH = 60
_REPETITIONS = 15


@dataclass(frozen=True)
class ShortCircuitCost:
    """Every detector of :class:`ShortCircuit` on the same batch, in turns; times differ by run.

    The network has fresh weights: its time does not depend on what it has learned.

    Attributes:
        id_dataset: the set whose network and images are taken.
        fraction: share of the features that are cut.
        profile: "smoke" or "classroom".
    """

    name: ClassVar[str] = "short_circuit_cost"
    notebook: ClassVar[str] = "gradient_short_circuit"
    reproducible: ClassVar[bool] = False
    versions: ClassVar[dict[str, int]] = {"short_circuit": 1, "short_circuit_cost": 1}
    source_path: ClassVar[tuple[str, ...]] = (
        "classifiers/networks.py",
        "experiments/cost/measuring.py",
        "experiments/short_circuit/contenders",
        "experiments/short_circuit/cost.py",
        "experiments/short_circuit/experiment.py",
        "experiments/short_circuit/image_sets.py",
        "experiments/short_circuit/sizes.py",
        "short_circuit",
    )

    id_dataset: str = "cifar10"
    fraction: float = 0.05
    profile: str = "classroom"

    def __post_init__(self) -> None:
        if self.id_dataset not in DATASETS:
            raise ValueError(unknown("data set", self.id_dataset, DATASETS))
        find_sizes(self.profile)
        # Built here so that a bad fraction is refused before anything runs.
        short_circuit.GradientShortCircuit(nn.Identity(), nn.Identity(), self.fraction)

    def parameters(self) -> dict[str, object]:
        """The parameters by name."""
        return asdict(self)

    def inputs(self) -> Inputs:
        """What the result depends on."""
        return self._inputs(find_fingerprint(self.id_dataset, "test"))

    def inputs_on_trust(self) -> Inputs:
        """The same where no image is looked at."""
        return self._inputs(None)

    def _inputs(self, fingerprint: str | None) -> Inputs:
        configuration = {**self.parameters(), "sizes": asdict(find_sizes(self.profile))}
        data = {f"{self.id_dataset}/test": fingerprint}
        return Inputs(self.name, configuration, data, 0, self.versions)

    def label(self) -> str:
        """A readable start for the result's folder."""
        return f"{self.id_dataset}-{self.profile}"

    def compute(self, workspace: Path) -> Computed:
        """Measure; nothing is kept in ``workspace``."""
        sizes = find_sizes(self.profile)
        model = untrained_classifier(self.id_dataset, sizes, 0)
        x = sets_to_score(self.id_dataset, (), _BATCH, 0)[self.id_dataset]
        detectors = contenders.on_images(
            model, penultimate(model, fitting_images(self.id_dataset, sizes))
        )
        for at in PLACES[network_of(self.id_dataset)]:
            parts = short_circuit.split(model, at)
            detectors |= {
                f"{GSC} at {at}": short_circuit.GradientShortCircuit(*parts, self.fraction),
                f"{GSC_EXACT} at {at}": short_circuit.GradientShortCircuit(
                    *parts, self.fraction, exact=True
                ),
            }
        timed = [Contender(FORWARD, len(x), torch.no_grad()(lambda: model(x)))]
        timed += [
            Contender(name, len(x), _call(detector, x)) for name, detector in detectors.items()
        ]
        with evaluating(model), warnings.catch_warnings():
            # The place after pooling is measured too, where the head is affine.
            warnings.simplefilter("ignore", short_circuit.AffineHeadWarning)
            times = interleaved_times(timed, _REPETITIONS)
        source = source_digests(self.source_path)
        return Computed({"times": times}, source, device=processor_name())


def _call(detector: Detector, x: Tensor) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with contenders.gradients_only_where_needed(detector):
            return detector.predict(x)

    return call
