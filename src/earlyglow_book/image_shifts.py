"""Images under the disturbances of everyday life, each at five severities.

Every function takes uint8 images (N, C, H, W) and a severity from 1 to 5, and returns new ones of
the same shape; what is random in it is the same in every call.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from earlyglow_book.image_changes import low_contrast, noisy

# Grey levels of deviation; pixels of deviation; of the contrast that is left; JPEG's quality;
# pixels of distance.
NOISE = (4.0, 8.0, 16.0, 32.0, 64.0)
BLUR = (0.4, 0.6, 0.8, 1.2, 2.0)
CONTRAST = (0.9, 0.75, 0.6, 0.4, 0.2)
JPEG = (95, 80, 50, 25, 10)
TRANSLATION = (1, 2, 3, 5, 8)
SEVERITIES = (1, 2, 3, 4, 5)


def noise(images: Tensor, severity: int) -> Tensor:
    """White Gaussian noise."""
    return noisy(images, NOISE[severity - 1])


def blur(images: Tensor, severity: int) -> Tensor:
    """Gaussian blur."""
    return TF.gaussian_blur(images, kernel_size=[13, 13], sigma=[BLUR[severity - 1]] * 2)


def contrast(images: Tensor, severity: int) -> Tensor:
    """A share of each image's contrast around its mean."""
    return low_contrast(images, CONTRAST[severity - 1])


def jpeg(images: Tensor, severity: int) -> Tensor:
    """Compressed as JPEG and opened again."""
    opened = [_through_jpeg(image, JPEG[severity - 1]) for image in images]
    return torch.stack(opened).view_as(images)


def translation(images: Tensor, severity: int) -> Tensor:
    """Moved along a diagonal that is drawn for each image; what comes in repeats the edge."""
    distance, (height, width) = TRANSLATION[severity - 1], images.shape[2:]
    signs = torch.randint(2, (len(images), 2), generator=torch.Generator().manual_seed(0)) * 2 - 1
    rows = (torch.arange(height) - distance * signs[:, :1]).clamp(0, height - 1)
    columns = (torch.arange(width) - distance * signs[:, 1:]).clamp(0, width - 1)
    which = torch.arange(len(images))
    moved = images.permute(0, 2, 3, 1)[which[:, None, None], rows[:, :, None], columns[:, None]]
    return moved.permute(0, 3, 1, 2).contiguous()


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    grey = len(image) == 1
    stream = io.BytesIO()
    levels = (image[0] if grey else image.permute(1, 2, 0)).numpy()
    Image.fromarray(levels).save(stream, "JPEG", quality=quality)
    opened = torch.from_numpy(np.array(Image.open(stream)))
    return opened if grey else opened.permute(2, 0, 1)


SHIFTS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
    "JPEG": jpeg,
    "translation": translation,
}
