"""How training varies photos: every variation happens on whole batches of tensors, on the CPU and on a GPU alike.

Random numbers come from the generator given, on the CPU, so that a run draws the same on every device.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sortline.training.recipe import Augmentation


def vary(
    pixels: Tensor, size: int, how: Augmentation, generator: torch.Generator, *, normalise: "Normalise"
) -> Tensor:
    """Network input (N, 3, size, size) float32: `pixels` (N, H, W, 3) uint8 cropped, turned and recoloured."""
    images = pixels.permute(0, 3, 1, 2).float() / 255
    images = _crop_and_turn(images, size, how, generator)
    images = _resharpen(images, how, generator)
    images = _recolour(images, how, generator).clamp_(0, 1)
    return _erase(normalise(images), how, generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalise:
    """Maps images (N, 3, h, w) in 0..1 to the network's scale."""

    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, images: Tensor) -> Tensor:
        """(images - mean) / std, channel by channel."""
        mean = torch.tensor(self.mean, device=images.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(1, 3, 1, 1)
        return (images - mean) / std


def mix(
    images: Tensor, targets: Tensor, how: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The batch, or a mix of it with its own reverse order; targets (N, C) are mixed in the same shares.

    Mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019), one of the two for the whole batch.
    """
    draw = float(torch.rand((), generator=generator))
    if draw >= how.mix:
        return images, targets
    if draw < how.mix / 2:
        share = _beta(how.mixup_alpha, generator)
        mixed = images.lerp(images.flip(0), 1 - share)
    else:
        mixed, share = _cut(images, _beta(how.cutmix_alpha, generator), generator)
    return mixed, targets.lerp(targets.flip(0), 1 - share)


def _crop_and_turn(images: Tensor, size: int, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Random resized crop, turn and flip in one resampling."""
    n = len(images)
    side = _uniform(n, *how.crop_area, generator).sqrt()
    stretch = torch.exp(_uniform(n, -math.log(how.crop_aspect), math.log(how.crop_aspect), generator) / 2)
    width, height = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    turns = 4 if how.quarter_turns else 1
    quarter = torch.randint(0, turns, (n,), generator=generator) * (math.pi / 2)
    angle = quarter + torch.deg2rad(_uniform(n, -how.tilt_degrees, how.tilt_degrees, generator))
    flip = torch.randint(0, 2, (n,), generator=generator) * 2.0 - 1 if how.flip else torch.ones(n)
    cos, sin = angle.cos(), angle.sin()
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = width * cos * flip, -width * sin
    theta[:, 1, 0], theta[:, 1, 1] = height * sin * flip, height * cos
    theta[:, 0, 2] = (1 - width) * _uniform(n, -1, 1, generator)
    theta[:, 1, 2] = (1 - height) * _uniform(n, -1, 1, generator)
    grid = functional.affine_grid(theta.to(images.device), [n, 3, size, size], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _resharpen(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Between blurred and sharpened; some batches lose resolution as well."""
    size = images.shape[-1]
    if float(torch.rand((), generator=generator)) < how.low_resolution:
        smaller = int(size * float(_uniform(1, 0.45, 0.9, generator)))
        small = functional.interpolate(images, (smaller, smaller), mode="bilinear", antialias=True)
        images = functional.interpolate(small, (size, size), mode="bilinear")
    if how.sharpness == (1.0, 1.0):
        return images
    blurred = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return blurred.lerp(images, _per_image(images, *how.sharpness, generator))


def _recolour(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation and white balance, each by a factor around 1."""
    if how.brightness or how.white_balance:
        gain = _per_image(images, 1 - how.brightness, 1 + how.brightness, generator)
        channel = 1 + how.white_balance * (2 * torch.rand(len(images), 3, 1, 1, generator=generator) - 1)
        images = images * (gain * channel.to(images.device))
    if how.contrast:
        mean = images.mean((1, 2, 3), keepdim=True)
        images = mean.lerp(images, _per_image(images, 1 - how.contrast, 1 + how.contrast, generator))
    if how.saturation:
        grey = images.mean(1, keepdim=True)
        images = grey.lerp(images, _per_image(images, 1 - how.saturation, 1 + how.saturation, generator))
    return images


def _erase(images: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """One rectangle of noise in some photos. Zhong et al. 2020, "Random erasing"."""
    size = images.shape[-1]
    for i in torch.nonzero(torch.rand(len(images), generator=generator) < how.erase).flatten().tolist():
        w, h = (int(size * s) for s in _uniform(2, 0.15, 0.35, generator).tolist())
        x, y = (
            int(u * (size - s)) for u, s in zip(_uniform(2, 0, 1, generator).tolist(), (w, h), strict=True)
        )
        images[i, :, y : y + h, x : x + w] = torch.randn(3, h, w, generator=generator).to(images.device)
    return images


def _cut(images: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """A rectangle of the reversed batch pasted in, and the share of each image that stays its own."""
    size = images.shape[-1]
    half = int(size * math.sqrt(1 - share) / 2)
    x, y = (int(v) for v in torch.randint(0, size, (2,), generator=generator))
    x0, x1, y0, y1 = max(x - half, 0), min(x + half, size), max(y - half, 0), min(y + half, size)
    mixed = images.clone()
    mixed[:, :, y0:y1, x0:x1] = images.flip(0)[:, :, y0:y1, x0:x1]
    return mixed, 1 - (x1 - x0) * (y1 - y0) / size**2


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _per_image(images: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    return _uniform(len(images), low, high, generator).view(-1, 1, 1, 1).to(images.device)


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A draw from Beta(alpha, alpha), by two gamma draws with a seed of their own."""
    seed = int(torch.randint(0, 2**31 - 1, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))
