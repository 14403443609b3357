"""Models that people bring, with every backend that can do them, against one backward per group.

For each model the tensors that do *not* go the batched way are pinned, so that none falls to a
slow way unseen.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune

from earlyglow.gradients import layer_gradient_norms
from earlyglow.gradients.auto import plan_of
from earlyglow.gradients.objectives import Objective, checked, find_objective, log_prob, sum_z


class BareVAE(nn.Module):
    """A variational autoencoder with one fixed latent for each image, and a bare variance."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 6))
        self.log_variance = nn.Parameter(torch.zeros(6))

    def log_prob(self, x: Tensor) -> Tensor:
        mean, log_scale = self.encoder(x).chunk(2, dim=1)
        z = mean + 0.3 * log_scale.exp()
        error = (x - self.decoder(z)).square() / self.log_variance.exp()
        kl = 0.5 * (mean.square() + (2 * log_scale).exp() - 2 * log_scale - 1).sum(1)
        return -0.5 * (error + self.log_variance).sum(1) - kl


class Masked(nn.Module):
    """An autoregressive model that masks its weights in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.register_buffer("mask", torch.ones(6, 6).tril(-1))

    def log_prob(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(F.linear(x, self.first.weight * self.mask.T.T, self.first.bias))
        logits = F.linear(hidden, self.second.weight * self.mask, self.second.bias)
        return -F.softplus(-logits * x.sign()).sum(1)


class Recurrent(nn.Module):
    """A GRU or LSTM that predicts each value from those before."""

    def __init__(self, kind: type[nn.RNNBase], **options: object) -> None:
        super().__init__()
        self.rnn = kind(1, 5, batch_first=True, **options)
        width = options.get("proj_size") or (10 if options.get("bidirectional") else 5)
        self.head = nn.Linear(width, 1)

    def final_latent(self, x: Tensor) -> Tensor:
        return self.rnn(F.pad(x, (1, 0))[:, :-1, None])[0]

    def log_prob(self, x: Tensor) -> Tensor:
        return -(x - self.head(self.final_latent(x))[..., 0]).square().sum(1)


class RecurrentOverTime(nn.Module):
    """The default layout (T, N, d), two layers, both ways, a start of its own and all outputs."""

    def __init__(self, kind: type[nn.RNNBase], **options: object) -> None:
        super().__init__()
        self.start = nn.Linear(6, 4)
        self.rnn = kind(2, 4, num_layers=2, bidirectional=True, **options)
        self.head = nn.Linear(8, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        state = self.start(x).tanh().expand(4, -1, -1).contiguous()
        both = isinstance(self.rnn, nn.LSTM)
        output, last = self.rnn(
            x.unflatten(1, (3, 2)).transpose(0, 1), (state,) * 2 if both else state
        )
        ends = last[0] * last[1] if both else last
        return -self.head(output.transpose(0, 1)).square().sum((1, 2)) - ends.pow(3).sum((0, 2))


class Cells(nn.Module):
    """A cell that the model itself moves through time."""

    def __init__(self, kind: type[nn.RNNCellBase], **options: object) -> None:
        super().__init__()
        self.cell = kind(1, 5, **options)

    def log_prob(self, x: Tensor) -> Tensor:
        state, total = None, torch.zeros(len(x), dtype=x.dtype)
        for value in x.T:
            state = self.cell(value[:, None], state)
            hidden = state[0] if isinstance(state, tuple) else state
            total = total - (hidden.sum(1) - value).square()
        return total


class Attending(nn.Module):
    """Attention of pairs of numbers to others, with a mask and with its shares in the density."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.query = nn.Linear(2, 8)
        self.attention = nn.MultiheadAttention(8, 2, **options)

    def log_prob(self, x: Tensor) -> Tensor:
        pairs = x.unflatten(1, (3, 2))
        keys = F.pad(pairs, (0, self.attention.kdim - 2))[:, 1:]
        values = F.pad(pairs, (0, self.attention.vdim - 2))[:, 1:]
        ignored = torch.stack([x[:, 0] > 0, torch.zeros(len(x), dtype=torch.bool)], 1)
        output, shares = self.attention(
            self.query(pairs), keys, value=values, key_padding_mask=ignored
        )
        return -output.square().sum((1, 2)) + shares.pow(3).sum((1, 2))


