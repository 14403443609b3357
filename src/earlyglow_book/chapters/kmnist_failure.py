"""Why one set is hard: layer by layer, and with each suspected cause taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow_book.chapters.epoch_sweep import EpochSweep, bits_by_epoch, flow_sweep
from earlyglow_book.chapters.tools import aurocs, claims, image_changes, measuring, stored, style
from earlyglow_book.deferred import np, pd, torch
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.run import trained_otherwise
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.texts import Texts, formatted, with_interval
from earlyglow_book.titles import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint


@parameters
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

    The controls are fresh ID images with the ink or the spectrum of other ID
    images: what is detected there is left behind by the change itself.
    """

    name: ClassVar[str] = "kmnist_failure"
    version: ClassVar[int] = 3

    id_dataset: IdDataset = "kmnist"

    @property
    def sweep(self) -> EpochSweep:
        """The epoch sweep of the same flow."""
        return flow_sweep(self.run)

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        layers, explanations, controls = [], [], []
        fresh = self.run.load_fresh_id_images(len(sets[FIT])).images
        for checkpoint in checkpoints:
            if checkpoint.epoch not in self.shown_epochs:
                continue
            at = {"epoch": checkpoint.epoch}
            layers.append(self._layers(checkpoint).assign(**at))
            for part in (*self._of_measured(checkpoint), *self._of_changed(checkpoint, sets)):
                explanations.append(part.assign(**at))
            for part in self._controls(checkpoint, fresh, sets[FIT].images):
                controls.append(part.assign(**at))
        explanations.append(self._trained_without_noise(sets, workspace))
        return {
            "layers": stored.joined(layers),
            "explanations": stored.joined(explanations),
            "controls": stored.joined(controls),
            "ink": image_changes.ink_table({n: s for n, s in sets.items() if n != FIT}),
        }

    def _layers(self, checkpoint: MeasuredCheckpoint) -> pd.DataFrame:
        """AUROC of each kept tensor's own share of the score, and its mean shift."""
        detector = checkpoint.gradient_detector()
        kept = [name for name in detector.names if name not in set(detector.dropped)]
        shares = {
            name: detector.layer_scores(norms).cpu().numpy()
            for name, norms in checkpoint.norms().items()
        }
        inside = shares[self.id_dataset]
        rows = [
            {"ood": ood, "tensor": tensor, "auroc": eg.auroc(inside[:, i], shares[ood][:, i])}
            for ood in self.ood_datasets
            for i, tensor in enumerate(kept)
        ]
        return pd.DataFrame(rows).astype({"tensor": "category"})

    def _of_measured(self, checkpoint: MeasuredCheckpoint) -> Iterator[pd.DataFrame]:
        norms, of_sum_z = checkpoint.norms(), checkpoint.norms("sum_z")
        both = torch.cat((norms[FIT], norms[self.id_dataset]))
        for label, found in (
            ("as measured", norms),
            ("objective sum_z", of_sum_z),
            ("fit set overlaps", {**norms, FIT: both}),
        ):
            yield self._aurocs(checkpoint.flow, found).assign(explanation=label)

    def _of_changed(self, checkpoint: MeasuredCheckpoint, sets: Sets) -> Iterator[pd.DataFrame]:
        flow, measured = checkpoint.flow, checkpoint.norms()
        # Of the fit half, so that the scored ID images have no part in the changed ones.
        ink_of = sets[FIT].images
        changes: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
            "OOD inverted": image_changes.inverted
        }
        changes |= {
            f"OOD with ID {name}": partial(give, reference=ink_of)
            for name, give in image_changes.GIVEN
        }
        for label, change in changes.items():
            of_sets = {name: measured[name] for name in (FIT, self.id_dataset)}
            for ood in self.ood_datasets:
                images = sets[ood].images[: len(ink_of)]
                changed = replace(sets[ood].take(torch.arange(len(images))), images=change(images))
                of_sets[ood] = _norms(flow, measuring.noisy_pixels(changed, self.seed))
            yield self._aurocs(flow, of_sets).assign(explanation=label)
        # The flow was trained on whole cells, whose middle is half a level up.
        silent = _silent_norms(flow, sets, shift=0.5 / 256)
        yield self._aurocs(flow, silent).assign(explanation="scored without noise")

    def _controls(
        self, checkpoint: MeasuredCheckpoint, fresh: torch.Tensor, reference: torch.Tensor
    ) -> Iterator[pd.DataFrame]:
        measured = checkpoint.norms()
        of_sets = {name: measured[name] for name in (FIT, self.id_dataset)}
        for name, give in image_changes.GIVEN:
            changed = image_changes.as_image_set(give(fresh[: len(reference)], reference=reference))
            norms = _norms(checkpoint.flow, measuring.noisy_pixels(changed, self.seed))
            table = self._aurocs(checkpoint.flow, {**of_sets, "changed": norms})
            yield table.drop(columns="ood").assign(control=f"ID with ID {name}")

    def _trained_without_noise(self, sets: Sets, workspace: Path) -> pd.DataFrame:
        epochs = tuple(dict.fromkeys(self.shown_epochs[:2]))
        config = replace(self.run.training, noise="none", epochs=epochs)
        images = eg.load_images(self.id_dataset, "train")
        parts = []
        for epoch, flow in trained_otherwise(self.run.spec, config, images, workspace):
            parts.append(self._aurocs(flow, _silent_norms(flow, sets)).assign(epoch=epoch))
        return pd.concat(parts).assign(explanation="trained without noise")

    def _aurocs(self, flow: eg.Flow, norms: dict[str, torch.Tensor]) -> pd.DataFrame:
        """AUROCs from the norms of the fit half and of the scored sets."""
        scores = measuring.fitted_scores(eg.LayerGradientDetector(flow), norms)
        columns = ["ood", "n_id", "n_ood", "auroc", "low", "high"]
        rows = aurocs.set_rows(scores, "layer_gradients").assign(epoch=0.0)
        return aurocs.auroc_table(rows, self.id_dataset)[columns]


