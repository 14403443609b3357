"""Alarms under disguises against counts by hand."""

from __future__ import annotations

import pytest
import torch

import earlyglow as eg
from earlyglow.cache import cache_folder
from earlyglow.training import load_weights
from earlyglow_book import image_shifts
from earlyglow_book.chapters.shift import Shift, alarm_rows, alarms_table, disguises, words
from earlyglow_book.experiment import result_of
from earlyglow_book.flow_runs.measuring import noisy_pixels

SHIFT = Shift("textures", profile="smoke")


def test_alarms_are_counted_above_the_threshold() -> None:
    """Of 1 to 99 the threshold for one in twenty is 95: two of three strange scores are above."""
    scores = {
        "own": torch.arange(1.0, 100.0),
        "none 0": torch.tensor([95.0, 95.5]),
        "blur 2": torch.tensor([1.0, 96.0, 100.0]),
    }
    rows = alarm_rows(scores, "own").set_index("shift")
    assert rows.loc["none", "alarms"] == pytest.approx(1 / 2)
    assert rows.loc["blur", "alarms"] == pytest.approx(2 / 3)
    assert rows.loc["blur", "severity"] == 2
    assert rows.loc["blur", "auroc"] == pytest.approx(eg.auroc(scores["own"], scores["blur 2"]))


def test_the_disguised_images_are_others_than_those_of_the_threshold() -> None:
    sets = SHIFT.sets_to_measure()
    clean, own = sets["none 0"], sets["textures"]
    assert len(clean) == len(own) == 30
    for image in clean.images:
        assert not (own.images == image).flatten(1).all(1).any()
    expected = image_shifts.blur(clean.images, 3)
    assert torch.equal(sets["blur 3"].images, expected)


def test_a_row_against_the_detector() -> None:
    """From the checkpoint and the images, without the experiment's own code."""
    rows = result_of(SHIFT).tables["shifts"]
    sets, (_, late) = SHIFT.sets_to_measure(), SHIFT.read_epochs
    flow = SHIFT.run.spec.build(0)
    load_weights(flow, SHIFT.run.train(cache_folder()).checkpoints[late])
    detector = eg.LayerNeighbourDetector(flow.eval()).fit(noisy_pixels(sets["fit"], 0))
    own, strange = (
        detector.predict(noisy_pixels(sets[name], 0)) for name in ("textures", "contrast 5")
    )
    row = rows.query("detector == 'neighbours' and shift == 'contrast' and severity == 5")
    row = row[row["epoch"] == late]
    assert row["auroc"].item() == pytest.approx(eg.auroc(own, strange), abs=2e-3)
    limit = eg.threshold(own, 0.05)
    assert row["alarms"].item() == pytest.approx((strange > limit).double().mean().item(), abs=1e-6)
    table = alarms_table(rows, late, 5)
    assert table.loc["contrast", "5 nearest neighbours"] == pytest.approx(row["alarms"].item())
    assert words(SHIFT, rows)["allowed"] == "5%"


@pytest.mark.parametrize(
    ("name", "embedded"), [("fashion_mnist", "digits"), ("cifar10", "textures")]
)
def test_a_stored_result_is_shown_without_its_images(
    name: str, embedded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the set, or a set that may not be shown: an embedded image stands in."""
    load = eg.load_images

    def load_embedded(wanted: str, split: str) -> eg.ImageSet:
        if wanted != embedded:
            raise eg.DatasetError(f"{wanted} is not here")
        return load(wanted, split)

    monkeypatch.setattr(eg, "load_images", load_embedded)
    shown = disguises(Shift(name))
    assert set(shown) == set(image_shifts.SHIFTS)
    first = load(embedded, "test").images[0].numpy()
    assert all((images[0] == first).all() for images in shown.values())
