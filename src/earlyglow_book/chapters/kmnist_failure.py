"""Why one set is hard: layer by layer, and with each suspected cause taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor

from earlyglow import detectors
from earlyglow.datasets import ImageSet, dequantize, load_images
from earlyglow.datasets.dequantization import centre
from earlyglow.experiments import controlled_images as controlled
from earlyglow.experiments.measured import FIT, MeasuredCheckpoint
from earlyglow.experiments.statistics import noise_seed
from earlyglow.experiments.studies.base import BASE_SOURCE, FlowStudy, Workbench, without_fit
from earlyglow.experiments.summaries import auroc_table, score_rows
from earlyglow.experiments.sweep_tables import compact
from earlyglow.flows import Flow
from earlyglow.gradients import layer_gradient_norms
from earlyglow.metrics import auroc
from earlyglow.store import Tables

_INK = 128
_REACH = 4.0


@dataclass(frozen=True)
class KmnistFailure(FlowStudy):
    """Which layers separate the sets, and what changes when a suspected cause is removed.

    The explanations, each on single images:

    - "as measured": the paper's score, for comparison;
    - "objective sum_z": the gradient of the summed latent, as in the released code;
    - "fit set overlaps": the detector is fitted on the ID images that are scored as well;
    - "scored without noise": the flow is trained on dequantised images, the scored ones are not;
    - "trained without noise": a flow that never sees noise (trained to the middle epoch only);
    - "OOD inverted": the polarity of the OOD images turned round;
    - "OOD with ID ink": each OOD image with the sorted grey levels of an ID image of the fit half,
      so that both have the same amount of ink at every level; strokes grow or shrink;
    - "OOD with ID spectrum": each OOD image with the amplitudes and grey levels of an ID image.

    The controls are :meth:`~FlowStudy.fresh_id_images` with the ink or the spectrum of other ID
    images: what is detected there is left behind by the change itself.
    """

    name: ClassVar[str] = "kmnist_failure"
    version: ClassVar[int] = 3
    source_path: ClassVar[tuple[str, ...]] = (
        *BASE_SOURCE,
        "experiments/controlled_images.py",
        "experiments/studies/kmnist_failure.py",
    )

    id_dataset: str = "kmnist"

    def tables(self, bench: Workbench) -> Tables:
        layers, explanations, controls = [], [], []
        fresh = self.fresh_id_images(len(bench.sets[FIT]))
        for checkpoint in bench.checkpoints():
            if checkpoint.epoch not in self.shown_epochs:
                continue
            layers.append(self._layers(checkpoint).assign(epoch=checkpoint.epoch))
            parts = [
                *self._from_stored_norms(checkpoint),
                *self._from_changed_images(checkpoint, bench.sets),
            ]
            explanations += [part.assign(epoch=checkpoint.epoch) for part in parts]
            for part in self._controls(checkpoint, fresh, bench.sets[FIT].images):
                controls.append(part.assign(epoch=checkpoint.epoch))
        explanations.append(self._trained_without_noise(bench))
        return {
            "layers": compact(pd.concat(layers, ignore_index=True)),
            "explanations": compact(pd.concat(explanations, ignore_index=True)),
            "controls": compact(pd.concat(controls, ignore_index=True)),
            "ink": _ink(bench.sets),
        }

    def _layers(self, checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
        """AUROC of each kept tensor's own share of the score, and its mean shift."""
        key = ("log_prob", 1)
        detector = detectors.LayerGradientDetector(checkpoint.flow)
        detector.fit_from_statistics(checkpoint.statistics[FIT].norms[key].values)
        kept = [name for name in detector.names if name not in set(detector.dropped)]
        shares = {
            name: detector.layer_scores(measured.norms[key].values).cpu().numpy()
            for name, measured in without_fit(checkpoint.statistics).items()
        }
        inside = shares[self.id_dataset]
        rows = [
            {"ood": ood, "tensor": tensor, "auroc": auroc(inside[:, i], shares[ood][:, i])}
            for ood in self.ood_datasets
            for i, tensor in enumerate(kept)
        ]
        return pd.DataFrame(rows).astype({"tensor": "category"})

    def _from_stored_norms(self, checkpoint: MeasuredCheckpoint) -> Iterator[pd.DataFrame]:
        flow, statistics = checkpoint.flow, checkpoint.statistics
        norms = {
            (name, objective): measured.norms[objective, 1].values
            for name, measured in statistics.items()
            for objective in ("log_prob", "sum_z")
        }
        own = self.id_dataset
        both = torch.cat((norms[FIT, "log_prob"], norms[own, "log_prob"]))
        for label, objective, fit in (
            ("as measured", "log_prob", norms[FIT, "log_prob"]),
            ("objective sum_z", "sum_z", norms[FIT, "sum_z"]),
            ("fit set overlaps", "log_prob", both),
        ):
            of_sets = {name: norms[name, objective] for name in (own, *self.ood_datasets)}
            yield self._aurocs(flow, fit, of_sets).assign(explanation=label)

    def _from_changed_images(
        self, checkpoint: MeasuredCheckpoint, sets: dict[str, ImageSet]
    ) -> Iterator[pd.DataFrame]:
        flow, statistics = checkpoint.flow, checkpoint.statistics
        stored = {
            name: measured.norms["log_prob", 1].values for name, measured in statistics.items()
        }
        # Of the fit half, so that the scored ID images have no part in the changed ones.
        ink_of = sets[FIT].images
        changes: dict[str, Callable[[Tensor], Tensor]] = {"OOD inverted": controlled.inverted}
        changes |= {f"OOD with ID {name}": partial(give, reference=ink_of) for name, give in _GIVEN}
        for label, change in changes.items():
            of_sets = {self.id_dataset: stored[self.id_dataset]}
            for ood in self.ood_datasets:
                images = sets[ood].images[: len(ink_of)]
                changed = replace(sets[ood].take(torch.arange(len(images))), images=change(images))
                of_sets[ood] = _norms(flow, self._dequantized(changed))
            yield self._aurocs(flow, stored[FIT], of_sets).assign(explanation=label)
        # The flow was trained on whole cells, whose middle is half a level up.
        middle = 0.5 / 256
        silent = {
            name: _norms(flow, centre(images.images) + middle) for name, images in sets.items()
        }
        fit = silent.pop(FIT)
        yield self._aurocs(flow, fit, silent).assign(explanation="scored without noise")

    def _controls(
        self, checkpoint: MeasuredCheckpoint, fresh: Tensor, reference: Tensor
    ) -> Iterator[pd.DataFrame]:
        stored = checkpoint.statistics
        own = stored[self.id_dataset].norms["log_prob", 1].values
        for name, give in _GIVEN:
            changed = give(fresh[: len(reference)], reference=reference)
            norms = _norms(checkpoint.flow, self._dequantized(controlled.as_image_set(changed)))
            table = self._aurocs(
                checkpoint.flow,
                stored[FIT].norms["log_prob", 1].values,
                {self.id_dataset: own, "changed": norms},
            )
            yield table.drop(columns="ood").assign(control=f"ID with ID {name}")

    def _trained_without_noise(self, bench: Workbench) -> pd.DataFrame:
        epochs = tuple(dict.fromkeys(self.shown_epochs[:2]))
        config = replace(self.sweep.training, noise="none", epochs=epochs)
        images = load_images(self.id_dataset, "train")
        parts = []
        for epoch, flow in bench.retrained(self.sweep.flow, config, images):
            silent = {
                name: _norms(flow, centre(of_set.images)) for name, of_set in bench.sets.items()
            }
            parts.append(self._aurocs(flow, silent.pop(FIT), silent).assign(epoch=epoch))
        return pd.concat(parts).assign(explanation="trained without noise")

    def _aurocs(self, flow: Flow, fit: Tensor, of_sets: dict[str, Tensor]) -> pd.DataFrame:
        detector = detectors.LayerGradientDetector(flow).fit_from_statistics(fit)
        scores = [
            score_rows(name, detector.predict_from_statistics(norms), "layer_gradients")
            for name, norms in of_sets.items()
        ]
        columns = ["ood", "n_id", "n_ood", "auroc", "low", "high"]
        return auroc_table(pd.concat(scores).assign(epoch=0.0), self.id_dataset)[columns]

    def _dequantized(self, images: ImageSet) -> Tensor:
        return dequantize(images.images, seed=noise_seed(images, self.seed))