class Attentive(nn.Module):
    """A Transformer encoder with causal attention."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.embed = nn.Linear(1, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, **options)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(8, 1)

    def final_latent(self, x: Tensor) -> Tensor:
        before = F.pad(x, (1, 0))[:, :-1, None]
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
        return self.encoder(self.embed(before), mask=mask)

    def log_prob(self, x: Tensor) -> Tensor:
        return -(x - self.head(self.final_latent(x))[..., 0]).square().sum(1)


class Parametrized(nn.Module):
    """A density whose layers are reparametrised."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.first = kind(nn.Linear(6, 8))
        self.second = nn.Linear(8, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.second(torch.tanh(self.first(x))).square()[:, 0]


class Scripted(nn.Module):
    """A scripted module inside of another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.jit.script(nn.Sequential(nn.Linear(6, 5), nn.Tanh()))
        self.second = nn.Linear(5, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.second(self.first(x)).square()[:, 0]


class Aliased(nn.Module):
    """A parameter that is read from a list."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(6))
        self.scales = [self.scale]

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scales[0]


class Powered(nn.Module):
    """A layer that is called with options, by place and by name."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(6))

    def forward(self, x: Tensor, power: int = 1, shift: float | None = None) -> Tensor:
        return (x * self.scale + (shift or 0.0)) ** power


class Renormed(nn.Module):
    """An embedding whose forward pass shortens its own weights, and a buffer that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4, max_norm=0.5)
        self.register_buffer("calls", torch.zeros(1))

    def log_prob(self, x: Tensor) -> Tensor:
        self.calls += 1
        return -self.table((x > 0).long()).pow(3).sum((1, 2))


class Hooked(nn.Module):
    """A layer whose module hook throws its gradient away in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.layer(x).square().sum(1)


class Quantised(nn.Module):
    """A layer with a parameter of its own that also returns indices."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        nearest = torch.cdist(x, self.codes).argmin(1)
        return self.codes[nearest], nearest

    def log_prob(self, x: Tensor) -> Tensor:
        return -(x - self(x)[0]).square().sum(1)


