"""The page's models as they stand in the notebook: exact norms, and few lines each."""

from __future__ import annotations

import warnings

import nbformat
import pytest
import torch

from earlyglow.gradients import layer_gradient_norms
from earlyglow_book.chapters.your_model import aurocs, fit
from earlyglow_book.notebooks import find_notebook


def models() -> dict[str, str]:
    cells = nbformat.read(find_notebook("your_model"), 4).cells
    sources = [c.source for c in cells if c.cell_type == "code" and c.source.startswith("class ")]
    return {source.split("(")[0].removeprefix("class "): source for source in sources}


@pytest.mark.parametrize("name", ["VAE", "Autoregressive", "PixelTransformer"])
def test_models_of_the_page(name: str) -> None:
    source = models()[name]
    assert len(source.splitlines()) < 25
    space: dict[str, object] = {}
    exec("import torch\nfrom torch import nn\nfrom torch.nn import functional as F", space)  # noqa: S102
    exec(source, space)  # noqa: S102
    torch.manual_seed(0)
    model = space[name](16).double()  # type: ignore[operator]
    if name == "PixelTransformer":
        torch.set_default_dtype(torch.float64)
    try:
        x = torch.rand(9, 1, 4, 4, dtype=torch.float64) - 0.5
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = layer_gradient_norms(model, x).values
            expected = layer_gradient_norms(model, x, backend="loop").values
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-18)
        before = model.log_prob(x).mean().item()
        assert fit(model, x, 30).log_prob(x).mean().item() > before
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores = aurocs(model, x[:6], x[6:], 3 * x)
        assert set(scores) == {"likelihood", "paper's score", "neighbours"}
    finally:
        torch.set_default_dtype(torch.float32)
