"""Time of each detector beside one plain forward pass of the same classifier."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from pytorch_ood.api import Detector
from torch import Tensor

from earlyglow import short_circuit
from earlyglow.gradients.model_state import evaluating
from earlyglow_book.chapters.cost.measuring import Contender, interleaved_times
from earlyglow_book.chapters.gradient_short_circuit import baselines, network_name
from earlyglow_book.chapters.gradient_short_circuit.baselines import penultimate
from earlyglow_book.chapters.gradient_short_circuit.images import sets_to_score
from earlyglow_book.chapters.gradient_short_circuit.names import FORWARD, GSC, GSC_EXACT, PLACES
from earlyglow_book.chapters.gradient_short_circuit.training import (
    fitting_images,
    untrained_classifier,
)
from earlyglow_book.flow_runs.profiles import find_classifier_sizes
from earlyglow_book.machine import processor_name
from earlyglow_book.results import Computed

if TYPE_CHECKING:
    from earlyglow_book.chapters.gradient_short_circuit import ShortCircuitCost

_BATCH = 60
_REPETITIONS = 15


def measured(chapter: ShortCircuitCost) -> Computed:
    """Every detector on the same batch, in turns."""
    sizes = find_classifier_sizes(chapter.profile)
    model = untrained_classifier(chapter.id_dataset, sizes, 0)
    x = sets_to_score(chapter.id_dataset, (), _BATCH, 0)[chapter.id_dataset]
    detectors = baselines.on_images(
        model, penultimate(model, fitting_images(chapter.id_dataset, sizes))
    )
    for at in PLACES[network_name(chapter.id_dataset)]:
        parts = short_circuit.split(model, at)
        detectors |= {
            f"{GSC} at {at}": short_circuit.GradientShortCircuit(*parts, chapter.fraction),
            f"{GSC_EXACT} at {at}": short_circuit.GradientShortCircuit(
                *parts, chapter.fraction, exact=True
            ),
        }
    timed = [Contender(FORWARD, len(x), torch.no_grad()(lambda: model(x)))]
    timed += [Contender(name, len(x), _call(detector, x)) for name, detector in detectors.items()]
    with evaluating(model), warnings.catch_warnings():
        # The place after pooling is measured too, where the head is affine.
        warnings.simplefilter("ignore", short_circuit.AffineHeadWarning)
        times = interleaved_times(timed, _REPETITIONS)
    return Computed({"times": times}, device=processor_name())


def _call(detector: Detector, x: Tensor) -> Callable[[], Tensor]:
    def call() -> Tensor:
        with baselines.gradients_only_where_needed(detector):
            return detector.predict(x)

    return call
