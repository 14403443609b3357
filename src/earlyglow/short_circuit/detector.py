"""The detector: find the features that carry the predicted class, cut them, look at the logits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from pytorch_ood.api import GradientDetector
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from earlyglow.checks import require_choice, require_flag, require_part, require_positive
from earlyglow.gradients.model_state import evaluating, parameters_frozen
from earlyglow.image_checks import require_dtype, require_finite, require_module, require_tensor

Intervention = Literal["zero", "scale", "clamp"]
Score = Literal["energy", "msp", "max_logit"]
# Takes features and gradient to how much each feature is exploited, same shape as both.
Importance = Callable[[Tensor, Tensor], Tensor]

_SCALE = 0.5
_AFFINE_TOLERANCE = 1e-4


def gradient_magnitude(features: Tensor, gradient: Tensor) -> Tensor:
    """The paper's importance of a feature: the size of its gradient, same shape as both."""
    return gradient.abs()


class AffineHeadWarning(UserWarning):
    """The head is affine: the cut depends on the class alone, and the first order is exact."""


class Explanation(NamedTuple):
    """What was done to each image.

    Attributes:
        coordinates: int64 (N, k), the features that were changed, as indices into the flattened
            features of an image; the most important first.
        gradient: (N, ...) of the predicted class's logit with respect to the features.
        logits_before: (N, C) of the classifier as it is.
        logits_after: (N, C) after the intervention.
    """

    coordinates: Tensor
    gradient: Tensor
    logits_before: Tensor
    logits_after: Tensor


