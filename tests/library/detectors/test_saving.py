"""A detector that was saved and loaded scores as before, and foreign files are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import earlyglow as eg
from earlyglow.detectors.saving import _KINDS, DetectorFileError, load_detector, save_detector


@pytest.fixture(scope="module")
def flow() -> eg.Glow:
    torch.manual_seed(0)
    flow = eg.Glow((1, 8, 8), levels=2, steps=1, hidden=4)
    flow.log_prob(images(20))
    for parameter in flow.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape)
    return flow.eval()


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) - 0.5


OTHERS: dict[str, Callable[[eg.Glow], object]] = {
    "LayerCovarianceDetector, axes": lambda f: eg.LayerCovarianceDetector(f, components=5),
    "LayerResidualDetector, placebo": lambda f: eg.LayerResidualDetector(f, axes=2, first=3),
    "LayerGradientDetector, groups": lambda f: eg.LayerGradientDetector(f, 5, "sum_z"),
    "TypicalityDetector, groups": lambda f: eg.TypicalityDetector(f, 5),
}


def made(name: str, flow: eg.Glow) -> object:
    if name in OTHERS:
        return OTHERS[name](flow)
    kind = _KINDS[name]
    return kind() if name == "ImageStatisticsDetector" else kind(flow)


@pytest.mark.parametrize("name", [*_KINDS, *OTHERS])
def test_scores_are_the_same_to_the_bit(name: str, flow: eg.Glow, tmp_path: Path) -> None:
    detector = made(name, flow)
    if getattr(detector, "requires_fit", False):
        detector.fit(images(60))  # type: ignore[attr-defined]
    save_detector(detector, tmp_path / "x.safetensors")  # type: ignore[arg-type]
    loaded = load_detector(tmp_path / "x.safetensors", flow)
    assert type(loaded) is type(detector)
    x = images(20, 1)
    assert torch.equal(loaded.predict(x), detector.predict(x))  # type: ignore[attr-defined]


def test_every_detector_of_the_package_can_be_saved_or_is_refused() -> None:
    kinds = {n for n in dir(eg.detectors) if n.endswith("Detector")}
    assert kinds - set(_KINDS) == {
        "CombinedDetector",
        "GroupDetector",
        "LogNormDetector",
        "StatisticsDetector",
    }


def test_what_cannot_be_saved_is_named(flow: eg.Glow, tmp_path: Path) -> None:
    combined = eg.combine([eg.LayerNeighbourDetector(flow), eg.ImageStatisticsDetector()])
    with pytest.raises(TypeError, match="a CombinedDetector cannot be saved"):
        save_detector(combined, tmp_path / "x")
    with pytest.raises(TypeError, match="objective is a function"):
        save_detector(
            eg.LayerGradientDetector(flow, objective=lambda m, x: m.log_prob(x)), tmp_path / "x"
        )


def test_foreign_and_damaged_files_are_refused(flow: eg.Glow, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(DetectorFileError, match="no readable detector"):
        load_detector(path, flow)
    path.write_bytes(b"no detector")
    with pytest.raises(DetectorFileError, match="no readable detector"):
        load_detector(path, flow)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(DetectorFileError, match="was not written by save_detector"):
        load_detector(path, flow)
    save_detector(eg.LayerGradientDetector(flow).fit(images(30)), path)
    with pytest.raises(DetectorFileError, match="which needs model="):
        load_detector(path)
    with pytest.raises(DetectorFileError, match="but this model has"):
        load_detector(path, eg.Glow((1, 8, 8), levels=2, steps=2, hidden=4))


def test_the_threshold_comes_from_id_scores_alone() -> None:
    scores = torch.arange(1000.0)
    threshold = eg.threshold(scores, 0.05)
    assert (scores > threshold).float().mean() == pytest.approx(0.05, abs=2e-3)
    with pytest.raises(ValueError, match="false_alarm_rate is 0"):
        eg.threshold(scores, 0.0)
    with pytest.raises(ValueError, match="needs at least 99 ID scores"):
        eg.threshold(scores[:50], 0.01)
