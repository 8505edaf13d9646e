"""Small copies of pictures for pages that show many."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from sortline.engine import image_pillow
from sortline.engine.image import DEFAULT_LIMITS, Limits, decode
from sortline.engine.image_formats import sniff

# The longest side in px: for a grid, and for a look at one.
SIZES = (128, 384)
MEDIA_TYPE = "image/webp"

# A photo of 524 px: 2.5 KB in 2.3 ms, 27 KB in 12 ms. The default effort, 4, saves 2 % of that in 1.6 times the time.
_QUALITY, _EFFORT = 80, 2


def thumbnail(data: bytes, longest: int, *, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The picture upright as WebP, its longest side `longest` px, or its own where that is less.

    `data` are the canonical bytes. Colours are not converted; a colour profile goes along, so that they look as in
    the original.

    Raises:
        ImageError: the bytes cannot be read; the subclass says why.
    """
    view = memoryview(data)
    # libjpeg decodes a large JPEG no larger than needed.
    image = Image.fromarray(np.asarray(decode(view, limits=limits, min_side=longest)))
    if max(image.size) > longest:
        image = image.resize(_within(image.size, longest), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    profile = image_pillow.colour_profile(view, sniff(view))
    image.save(file, "WEBP", quality=_QUALITY, method=_EFFORT, icc_profile=profile)
    return file.getvalue()


def _within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """The size scaled down to a longest side; a thin picture keeps a pixel."""
    width, height = size
    scale = longest / max(size)
    return max(1, round(width * scale)), max(1, round(height * scale))