class GradientShortCircuit(GradientDetector):
    """Gradient Short-Circuit: the score of a classifier whose most exploited features are cut.

    With features F = body(x), logits y = head(F) and the predicted class c, the fraction of the
    features with the largest ``|∂y_c/∂F_i|`` is changed to F'. The new logits are the first-order
    ``y + J (F' - F)``. The product with J = ∂y/∂F for all classes is one pass back through the
    backward pass that gave the gradient, so that the head does not run a second time. The score is
    that of the new logits, higher = more OOD.

    Where the head is affine, such as pooling and one linear layer, the gradient depends on the
    predicted class alone: the same features are cut for every image of a class, and the first
    order is exact. The detector warns once when it sees this.

    Args:
        body: from images to features (N, ...), as from :func:`earlyglow.split`.
        head: from features to logits (N, C).
        fraction: share of the features to change, in (0, 1]; at least one is changed. The paper's
            is unknown; an independent implementation takes 0.05.
        intervention: "zero", "scale" (to half), or "clamp" (to no more than the mean magnitude of
            the image's features).
        score: "energy" (``-T logsumexp(y / T)``), "msp" (minus the largest softmax probability) or
            "max_logit" (minus the largest logit).
        temperature: T of the energy and of the softmax.
        exact: take ``head(F')`` instead of the first order.
        importance: which features count as exploited, from features and gradient; the largest are
            changed.

    Raises:
        ValueError: a fraction, temperature, intervention or score out of range; when scoring, NaN
            or infinity, an importance that is not one number for each feature, or a head that does
            not return logits (N, C) of two classes or more.
        TypeError: body or head is no module, or importance no function; when scoring, something
            else than a tensor, or features of whole numbers.

    Source: arXiv 2507.01417 (its code was never released; this is written from the description).
    """

    requires_fit = False
    hyperparameter_space: ClassVar = {"fraction": [0.01, 0.02, 0.05, 0.1, 0.2]}

    def __init__(
        self,
        body: nn.Module,
        head: nn.Module,
        fraction: float = 0.05,
        intervention: Intervention = "zero",
        score: Score = "energy",
        temperature: float = 1.0,
        exact: bool = False,
        importance: Importance = gradient_magnitude,
    ) -> None:
        require_module("the body", body)
        require_module("the head", head)
        require_part("fraction", fraction)
        require_positive("temperature", temperature)
        require_flag("exact", exact)
        if not callable(importance):
            raise TypeError(
                f"importance is {importance!r}, but it must be a function of features and gradient."
            )
        require_choice("intervention", intervention, get_args(Intervention))
        require_choice("score", score, get_args(Score))
        self.body, self.head = body, head
        self.fraction, self.intervention, self.score = fraction, intervention, score
        self.temperature, self.exact, self.importance = temperature, exact, importance
        self._head_was_probed = False

    def __repr__(self) -> str:
        return (
            f"GradientShortCircuit(fraction={self.fraction}, intervention={self.intervention!r}, "
            f"score={self.score!r})"
        )

    def predict(self, x: Tensor) -> Tensor:
        """Score images (N, C, H, W): (N,), higher = more OOD."""
        return self._scored(self.explain(x).logits_after)

    def predict_features(self, features: Tensor) -> Tensor:
        """Score features (N, ...) that the body gave before: (N,), higher = more OOD."""
        return self._scored(self.explain_features(features).logits_after)

    def explain(self, x: Tensor) -> Explanation:
        """Which features are cut for each image (N, C, H, W), and what that does to its logits."""
        require_tensor(x)
        require_finite(x)
        require_dtype(x, self.body)
        with evaluating(self.body), torch.no_grad():
            features = self._features(self._on_device(x))
        return self.explain_features(features)

    def _features(self, x: Tensor) -> Tensor:
        """The body's features; what it does not take, and what are none, are refused by name."""
        try:
            features = self.body(x)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"the body does not take images of dtype {x.dtype} and shape {tuple(x.shape)} "
                f"({reason}); give them as it was trained on them."
            ) from error
        if not isinstance(features, Tensor) or features.shape[:1] != x.shape[:1]:
            kind = type(features).__name__
            found = tuple(features.shape) if isinstance(features, Tensor) else kind
            raise ValueError(
                f"the body returned {found} for {len(x)} images, but it must return features "
                f"({len(x)}, ...); for a single image pass x[None]."
            )
        return features

    def explain_features(self, features: Tensor) -> Explanation:
        """As :meth:`explain`, from features (N, ...) that the body gave before."""
        require_tensor(features)
        require_finite(features)
        if not features.is_floating_point():
            raise TypeError(
                f"the features have dtype {features.dtype}, which has no gradient; pass images as "
                "the network was trained on them, or features.float()."
            )
        with evaluating(self.head), parameters_frozen(self.head.parameters()):
            features = self._on_device(features)
            self._warn_of_affine_head(features)
            # No gradient reaches a tensor of inference mode, so it is copied out of it.
            with torch.inference_mode(False), differentiable_twice():
                return self._short_circuited(features.clone())

    def _short_circuited(self, features: Tensor) -> Explanation:
        with torch.enable_grad():
            inputs = features.requires_grad_()
            logits = logits_of(self.head, inputs)
            if not logits.requires_grad or not logits.isfinite().all():
                fault = "without a gradient" if not logits.requires_grad else "of NaN or infinity"
                raise ValueError(
                    f"the head returned logits {fault}; look for no_grad, detach or constants in "
                    "it, or for a diverged network."
                )
            # The gradient is linear in this cotangent: its derivative with respect to it is J.
            chosen = nn.functional.one_hot(logits.argmax(1), logits.shape[1]).to(logits)
            chosen.requires_grad_()
            (gradient,) = torch.autograd.grad(logits, inputs, chosen, create_graph=not self.exact)
        features, before = features.detach(), logits.detach()
        coordinates = self._coordinates(features, gradient.detach())
        changed = self._changed(features, coordinates)
        if self.exact:
            with torch.no_grad():
                after = self.head(changed)
        else:
            after = before + self._along(changed - features, features, gradient, chosen)
        return Explanation(coordinates, gradient.detach(), before, after)

    def _along(
        self, direction: Tensor, features: Tensor, gradient: Tensor, cotangent: Tensor
    ) -> Tensor:
        """J times a direction, from a gradient whose graph reaches its cotangent."""
        try:
            (product,) = torch.autograd.grad(gradient, cotangent, direction)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            # Some layers have no second derivative; their forward mode runs the head once more.
            _, product = torch.func.jvp(  # type: ignore[misc]
                lambda values: self.head(values.clone()), (features,), (direction,)
            )
        return product.detach()

    def _coordinates(self, features: Tensor, gradient: Tensor) -> Tensor:
        importance = self.importance(features, gradient)
        if not isinstance(importance, Tensor) or (
            importance.shape[:1] != features.shape[:1] or importance.numel() != features.numel()
        ):
            found = getattr(importance, "shape", type(importance).__name__)
            raise ValueError(
                f"importance gives {found} for features {tuple(features.shape)}, but it must give "
                "one number for each feature."
            )
        if importance.isnan().any():
            raise ValueError("importance gives NaN, which has no rank; look for 0 / 0 in it.")
        importance = importance.flatten(1)
        count = max(1, round(self.fraction * importance.shape[1]))
        return importance.topk(count, dim=1).indices

    def _changed(self, features: Tensor, coordinates: Tensor) -> Tensor:
        flat = features.flatten(1)
        values = _INTERVENTIONS[self.intervention](flat)
        changed = flat.scatter(1, coordinates, values.gather(1, coordinates))
        return changed.view_as(features)

    def _scored(self, logits: Tensor) -> Tensor:
        if self.score == "max_logit":
            return -logits.max(1).values
        scaled = logits / self.temperature
        if self.score == "msp":
            return -scaled.softmax(1).max(1).values
        return -self.temperature * torch.logsumexp(scaled, dim=1)

    def _on_device(self, x: Tensor) -> Tensor:
        return x if self.device is None else x.to(self.device)

    def _warn_of_affine_head(self, features: Tensor) -> None:
        if self._head_was_probed or not len(features):
            return
        self._head_was_probed = True
        if is_affine(self.head, features):
            warnings.warn(
                "the head is affine, so the features that are cut depend on the predicted class "
                "alone and the first order is exact; split earlier, before a non-linear layer, "
                "to choose features for each image.",
                AffineHeadWarning,
                stacklevel=4,
            )