def _silent_norms(flow: eg.Flow, sets: Sets, shift: float = 0) -> dict[str, torch.Tensor]:
    """Norms of images without noise."""
    return {n: _norms(flow, eg.datasets.centre(s.images) + shift) for n, s in sets.items()}


def _norms(flow: eg.Flow, x: torch.Tensor) -> torch.Tensor:
    return eg.layer_gradient_norms(flow, x.to(next(flow.parameters()).device)).values.cpu()


_KEYS = {
    "as measured": "measured",
    "objective sum_z": "sum_z",
    "fit set overlaps": "overlap",
    "scored without noise": "silent",
    "trained without noise": "untrained",
    "OOD inverted": "inverted",
    "OOD with ID ink": "ink",
    "OOD with ID spectrum": "spectrum",
}


def words(chapter: KmnistFailure, rows: pd.DataFrame, tables: Tables, sweep: Tables) -> Texts:
    """The range of all AUROCs with KMNIST, and what each explanation changes.

    The rows are AUROCs of the gradient score on single images in which KMNIST is one of the sets,
    of both objectives, at the trained epochs; the other tables are the study's and its sweep's.
    """
    middle = chapter.shown_epochs[1]
    explanations, controls = (
        tables[name][tables[name]["epoch"] == middle] for name in ("explanations", "controls")
    )
    return (
        _ranges(rows)
        | _hardest(rows)
        | _effects(explanations)
        | _beyond_controls(explanations, controls)
        | _bits(bits_by_epoch(sweep["epochs"], chapter.id_dataset))
        | {"middle": f"{middle:g}"}
    )


def _ranges(rows: pd.DataFrame) -> Texts:
    as_id, as_ood = (rows.loc[rows[c] == "kmnist", "auroc"] for c in ("id_dataset", "ood"))
    return {
        "as_id": f"{as_id.min():.2f} to {as_id.max():.2f}",
        "as_ood": f"{as_ood.min():.2f} to {as_ood.max():.2f}",
        "within": f"{rows['auroc'].between(*claims.KMNIST_RANGE).mean():.0%}",
    }


def _hardest(rows: pd.DataFrame) -> Texts:
    """Of a convolutional Glow that was trained on KMNIST, by the gradients of log p."""
    ours = (rows["id_dataset"] == "kmnist") & (rows["model"] == "glow")
    means = rows[ours & (rows["objective"] == "log_prob")].groupby("ood")["auroc"].mean()
    return {
        "hardest": title_of(str(means.idxmin())),
        "hardest_auroc": f"{means.min():.2f}",
        "easiest": title_of(str(means.idxmax())),
        "easiest_auroc": f"{means.max():.2f}",
    }


def _effects(explanations: pd.DataFrame) -> Texts:
    table = explanations.pivot_table(
        index="explanation", columns="ood", values="auroc", observed=True
    )
    texts = {f"why_{name}": f"{table.loc[row].mean():.2f}" for row, name in _KEYS.items()}
    by_ink = table.loc["OOD with ID ink"] - table.loc["as measured"]
    arranged = table.loc["OOD with ID spectrum"]
    return texts | {
        "ink_easier": str((by_ink > 0).sum()),
        "ink_harder": str((by_ink < 0).sum()),
        "arranged": f"{arranged.min():.2f} to {arranged.max():.2f}",
    }


def _beyond_controls(explanations: pd.DataFrame, controls: pd.DataFrame) -> Texts:
    """How many OOD sets are detected for sure better than ID images that were changed alike."""
    texts = {}
    for name in ("ink", "spectrum"):
        control = controls.set_index("control").loc[f"ID with ID {name}"]
        changed = explanations[explanations["explanation"] == f"OOD with ID {name}"]
        beyond = (changed["low"] > control["high"]).sum()
        texts[f"control_{name}"] = with_interval(control)
        texts[f"beyond_{name}"] = f"{beyond} of {len(changed)}"
    return texts


def _bits(bits: pd.Series) -> Texts:
    """The flow's own quality at its last epoch beside its best."""
    return {
        **formatted(".2f", bits_last=bits.iloc[-1], bits_best=bits.min()),
        **formatted("g", bits_best_epoch=bits.idxmin(), bits_last_epoch=bits.index[-1]),
    }


# Tensors in a running median.
_NEIGHBOURS = 11


def layer_aurocs(table: pd.DataFrame, oods: Sequence[str]) -> Figure:
    """AUROC of each tensor's own score in the order of the model, one panel per OOD set.

    Dots are tensors, lines medians over neighbouring ones; the table is the study's "layers".
    """
    with style.style():
        figure, axes = style.panels(len(oods), height=2.8, share_y=True)
        for axis, ood in zip(axes, oods, strict=True):
            of_set = table[table["ood"] == ood]
            for i, (epoch, rows) in enumerate(of_set.groupby("epoch")):
                place = np.linspace(0, 1, len(rows))
                axis.plot(place, rows["auroc"], ls="none", marker=".", ms=3, color="0.75", zorder=0)
                middle = rows["auroc"].rolling(_NEIGHBOURS, center=True, min_periods=1).median()
                line = style.look("", i) | {"marker": "", "lw": 1.8}
                axis.plot(place, middle, label=f"epoch {epoch:g}", **line)
            axis.axhline(0.5, color="0.5", lw=1, ls=":")
            axis.set_title(title_of(ood))
            axis.set_xlabel("place in the model")
        axes[0].set_ylabel("AUROC of one tensor")
        style.legend(figure, axes)
    return figure