class Wrapped(nn.Module):
    """Somebody else's density of vectors."""

    def __init__(self, inside: nn.Module, density: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.inside, self.density = inside, density

    def log_prob(self, x: Tensor) -> Tensor:
        return self.density(self.inside, x)


class Packed(nn.Module):
    """A GRU that is called with a packed sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, 4, batch_first=True)

    def log_prob(self, x: Tensor) -> Tensor:
        lengths = torch.full((len(x),), x.shape[1])
        packed = nn.utils.rnn.pack_padded_sequence(x[..., None], lengths, batch_first=True)
        output, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return -output.square().sum((1, 2))


def with_old(change: Callable[[nn.Module], nn.Module]) -> Callable[[nn.Module], None]:
    """Torch's older changes of a weight, which are hooks, on every linear layer."""
    return lambda module: change(module) if isinstance(module, nn.Linear) else None


def tied_cell() -> nn.Module:
    cell = nn.GRUCell(6, 6)
    cell.weight_hh = cell.weight_ih
    return Wrapped(cell, lambda inside, x: -inside(x).square().sum(1))


def zuko_flow(name: str) -> nn.Module:
    zuko = pytest.importorskip("zuko", reason="the extra 'zoo' is not installed")
    options = {"bins": 4} if name == "NSF" else {}
    flow = getattr(zuko.flows, name)(6, transforms=2, hidden_features=(8, 8), **options)
    return Wrapped(flow, lambda inside, x: inside().log_prob(x))


def nflows_flow(name: str) -> nn.Module:
    """nflows' masked autoregressive flow, its RealNVP, its splines, or its convolutional steps."""
    pytest.importorskip("nflows", reason="the extra 'zoo' is not installed")
    from nflows import distributions, flows, transforms
    from nflows import nn as nets

    if name == "MAF":
        return flows.MaskedAutoregressiveFlow(6, 8, 2, 1)
    if name == "RealNVP":
        return flows.SimpleRealNVP(6, 8, 2, 1)
    if name == "NSF":
        steps = [
            transforms.LULinear(6),
            transforms.PiecewiseRationalQuadraticCouplingTransform(
                torch.arange(6) % 2,
                lambda inputs, outputs: nets.nets.ResidualNet(inputs, outputs, 8),
                num_bins=4,
                tails="linear",
            ),
        ]
        return flows.Flow(transforms.CompositeTransform(steps), distributions.StandardNormal((6,)))
    steps = [
        transforms.SqueezeTransform(),
        transforms.ActNorm(4),
        transforms.OneByOneConvolution(4),
        transforms.AffineCouplingTransform(
            torch.arange(4) % 2,
            lambda inputs, outputs: nets.nets.ConvResidualNet(inputs, outputs, 8, num_blocks=1),
        ),
    ]
    flow = flows.Flow(transforms.CompositeTransform(steps), distributions.StandardNormal((4, 2, 2)))
    flow.log_prob(torch.randn(8, 1, 4, 4))
    return Wrapped(flow, lambda inside, x: inside.log_prob(x.reshape(-1, 1, 4, 4)))


def normflows_glow() -> nn.Module:
    nf = pytest.importorskip("normflows", reason="the extra 'zoo' is not installed")
    steps = [nf.flows.GlowBlock(4, 8, split_mode="channel", scale=True) for _ in range(2)]
    base = nf.distributions.DiagGaussian((4, 2, 2))
    flow = nf.NormalizingFlow(base, [*steps, nf.flows.Squeeze()])
    flow.log_prob(torch.randn(8, 1, 4, 4))
    return Wrapped(flow, lambda inside, x: inside.log_prob(x.reshape(-1, 1, 4, 4)))


class Language(nn.Module):
    """Hugging Face's GPT-2 from a small configuration, on tokens made of the numbers."""

    def __init__(self) -> None:
        transformers = pytest.importorskip("transformers", reason="the extra 'zoo' is missing")
        super().__init__()
        sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
        sizes |= {"bos_token_id": 0, "eos_token_id": 0}
        config = transformers.GPT2Config(**sizes, attn_implementation="eager")
        self.model = transformers.GPT2LMHeadModel(config)

    def log_prob(self, x: Tensor) -> Tensor:
        tokens = (x * 2).round().long().clamp(-5, 5) + 5
        logits = self.model(tokens[:, :-1]).logits
        return -F.cross_entropy(logits.mT, tokens[:, 1:], reduction="none").sum(1)


# Each model, how many numbers an image has, and which tensors are not batched (by prefix).
ZOO: dict[str, tuple[Callable[[], nn.Module], int, tuple[str, ...]]] = {
    "VAE with a bare parameter": (BareVAE, 6, ("log_variance",)),
    "masked weights": (Masked, 6, ("first", "second")),
    "GRU": (lambda: Recurrent(nn.GRU), 6, ()),
    "LSTM": (lambda: Recurrent(nn.LSTM, bias=False), 6, ()),
    "RNN": (lambda: Recurrent(nn.RNN, nonlinearity="relu"), 6, ()),
    "GRU, two layers, both ways": (
        lambda: Recurrent(nn.GRU, num_layers=2, bidirectional=True),
        6,
        (),
    ),
    "GRU over time": (lambda: RecurrentOverTime(nn.GRU, dropout=0.5), 6, ()),
    "LSTM over time": (lambda: RecurrentOverTime(nn.LSTM), 6, ()),
    "RNN over time": (lambda: RecurrentOverTime(nn.RNN, bias=False), 6, ()),
    "LSTM with a projected state": (lambda: Recurrent(nn.LSTM, proj_size=3), 6, ("rnn",)),
    "GRU cell": (lambda: Cells(nn.GRUCell, bias=False), 6, ()),
    "LSTM cell": (lambda: Cells(nn.LSTMCell), 6, ()),
    "RNN cell": (lambda: Cells(nn.RNNCell), 6, ()),
    "Transformer encoder": (Attentive, 6, ()),
    "Transformer encoder, normed first": (lambda: Attentive(norm_first=True, bias=False), 6, ()),
    "attention": (lambda: Attending(kdim=8, vdim=8, batch_first=True), 6, ()),
    "attention of other widths": (lambda: Attending(kdim=3, vdim=5, batch_first=True), 6, ()),
    "attention with bare keys": (
        lambda: Attending(kdim=8, vdim=8, add_bias_kv=True, batch_first=True),
        6,
        ("attention",),
    ),
    "spectral norm": (
        lambda: Parametrized(parametrizations.spectral_norm),
        6,
        ("first.parametrizations",),
    ),
    "weight norm": (
        lambda: Parametrized(parametrizations.weight_norm),
        6,
        ("first.parametrizations",),
    ),
    "vector quantisation": (
        lambda: Wrapped(Quantised(), lambda q, x: q.log_prob(x)),
        6,
        ("inside",),
    ),
    "vector quantisation, called": (
        lambda: Wrapped(Quantised(), lambda q, x: -(x - q(x)[0]).square().sum(1)),
        6,
        ("inside",),
    ),
    "renormed embedding": (Renormed, 6, ("table",)),
    "old weight norm": (
        lambda: Hooked().apply(with_old(nn.utils.weight_norm)),
        6,
        ("layer",),
    ),
    "old spectral norm": (
        lambda: Hooked().apply(with_old(nn.utils.spectral_norm)),
        6,
        ("layer",),
    ),
    "pruned": (
        lambda: Hooked().apply(
            with_old(partial(prune.random_unstructured, name="weight", amount=2))
        ),
        6,
        ("layer",),
    ),
    "packed sequences": (Packed, 6, ("rnn",)),
    "a GRU over rows": (
        lambda: Wrapped(
            nn.GRU(2, 4, batch_first=True),
            lambda m, x: -m(x.reshape(-1, 1, 2))[0].square().reshape(len(x), -1).sum(1),
        ),
        6,
        ("inside",),
    ),
    "a cell tied to itself": (tied_cell, 6, ("inside",)),
    "a layer with options": (
        lambda: Wrapped(Powered(), lambda m, x: -m(m(x, 3), 2, shift=0.5).sum(1)),
        6,
        (),
    ),
    "a parameter in a list": (
        lambda: Wrapped(
            nn.Sequential(Aliased(), nn.Linear(6, 1)), lambda m, x: -m(x).square().sum(1)
        ),
        6,
        ("inside.0",),
    ),
    "scripted": (Scripted, 6, ("first",)),
    "zuko MAF": (lambda: zuko_flow("MAF"), 6, ()),
    "zuko NSF": (lambda: zuko_flow("NSF"), 6, ()),
    "zuko RealNVP": (lambda: zuko_flow("RealNVP"), 6, ()),
    "nflows MAF": (lambda: nflows_flow("MAF"), 6, ()),
    "nflows RealNVP": (lambda: nflows_flow("RealNVP"), 6, ()),
    # Its splines divide what they get in place.
    "nflows NSF": (
        lambda: nflows_flow("NSF"),
        6,
        ("_transform._transforms.1.transform_net.final_layer",),
    ),
    "nflows Glow": (lambda: nflows_flow("Glow"), 16, ()),
    "normflows Glow": (
        normflows_glow,
        16,
        ("inside.q0", *(f"inside.flows.{i}.flows.{j}." for i in (0, 1) for j in (1, 2))),
    ),
    "GPT-2": (Language, 8, ("model.transformer.wpe",)),
}


def built(name: str) -> tuple[nn.Module, Tensor]:
    make, dims, _ = ZOO[name]
    torch.manual_seed(0)
    model = make().double()
    x = torch.randn(11, dims, dtype=torch.float64)
    return model, x


def reference(model: nn.Module, x: Tensor, size: int, objective: Objective = log_prob) -> Tensor:
    """Written out: ``backward`` and ``.grad`` for each group, in evaluation mode."""
    model = model.eval()
    rows = []
    for start in range(0, len(x) - size + 1, size):
        model.zero_grad(set_to_none=True)
        objective(model, x[start : start + size]).sum().backward()
        rows.append(
            [0.0 if p.grad is None else float(p.grad.square().sum()) for p in model.parameters()]
        )
    model.zero_grad(set_to_none=True)
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("backend", ["auto", "loop"])
@pytest.mark.parametrize("name", ZOO)
def test_against_one_backward_per_group(name: str, backend: str) -> None:
    model, x = built(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for size in (1, 5):
            expected = reference(model, x, size)
            found = layer_gradient_norms(model, x, size, backend=backend).values
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize(
    "name", ["GRU", "LSTM", "RNN", "GRU, two layers, both ways", "Transformer encoder"]
)
def test_the_other_objective(name: str) -> None:
    """The head has no part in it, so that its norms are zero."""
    model, x = built(name)
    for size in (1, 5):
        expected = reference(model, x, size, sum_z)
        found = layer_gradient_norms(model, x, size, backend="batched", objective="sum_z").values
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-18)
        assert (found[:, -2:] == 0).all()


@pytest.mark.parametrize("name", ZOO)
def test_only_these_tensors_go_a_slower_way(name: str) -> None:
    model, x = built(name)
    objective = find_objective("log_prob", model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = plan_of(model.eval(), x, checked(objective), objective)
    pinned = ZOO[name][2]
    expected = {n for n, _ in model.named_parameters() if n.startswith(pinned)} if pinned else set()
    assert set(plan.rest) == expected


def test_recurrent_layers_run_as_cudnn_can_differentiate_them() -> None:
    """In training mode, as a GPU demands, but without the dropout of training."""
    model, x = built("GRU over time")
    seen: list[tuple[bool, float]] = []
    model.rnn.register_forward_pre_hook(lambda m, _: seen.append((m.training, m.dropout)))
    model.eval()
    layer_gradient_norms(model, x)
    assert set(seen) == {(True, 0.0)}
    assert (model.rnn.training, model.rnn.dropout) == (False, 0.5)


@pytest.mark.parametrize("inside", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", ZOO)
def test_a_model_is_left_as_it_was(name: str, inside: Callable[[], object]) -> None:
    model, x = built(name)
    model.train()
    first = next(model.parameters())
    first.requires_grad_(False)
    objects, values = list(model.parameters()), copy.deepcopy(model.state_dict())
    with inside(), warnings.catch_warnings():  # type: ignore[attr-defined]
        warnings.simplefilter("ignore")
        found = layer_gradient_norms(model, x.clone())
        with pytest.raises(ZeroDivisionError):
            layer_gradient_norms(model, x.clone(), objective=lambda m, y: m.log_prob(y) / (1 // 0))
    assert (found.values > 0).any()
    assert all(a is b for a, b in zip(objects, model.parameters(), strict=True))
    assert not first.requires_grad
    assert all(p.requires_grad for p in objects[1:])
    assert all(module.training for module in model.modules())
    assert all(p.grad is None for p in objects)
    for name_of_value, value in model.state_dict().items():
        assert torch.equal(value, values[name_of_value])


def test_what_goes_a_slower_way_is_said_once_by_name() -> None:
    model, x = built("VAE with a bare parameter")
    with pytest.warns(UserWarning, match=r"1 of 9 tensors of BareVAE \(log_variance\)"):
        layer_gradient_norms(model, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer_gradient_norms(model, x, 5)


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.linear(x + torch.randn_like(x)).square()[:, 0]


class Mixing(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def log_prob(self, x: Tensor) -> Tensor:
        return self.layer(x).pow(3).flatten(1).sum(1)


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
def test_models_without_gradients_of_single_images_are_refused(backend: str) -> None:
    with pytest.raises(ValueError, match="other numbers for the same images at each call"):
        layer_gradient_norms(Noisy(), torch.randn(4, 3), backend=backend)
    x = torch.arange(8.0).view(2, 1, 2, 2) ** 2
    norm = nn.BatchNorm2d(1, track_running_stats=False)
    with pytest.raises(ValueError, match="another number beside other images"):
        layer_gradient_norms(Mixing(norm), x, backend=backend)
    softmax = nn.Sequential(nn.Linear(3, 2), nn.Softmax(dim=0))
    with pytest.raises(ValueError, match="another number beside other images"):
        layer_gradient_norms(Mixing(softmax), torch.randn(6, 3), backend=backend)


class Scaled(nn.Module):
    """(w (1+1j) x).real summed: the gradient is (1-1j) x, as autograd has it."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, dtype=torch.complex64))

    def log_prob(self, x: Tensor) -> Tensor:
        return (self.w * (1 + 1j) * x).real.sum(1)


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap"])
def test_magnitudes_of_complex_gradients_are_squared(backend: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = layer_gradient_norms(Scaled(), torch.ones(1, 1), backend=backend).values
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(2.0)


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
def test_sparse_embeddings_count_each_use(backend: str) -> None:
    """Row 0 is used twice by the first image: (2, 2) squared is 8; the second uses two rows."""
    model = nn.Embedding(3, 2, sparse=True)
    x = torch.tensor([[0, 0], [1, 2]])
    found = layer_gradient_norms(
        model, x, backend=backend, objective=lambda m, ids: m(ids).flatten(1).sum(1)
    )
    assert found.values.flatten().tolist() == pytest.approx([8.0, 4.0])
    assert model.sparse


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("backend", ["auto", "loop", "batched"])
def test_half_precision_adds_squares_in_float32(backend: str, dtype: torch.dtype) -> None:
    """The gradient of -(x·w)² is -2·20·10 for each weight; 2·400² is more than a half can hold."""
    model = nn.Linear(2, 1, bias=False).to(dtype)
    nn.init.ones_(model.weight)
    x = torch.full((1, 2), 10.0, dtype=dtype)
    found = layer_gradient_norms(
        model, x, backend=backend, objective=lambda m, y: -m(y).square()[:, 0]
    )
    assert found.values.dtype == torch.float32
    assert found.values.item() == pytest.approx(320_000, rel=1e-2)


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
def test_gradient_hooks_are_not_run(backend: str) -> None:
    model, x = nn.Linear(3, 1), torch.randn(4, 3)

    def squared(m: nn.Module, y: Tensor) -> Tensor:
        return m(y).square()[:, 0]

    plain = layer_gradient_norms(model, x, backend=backend, objective=squared).values
    calls: list[int] = []
    model.weight.register_hook(lambda gradient: calls.append(1) or gradient * 0)
    hooked = layer_gradient_norms(model, x, backend=backend, objective=squared).values
    assert torch.equal(plain, hooked)
    assert calls == []
    squared(model, x).sum().backward()
    assert calls == [1]
    assert math.isclose(float(model.weight.grad.abs().sum()), 0.0)  # type: ignore[union-attr]


@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
def test_hooks_of_modules_are_not_run(backend: str) -> None:
    model, x = Hooked(), torch.randn(4, 6)
    plain = layer_gradient_norms(model, x, backend=backend).values
    model.layer.register_full_backward_hook(lambda m, given, _: tuple(g and 0 * g for g in given))
    model.layer.register_full_backward_pre_hook(lambda m, given: tuple(0 * g for g in given))
    assert torch.equal(layer_gradient_norms(model, x, backend=backend).values, plain)
    model.log_prob(x).sum().backward()
    assert (model.layer.weight.grad == 0).all()  # type: ignore[union-attr]


def test_a_frozen_transformer_takes_no_fused_way() -> None:
    """Its fused way rounds otherwise, which would pass for noise."""
    model, x = built("Transformer encoder")
    expected = reference(model, x, 1)
    found = layer_gradient_norms(model.eval().requires_grad_(False), x).values
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize(
    ("density", "complaint"),
    [
        (lambda m, x: m(x)[:, 0].detach(), "numbers without a gradient: .*no_grad"),
        (torch.no_grad()(lambda m, x: m(x)[:, 0]), "numbers without a gradient: .*no_grad"),
        (torch.inference_mode()(lambda m, x: m(x)[:, 0]), "numbers without a gradient"),
        (lambda m, x: m(x)[:, 0] * torch.nan, "gives nan for image 0"),
        (lambda m, x: m(x)[:, 0] + x[:, 0].relu().log(), "gives -inf for image 1"),
        (lambda m, x: m(x)[:, 0].round().long(), r"returns torch.int64, but it must return real"),
        (lambda m, x: m(x)[:, 0] * 1j, r"returns torch.complex64, but it must return real"),
    ],
)
@pytest.mark.parametrize("backend", ["auto", "loop", "vmap", "batched"])
def test_numbers_without_a_gradient_are_refused(
    density: Callable[[nn.Module, Tensor], Tensor], complaint: str, backend: str
) -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 1.0, 1.0], [2.0, 0.0, 0.0]])
    with pytest.raises((ValueError, TypeError), match=complaint):
        layer_gradient_norms(nn.Linear(3, 1), x, backend=backend, objective=density)


def whole_numbers() -> nn.Module:
    model = nn.Linear(3, 1)
    model.steps = nn.Parameter(torch.ones(2, dtype=torch.int8), requires_grad=False)
    return model


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        (whole_numbers(), "parameter steps of Linear is torch.int8, .*make it a buffer"),
        (nn.LazyLinear(2), "parameter weight of LazyLinear has no values yet"),
        (nn.Linear(3, 2, device="meta"), "parameter weight of Linear has no values yet"),
        (nn.Linear, r"a torch.nn.Module is needed: an instance"),
        (lambda x: x, r"a torch.nn.Module is needed"),
        (torch.distributions.Normal(0.0, 1.0), r"a torch.nn.Module is needed"),
    ],
)
def test_models_that_cannot_be_differentiated_are_refused(model: object, complaint: str) -> None:
    with pytest.raises((ValueError, TypeError), match=complaint):
        layer_gradient_norms(model, torch.randn(4, 3), objective=lambda m, x: m(x)[:, 0])  # type: ignore[arg-type]


def test_what_torch_func_cannot_do_is_answered_with_what_works() -> None:
    model, x = built("packed sequences")
    with pytest.raises(ValueError, match=r"torch.func cannot handle .*use backend='auto'"):
        layer_gradient_norms(model, x, backend="vmap")


def test_one_number_is_no_batch() -> None:
    with pytest.raises(ValueError, match=r"one number, 1.0, but a batch"):
        layer_gradient_norms(nn.Linear(1, 1), torch.tensor(1.0))


def test_an_objective_that_returns_a_tuple_is_named() -> None:
    with pytest.raises(TypeError, match=r"returns tuple, but it must return a tensor"):
        layer_gradient_norms(
            nn.Linear(3, 1), torch.randn(4, 3), objective=lambda m, x: (m(x)[:, 0], x)
        )
