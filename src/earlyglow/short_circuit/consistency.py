"""Does the gradient keep its direction when the image is shaken a little?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earlyglow.checks import require_least, require_whole
from earlyglow.gradients.model_state import evaluating, parameters_frozen
from earlyglow.short_circuit.detector import logits_of

_CHUNK = 32


def gradient_consistency(
    body: nn.Module,
    head: nn.Module,
    x: Tensor,
    noise: float = 0.02,
    copies: int = 8,
    classes: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Mean cosine between the gradients ``∂y_c/∂F`` of noisy copies of each image.

    Args:
        body: from images to features F.
        head: from features to logits y (N, C).
        x: images (N, C, H, W), on the device of the networks.
        noise: standard deviation of the Gaussian noise, in the images' unit.
        copies: noisy copies of each image, at least 2; all pairs of them are compared.
        classes: int64 (N,), the class c of each image; where omitted, the one that is predicted
            for each copy, which may differ from copy to copy.
        seed: of the noise.

    Returns:
        (N,) float32 in [-1, 1], on the CPU; 1 where all copies agree. A gradient that vanishes
        agrees with none.

    Source: arXiv 2507.01417, the observation that gradients of OOD samples point in inconsistent
    directions; what the paper measures exactly is unknown.
    """
    require_least("noise", noise, 0)
    require_whole("copies", copies, 2)
    generator = torch.Generator(x.device).manual_seed(seed)
    results = [torch.zeros(0)]
    for start in range(0, len(x), _CHUNK):
        some = x[start : start + _CHUNK].repeat_interleave(copies, 0)
        shaking = torch.randn(some.shape, generator=generator, device=x.device)
        shaken = some + noise * shaking.to(some)
        own = None if classes is None else classes[start : start + _CHUNK].repeat_interleave(copies)
        gradients = _feature_gradients(body, head, shaken, own)
        results.append(_mean_cosine(gradients.flatten(1).unflatten(0, (-1, copies))))
    return torch.cat([part.cpu() for part in results])


def _feature_gradients(
    body: nn.Module, head: nn.Module, x: Tensor, classes: Tensor | None
) -> Tensor:
    with evaluating(body), torch.no_grad():
        features = body(x)
    with (
        evaluating(head),
        parameters_frozen(head.parameters()),
        torch.inference_mode(False),
        torch.enable_grad(),
    ):
        # No gradient reaches a tensor of inference mode, so it is copied out of it.
        inputs = features.clone().requires_grad_()
        logits = logits_of(head, inputs)
        chosen = logits.argmax(1) if classes is None else classes
        (gradients,) = torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), inputs)
    return gradients


def _mean_cosine(gradients: Tensor) -> Tensor:
    """Mean over pairs of the cosine, (N,), from (N, copies, D)."""
    unit = nn.functional.normalize(gradients.double(), dim=2)
    lengths = unit.square().sum(2).sum(1)
    copies = gradients.shape[1]
    return ((unit.sum(1).square().sum(1) - lengths) / (copies * (copies - 1))).float()
