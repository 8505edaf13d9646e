"""From the bytes of a picture to the network's input: the one path for training, evaluation and serving.

    read      bytes → (S, S, 3) RGB, upright, resized as the bundle says
    decode    bytes → (h, w, 3) RGB, upright, at full size
    resize    (h, w, 3) RGB → (S, S, 3) RGB

Formats: JPEG and MPO, PNG, WebP, BMP, GIF and TIFF (first frame or page), HEIC where pillow-heif is there.
Transparent pixels are laid on white. 16-bit samples keep their high byte. Colour profiles are not applied.
Nothing but an `ImageError` leaves this module for bad bytes, and no warning. Safe to call from many threads;
libjpeg-turbo and Pillow work outside the GIL.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, _imaging

from sortline.engine import image_jpeg, image_pillow
from sortline.engine.image_errors import (
    CorruptImage,
    EmptyImage,
    ExtremeAspect,
    ImageError,
    MissingDecoder,
    NotAnImage,
    TooManyBytes,
    TooManyPixels,
    TruncatedImage,
    UnsupportedFormat,
)
from sortline.engine.image_exif import turns_sides, upright
from sortline.engine.image_formats import Format, sniff

__all__ = [
    "DEFAULT_LIMITS",
    "CorruptImage",
    "EmptyImage",
    "ExtremeAspect",
    "Format",
    "ImageError",
    "Limits",
    "MissingDecoder",
    "NotAnImage",
    "Picture",
    "Pixels",
    "Preprocessing",
    "TooManyBytes",
    "TooManyPixels",
    "TruncatedImage",
    "UnsupportedFormat",
    "decode",
    "read",
    "resize",
]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How a picture becomes the network's input, as recorded in a bundle.

    `size` is the side of the square input in px. `resize` squashes the whole picture to the square, or cuts
    the centre square out of it. `interpolation` is Pillow's antialiased triangle filter. `mean` and `std` are
    of RGB / 255; the normalisation itself stands inside the graph.
    """

    size: int = 224
    resize: Literal["squash", "crop"] = "squash"
    interpolation: Literal["bilinear"] = "bilinear"
    colour: Literal["RGB"] = "RGB"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused before pixels are allocated: bytes of the file, pixels, longer side / shorter side."""

    max_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_aspect: float = 20.0

    def check(self, width: int, height: int) -> None:
        """Raise what is wrong with a picture of this size in px, if anything is."""
        if min(width, height) < 1:
            raise CorruptImage(f"it has {width} x {height} pixels")
        if width * height > self.max_pixels:
            raise TooManyPixels(width, height, self.max_pixels)
        if max(width, height) > self.max_aspect * min(width, height):
            raise ExtremeAspect(width, height, self.max_aspect)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The network's input `pixels`, (S, S, 3) RGB; `width` and `height` in px are of the upright original."""

    pixels: Pixels
    width: int
    height: int
    format: Format | Literal["array"]


def read(
    data: bytes | bytearray | memoryview,
    preprocessing: Preprocessing,
    *,
    limits: Limits = DEFAULT_LIMITS,
    out: Pixels | None = None,
) -> Picture:
    """The picture as the network wants it, written into `out` (S, S, 3) where given.

    A JPEG is decoded no larger than needed (libjpeg-turbo scales in the DCT by n/8), never below S in a side
    that has S.

    Raises:
        ImageError: the bytes cannot be read; the subclass says why.
    """
    stored = _load(data, limits, min_side=preprocessing.size, layout="RGBX")
    # Turning the small square costs less than turning the picture, and the filter is symmetric.
    square = _resample(stored.image, preprocessing)
    width, height = stored.width, stored.height
    if turns_sides(stored.orientation):
        width, height = height, width
    return Picture(
        pixels=_copy(upright(np.asarray(square), stored.orientation), out),
        width=width,
        height=height,
        format=stored.format,
    )


def decode(
    data: bytes | bytearray | memoryview, *, limits: Limits = DEFAULT_LIMITS, min_side: int | None = None
) -> Pixels:
    """The picture upright, (h, w, 3) RGB.

    With `min_side` in px a JPEG may come back smaller than it is, each side at least `min_side` where it was.

    Raises:
        ImageError: the bytes cannot be read; the subclass says why.
    """
    stored = _load(data, limits, min_side=min_side, layout="RGB")
    return np.ascontiguousarray(upright(np.asarray(stored.image), stored.orientation))


def resize(pixels: Pixels, preprocessing: Preprocessing, out: Pixels | None = None) -> Pixels:
    """The picture (h, w, 3) as the network's input (S, S, 3), written into `out` where given."""
    return _copy(np.asarray(_resample(pixels, preprocessing)), out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A decoded picture as it lies in the file; `image` may be smaller than `width` × `height`."""

    image: Image.Image | Pixels
    width: int
    height: int
    orientation: int
    format: Format


def _load(
    data: bytes | bytearray | memoryview, limits: Limits, min_side: int | None, layout: image_jpeg.Layout
) -> _Stored:
    view = memoryview(data).cast("B")
    if not view:
        raise EmptyImage
    if len(view) > limits.max_bytes:
        raise TooManyBytes(len(view), limits.max_bytes)
    kind = sniff(view)
    if kind == "jpeg":
        jpeg = image_jpeg.header(view)
        limits.check(jpeg.width, jpeg.height)
        pixels = image_jpeg.decode(view, jpeg, limits.check, min_side, layout)
        return _Stored(
            image=pixels, width=jpeg.width, height=jpeg.height, orientation=jpeg.orientation, format=kind
        )
    image, orientation = image_pillow.load(view, kind, limits.check)
    return _Stored(image=image, width=image.width, height=image.height, orientation=orientation, format=kind)


def _resample(image: Image.Image | Pixels, preprocessing: Preprocessing) -> Image.Image:
    if isinstance(image, np.ndarray):
        image = _lent(image)
    width, height = image.size
    box = (0.0, 0.0, float(width), float(height))
    if preprocessing.resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
    return image.resize((preprocessing.size, preprocessing.size), Image.Resampling.BILINEAR, box)


def _lent(pixels: Pixels) -> Image.Image:
    """The pixels (h, w, 3) or (h, w, 4) as an RGB image of Pillow's, which is lent the latter and copies the former."""
    height, width, samples = pixels.shape
    pixels = np.ascontiguousarray(pixels)
    if samples == 3:
        return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)
    # Pillow, too, has four bytes a pixel. `frombuffer` would do this if it were asked for "RGBX", whose fourth channel
    # is then resized like the others. A copy takes longer than it looks, and holds the interpreter's lock meanwhile: a
    # tenth of the time to read a photo on one thread, 2 % of it on two.
    lent = _imaging.map_buffer(pixels, (width, height), "raw", 0, ("RGB", 0, 1))
    return Image.Image()._new(lent)


def _copy(pixels: Pixels, out: Pixels | None) -> Pixels:
    """A writable copy: Pillow lends its pixels read-only, which training frameworks warn about."""
    if out is None:
        return pixels.copy()
    np.copyto(out, pixels)
    return out
