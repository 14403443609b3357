"""The classifiers: a residual network for colour images, and a plain one for small grey ones.

Both take images in [-0.5, 0.5) and end in global average pooling and one linear layer, as the
detectors of the field expect; all features before it are non-negative.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earlyglow.datasets.dequantization import centre
from earlyglow.datasets.image_set import ImageSet

_PATCH = 2
_WHITENED = 5000
_WHITENING_FLOOR = 5e-4


class SmallResNet(nn.Module):
    """A residual network for (3, 32, 32) images that two cores can train.

    Whitened patches, then three stages; each halves the image in a first block and adds one
    residual block. Input (N, 3, H, W), output logits (N, classes).

    Args:
        classes: number of classes.
        width: channels of the first stage; the others have four times as many.
        images: (N, 3, H, W) training images from which the fixed first layer is made; a random
            one where omitted.

    Source: the layout follows He et al., arXiv 1512.03385, at the widths and with the whitening
    layer of Jordan, arXiv 2404.00498, whose networks are built for short training.
    """

    def __init__(self, classes: int, width: int = 32, images: Tensor | None = None) -> None:
        super().__init__()
        filters = 2 * 3 * _PATCH**2
        self.whiten = nn.Conv2d(3, filters, _PATCH, bias=False)
        if images is not None:
            self.whiten.weight.data = whitening_filters(images)
        self.whiten.weight.requires_grad_(False)
        self.start = nn.ReLU()
        self.stage1 = _stage(filters, width)
        self.stage2 = _stage(width, 4 * width)
        self.stage3 = _stage(4 * width, 4 * width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(self.whiten(x))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.classifier(self.flatten(self.pool(x)))


class SmallCNN(nn.Module):
    """Three convolutional stages for small images: input (N, C, H, W), output (N, classes).

    Args:
        channels: of the images.
        classes: number of classes.
        width: channels of the first stage; each further stage has twice as many.
    """

    def __init__(self, channels: int, classes: int, width: int = 16) -> None:
        super().__init__()
        self.stage1 = _halving(channels, width)
        self.stage2 = _halving(width, 2 * width)
        self.stage3 = _convolution(2 * width, 4 * width)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.classifier(self.flatten(self.pool(x)))


class Residual(nn.Module):
    """Two convolutions beside the identity; the sum goes through a ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.norm(self.second(self.first(x))))


def build_classifier(training: ImageSet, width: int, seed: int) -> nn.Module:
    """A freshly initialised network for a labelled set; the draw depends on ``seed`` alone.

    Args:
        training: (3, 32, 32) images get a :class:`SmallResNet`, all others a :class:`SmallCNN`.
        width: channels of the first stage.
        seed: of the weights.
    """
    classes = int(training.labels.max()) + 1
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if training.image_shape == (3, 32, 32):
            network: nn.Module = SmallResNet(classes, width, centre(training.images[:_WHITENED]))
        else:
            network = SmallCNN(training.image_shape[0], classes, width)
    return network.to(memory_format=torch.channels_last)


def whitening_filters(images: Tensor) -> Tensor:
    """Filters (2 C p², C, p, p) with which patches become uncorrelated, each with its negative.

    Args:
        images: (N, C, H, W).

    Source: Page 2019 ("How to train your ResNet"), as in arXiv 2404.00498.
    """
    channels = images.shape[1]
    patches = nn.functional.unfold(images, _PATCH).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(torch.cov(patches.double().T))
    filters = (vectors / (values + _WHITENING_FLOOR).sqrt()).T.float()
    filters = filters.unflatten(1, (channels, _PATCH, _PATCH))
    return torch.cat((filters, -filters))


def _stage(channels: int, wider: int) -> nn.Sequential:
    return nn.Sequential(_halving(channels, wider), Residual(wider))


def _halving(channels: int, wider: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, wider, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(wider),
        nn.ReLU(),
    )


def _convolution(channels: int, wider: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, wider, 3, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()
    )