def logits_of(head: nn.Module, features: Tensor) -> Tensor:
    """Logits (N, C) of features, which stay as they are.

    Raises:
        ValueError: the head returns something else.
    """
    # A copy, because a head may begin with a layer that works in place.
    try:
        logits = head(features.clone())
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"the head does not take features of dtype {features.dtype} and shape "
            f"{tuple(features.shape)} ({reason}); give those of its body."
        ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the head returned {found}, but it must return logits of shape (N, C); wrap it in a "
            "module that picks them."
        )
    if logits.shape[1] < 2:
        raise ValueError(
            f"the head returned logits of shape {tuple(logits.shape)}, but one class says nothing "
            "of another; give it two outputs, such as torch.cat((-y, y), 1) for a logit y."
        )
    return logits


@contextmanager
def differentiable_twice() -> Iterator[None]:
    """Attention is computed by formulas that have a second derivative."""
    with sdpa_kernel(SDPBackend.MATH):
        yield


@torch.no_grad()
def is_affine(head: nn.Module, features: Tensor) -> bool:
    """Whether a head maps midpoints to midpoints, tried on an image's features and a shuffled copy.

    The shuffled copy has other signs at each place, but no values that features do not have: a ReLU
    that never cuts anything is not taken for a non-linear layer.

    Args:
        head: from features to logits.
        features: (N, ...), of which the first is used.
    """
    generator = torch.Generator().manual_seed(0)
    first = features[0].flatten()
    order = torch.randperm(len(first), generator=generator).to(first.device)
    weights = 0.5 + torch.rand(len(first), generator=generator)
    points = torch.stack((first, weights.to(first) * first[order])).view(2, *features.shape[1:])
    middle = logits_of(head, points.mean(0, keepdim=True))[0]
    ends = logits_of(head, points)
    error = (ends.mean(0) - middle).abs().max()
    tolerance = max(_AFFINE_TOLERANCE, 4 * torch.finfo(ends.dtype).eps)
    return bool(error <= tolerance * ends.abs().max().clamp_min(1e-6))


def _clamped(flat: Tensor) -> Tensor:
    bound = flat.abs().mean(1, keepdim=True)
    return torch.maximum(torch.minimum(flat, bound), -bound)


_INTERVENTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "zero": torch.zeros_like,
    "scale": lambda flat: _SCALE * flat,
    "clamp": _clamped,
}
