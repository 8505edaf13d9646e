"""Pictures of a line made so bad that nobody should decide by them: what a detector can be tried on where there is
nothing strange to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]

# Pictures that are corrupted, each in every way: their AUROC is then known to within three points.
PICTURES = 32
# Parts of the side: what is left of an outline by a blur, and what a crop is enlarged from.
_BLUR, _CROP = 1 / 20, 1 / 6
_NOISE = 80.0  # standard deviation, of 255
_DARK = 0.08


def corrupt(pixels: Pixels) -> dict[str, Pixels]:
    """The pictures (N, S, S, 3) in each way, by its name; the same every time."""
    return {kind: np.stack([way(one) for one in pixels]) for kind, way in _WAYS.items()}


def _blur(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(len(pixels) * _BLUR)))


def _noise(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, _NOISE, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _dark(pixels: Pixels) -> Pixels:
    return (pixels * _DARK).astype(np.uint8)


def _crop(pixels: Pixels) -> Pixels:
    side, part = len(pixels), max(1, round(len(pixels) * _CROP))
    first = (side - part) // 2
    corner = Image.fromarray(pixels[first : first + part, first : first + part])
    return np.asarray(corner.resize((side, side), Image.Resampling.BICUBIC))


_WAYS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "blur": _blur,
    "noise": _noise,
    "dark": _dark,
    "crop": _crop,
}
