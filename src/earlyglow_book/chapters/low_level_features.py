"""Does the score listen to textures or to content? Images that differ in one of them only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import earlyglow as eg
from earlyglow.progress import progress_bar
from earlyglow_book.chapters.tools import aurocs, image_changes, measuring, stored
from earlyglow_book.deferred import pd, torch
from earlyglow_book.flow_runs.protocol import FIT
from earlyglow_book.flow_runs.study import Checkpoints, FlowStudy, Sets
from earlyglow_book.parameters import IdDataset, parameters
from earlyglow_book.results import Tables
from earlyglow_book.tables.texts import Texts, formatted, with_interval
from earlyglow_book.titles import title_of

if TYPE_CHECKING:
    from earlyglow_book.flow_runs.measuring import MeasuredCheckpoint

_IMAGES = 500
_EXAMPLES = 8


@parameters
class LowLevelFeatures(FlowStudy):
    """AUROC over epochs for images changed in their low-level statistics or in their content.

    The images that are changed are fresh ID images. What a swap of phases and
    amplitudes leaves behind by itself shows where both images are of the ID set: "swap alone".
    """

    name: ClassVar[str] = "low_level_features"
    version: ClassVar[int] = 2

    id_dataset: IdDataset = "cifar10"

    def settings(self) -> dict[str, object]:
        return {"images": _IMAGES}

    def tables(self, sets: Sets, checkpoints: Checkpoints, workspace: Path) -> Tables:
        variants = self._variants(sets)
        pixels = {
            name: measuring.noisy_pixels(image_changes.as_image_set(images), self.seed)
            for _, name, images in variants
        }
        parts = []
        with progress_bar(len(self.run.epochs) * len(pixels), "variants", "set") as progress:
            for checkpoint in checkpoints:
                for part in self._scores(checkpoint, pixels):
                    parts.append(part.assign(epoch=checkpoint.epoch))
                    progress.update()
        kinds = {name: kind for kind, name, _ in variants}
        table = aurocs.auroc_table(pd.concat(parts), self.id_dataset)
        return {
            "aurocs": stored.compact(table.assign(kind=table["ood"].map(kinds))),
            "pictures": self._pictures(variants),
        }

    def _variants(self, sets: Sets) -> list[tuple[str, str, torch.Tensor]]:
        """Kind, name and images of each variant."""
        fresh, others = self.run.load_fresh_id_images(_IMAGES).images, sets[FIT].images
        low_level = dict(image_changes.LOW_LEVEL)
        if fresh.shape[1] == 3:
            low_level |= image_changes.COLOUR_LEVEL
        kinds = {"low level": low_level, "content": image_changes.CONTENT}
        swap = image_changes.with_low_level_of
        title, swapped = title_of(self.id_dataset), swap(fresh[: len(others)], others)
        variants = [
            ("neither", "unchanged", fresh),
            ("swap alone", f"levels of other {title}", swapped),
        ]
        for kind, changes in kinds.items():
            variants += [(kind, name, change(fresh)) for name, change in changes.items()]
        for ood in self.ood_datasets:
            other = sets[ood].images[: len(fresh)]
            own, title = fresh[: len(other)], title_of(ood)
            variants += [
                ("levels swapped", f"levels of {title}", swap(own, other)),
                ("content swapped", f"content of {title}", swap(other, own)),
            ]
        return variants

    def _scores(
        self, checkpoint: MeasuredCheckpoint, pixels: dict[str, torch.Tensor]
    ) -> Iterator[pd.DataFrame]:
        flow, own = checkpoint.flow, checkpoint.statistics[self.id_dataset]
        gradients, likelihood = checkpoint.gradient_detector(), eg.LikelihoodDetector(flow)
        pure = gradients.predict_from_statistics(own.norms["log_prob", 1].values)
        yield _by_both(self.id_dataset, pure, -own.log_prob)
        for name, x in pixels.items():
            scores = gradients.predict_from_norms(eg.layer_gradient_norms(flow, x))
            yield _by_both(name, scores, likelihood.predict(x))

    def _pictures(self, variants: list[tuple[str, str, torch.Tensor]]) -> pd.DataFrame:
        """A few images of each variant, of those whose sources may be shown."""
        sources = [eg.DATASETS[name] for name in self.ood_datasets]
        hidden = tuple(source.title for source in sources if not source.may_be_shown)
        own = eg.DATASETS[self.id_dataset].may_be_shown
        parts = []
        for _, name, images in variants:
            count = _EXAMPLES if own and not name.endswith(hidden) else 0
            parts.append(stored.picture_table(name, images[:count]))
        return stored.joined(parts).assign(epoch=-1.0)


def _by_both(dataset: str, gradients: torch.Tensor, likelihood: torch.Tensor) -> pd.DataFrame:
    """The scores of one set by both detectors."""
    by_detector = {"layer_gradients": gradients, "likelihood": likelihood}
    return pd.concat(aurocs.score_rows(dataset, s, name) for name, s in by_detector.items())


_SHOWN = {
    "control": "unchanged",
    "blurred": "blurred",
    "upside": "upside down",
    "patches": "shuffled patches",
}
# Averages this close say nothing of an order.
_TIE = 0.02


def distance_by_kind(gradients: pd.DataFrame) -> pd.DataFrame:
    """Mean distance of the AUROC from one half: columns kind, epoch, distance."""
    distance = gradients.assign(distance=(gradients["auroc"] - 0.5).abs())
    return distance.groupby(["kind", "epoch"], observed=True)["distance"].mean().reset_index()


def words(chapter: LowLevelFeatures, gradients: pd.DataFrame) -> Texts:
    """How well the gradient score sees changes early and late."""
    early, _, last = chapter.shown_epochs
    at = distance_by_kind(gradients).set_index(["kind", "epoch"])["distance"]
    late = gradients[gradients["epoch"] == last].set_index("ood")
    lead = at["low level", early] - at["content", early]
    return {
        **{name: with_interval(late.loc[row]) for name, row in _SHOWN.items()},
        "swap": with_interval(late[late["kind"] == "swap alone"].iloc[0]),
        **formatted(".3f", low_early=at["low level", early], low_late=at["low level", last]),
        **formatted(".3f", content_early=at["content", early], content_late=at["content", last]),
        "first": _which_first(lead),
        **formatted("g", early=early, last=last),
        "id": title_of(chapter.id_dataset),
    }


def _which_first(lead: float) -> str:
    if abs(lead) <= _TIE:
        return "neither kind of change is noticed before the other"
    return f"changes of {'low-level statistics' if lead > 0 else 'content'} are noticed better"