def _with_ink_of(images: Tensor, reference: Tensor) -> Tensor:
    """The sorted grey levels of the reference image, put on the strokes and next to them.

    Among pixels of one level those nearest to the strokes come first: otherwise more ink would be
    spread over the empty background in the order of the pixels.
    """
    from torchvision.transforms.v2 import functional as TF

    levels = images.float()
    size = 2 * (min(images.shape[2:]) // 2) - 1
    near = TF.gaussian_blur(levels, kernel_size=[size, size], sigma=[_REACH, _REACH])
    return controlled.with_levels_of(levels + 1e-3 * near, reference[: len(images)])


# What an image can be given of another: changes of (images, reference).
_GIVEN: tuple[tuple[str, Callable[..., Tensor]], ...] = (
    ("ink", _with_ink_of),
    ("spectrum", controlled.with_low_level_of),
)


def _norms(flow: Flow, x: Tensor) -> Tensor:
    return layer_gradient_norms(flow, x.to(next(flow.parameters()).device)).values.cpu()


def _ink(sets: dict[str, ImageSet]) -> pd.DataFrame:
    """What is drawn in each set: mean level, share of bright pixels, and edges."""
    rows = []
    for name, images in sets.items():
        if name == FIT:
            continue
        levels = images.images.float()
        steps = (levels.diff(dim=2).abs().mean(), levels.diff(dim=3).abs().mean())
        rows.append(
            {
                "dataset": name,
                "mean_level": levels.mean().item(),
                "bright_share": (images.images >= _INK).float().mean().item(),
                "mean_step": ((steps[0] + steps[1]) / 2).item(),
            }
        )
    return pd.DataFrame(rows)
