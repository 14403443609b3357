"""What the norms look like, against scikit-learn, NumPy and the layers themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

import earlyglow as eg
from earlyglow_book.chapters.norm_geometry import (
    axis_rows,
    block,
    block_correlations,
    output_norms,
    shift_rows,
)


def log_norms(count: int, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Thirty log norms that share one direction."""
    generator = np.random.default_rng(seed)
    common = generator.standard_normal((count, 1)) + shift
    return torch.from_numpy(common + 0.5 * generator.standard_normal((count, 30)))


def standardised(z: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    return (z - by.mean(0)) / by.std(0)


FIT = log_norms(300)
SETS = {"fit": FIT, "own": log_norms(200, seed=1), "far": log_norms(150, 2.0, 2)}
Z = {name: standardised(values, FIT) for name, values in SETS.items()}


def test_axes_are_the_principal_ones_and_point_to_larger_norms() -> None:
    rows = axis_rows(Z).set_index(["dataset", "axis"])
    expected = PCA(5).fit(Z["fit"].numpy())
    shares = rows.loc["fit"]["share"].to_numpy()[:5]
    assert shares == pytest.approx(expected.explained_variance_ratio_)
    assert rows.loc["fit"]["deviation"].to_numpy() == pytest.approx(1)
    along = (
        expected.transform(Z["far"].numpy())[:, 0].mean() / expected.explained_variance_[0] ** 0.5
    )
    assert rows.loc[("far", 1), "mean"] == pytest.approx(abs(along), abs=1e-6)


def test_the_shift_and_the_rest_make_the_sum_of_squares() -> None:
    (row,) = shift_rows(Z, "own").itertuples()
    own, far = (Z[name].numpy() for name in ("own", "far"))
    labels = np.repeat([0, 1], [len(own), len(far)])
    both = np.concatenate([own, far])
    rest = ((both - both.mean(1, keepdims=True)) ** 2).sum(1)
    assert row.ood == "far"
    assert row.auroc_all == pytest.approx(roc_auc_score(labels, (both**2).sum(1)))
    assert row.auroc_shift == pytest.approx(roc_auc_score(labels, np.abs(both.mean(1))))
    assert row.auroc_rest == pytest.approx(roc_auc_score(labels, rest))
    share = 1 - rest[: len(own)].mean() / (own**2).sum(1).mean()
    assert row.share_id == pytest.approx(share)


def test_blocks_are_compared_tensor_by_tensor() -> None:
    blocks = ["a"] * 10 + ["b"] * 20
    rows = block_correlations(Z["fit"], blocks).set_index(["first", "second"])["value"]
    matrix = np.corrcoef(Z["fit"].numpy().T)
    assert rows["a", "b"] == pytest.approx(matrix[:10, 10:].mean())
    apart = matrix[:10, :10][~np.eye(10, dtype=bool)]
    assert rows["a", "a"] == pytest.approx(apart.mean())


@pytest.mark.parametrize(
    "flow",
    [
        eg.Glow((1, 8, 8), levels=2, steps=1, hidden=4),
        eg.DenseGlow((1, 4, 4), steps=2, hidden=6, depth=1),
    ],
)
def test_every_tensor_has_a_block_of_few(flow: eg.Flow) -> None:
    blocks = {block(name) for name, _ in flow.named_parameters()}
    assert 1 < len(blocks) < 10


def test_output_norms_are_those_of_the_layers() -> None:
    torch.manual_seed(0)
    flow = eg.Glow((1, 8, 8), levels=2, steps=1, hidden=4)
    x = torch.rand(7, 1, 8, 8) - 0.5
    flow.log_prob(x)
    for tensor in flow.parameters():
        torch.nn.init.normal_(tensor, std=0.1)
    names = [name for name, _ in flow.named_parameters()]
    outputs = {"levels.0.steps.1.steps.1.network.first": [], "levels.0.steps.1.steps.0": []}
    for name, seen in outputs.items():
        flow.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.append(
                output[0] if isinstance(output, tuple) else output
            )
        )
    found = output_norms(flow, x)
    assert found.shape == (7, len(names))
    # Convolutions are fused with their actnorm, so that their common output counts.
    for name, tensor in (
        ("levels.0.steps.1.steps.1.network.first", "conv.weight"),
        ("levels.0.steps.1.steps.0", "conv.lower"),
    ):
        expected = outputs[name][0].detach().double().flatten(1).square().sum(1)
        place = names.index(f"{name}.{tensor}")
        assert found[:, place].tolist() == pytest.approx(expected.tolist())


def test_a_layer_that_is_used_ten_times_counts_ten_times() -> None:
    torch.manual_seed(0)
    flow = eg.DenseGlow((1, 4, 4), steps=3, hidden=6, depth=1)
    x, outputs = torch.rand(5, 1, 4, 4) - 0.5, []
    layer = flow.get_submodule("coupling.shift.0")
    with layer.register_forward_hook(lambda module, inputs, output: outputs.append(output)):
        flow.log_prob(x)
    assert len(outputs) == 3
    place = [name for name, _ in flow.named_parameters()].index("coupling.shift.0.weight")
    expected = sum(output.detach().double().flatten(1).square().sum(1) for output in outputs)
    assert output_norms(flow, x)[:, place].tolist() == pytest.approx(expected.tolist())
