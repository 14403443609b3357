"""Images so far out that their gradient norms overflow."""

from __future__ import annotations

import pytest
import torch

import earlyglow as eg


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "kind",
    [
        eg.LayerGradientDetector,
        eg.LayerNeighbourDetector,
        eg.LayerCovarianceDetector,
        eg.LayerResidualDetector,
        eg.LayerDensityDetector,
        eg.TotalNormDetector,
    ],
)
def test_norms_beyond_the_type_are_scored_as_far_out(kind: type, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = eg.Glow((1, 4, 4), levels=1, steps=1, hidden=2)
    norms = torch.rand(40, len(list(model.parameters())), dtype=dtype) + 0.5
    far = norms[:3].clone()
    far[0, 2] = far[1] = torch.inf
    far[2] = 2.0
    found = kind(model).fit_from_statistics(norms).predict_from_statistics(far)
    assert found.isfinite().all()
    assert found[0] > found[2]
    assert found[1] >= found[0]
