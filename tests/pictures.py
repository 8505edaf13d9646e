"""Pictures drawn in memory, in every format, so that tests need no files."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sortline.engine.image import Preprocessing

PREPROCESSING = Preprocessing(size=64)

FORMATS = ("jpeg", "png", "webp", "bmp", "gif", "tiff")


def drawn(width: int = 120, height: int = 90, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A smooth picture with texture and a sharp corner, (height, width, 3); each turn looks different."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    red = 255 * x / max(width - 1, 1)
    green = 255 * y / max(height - 1, 1)
    blue = 128 + 90 * np.sin(x / 9 + seed) * np.cos(y / 7)
    pixels = np.stack([red, green, blue], axis=-1)
    pixels += np.random.default_rng(seed).normal(0, 4, pixels.shape)
    pixels[: height // 4, : width // 5] = (240, 30, 60)
    return pixels.clip(0, 255).astype(np.uint8)


def encode(pixels: npt.NDArray[np.uint8] | Image.Image, format: str = "jpeg", **options: Any) -> bytes:  # noqa: A002
    """The picture as a file of the format; options as of Pillow's `save`."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if format == "jpeg":
        options = {"quality": 95, "subsampling": 0} | options
    if format == "webp":
        options = {"lossless": True} | options
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def photo(width: int = 120, height: int = 90, seed: int = 0) -> bytes:
    """A JPEG as a phone would send it, without metadata; another one for each seed."""
    return encode(drawn(width, height, seed))


def exif_with(orientation: int) -> bytes:
    """EXIF that says the orientation, the camera and its owner, as phones write it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x0110] = "Phone 7"
    exif[0xA430] = "Jane Doe"
    return exif.tobytes()


def stored_turned(upright: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera held that way stores it: showing it by its orientation gives `upright` back."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    return upright if turn is None else upright.transpose(turn)


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """One chunk of a PNG, with length and CRC."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_of(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG of raw filtered rows, for kinds that Pillow does not write; colour 0 grey, 2 RGB, 6 RGBA."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (
        png_chunk(b"IHDR", head),
        *extra,
        png_chunk(b"IDAT", zlib.compress(rows)),
        png_chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def huge_png(width: int = 10_000, height: int = 10_000) -> bytes:
    """A PNG of few bytes that claims 100 megapixels."""
    return png_of(width, height, 8, 2, b"\0" * 100)


def bad_inputs() -> dict[str, bytes]:
    """Bytes that are no readable picture, by what is wrong with them."""
    jpeg, png = photo(), encode(drawn(), "png")
    return {
        "empty": b"",
        "text": b"This is a text, not a picture.",
        "truncated JPEG": jpeg[: len(jpeg) // 2],
        "truncated PNG": png[: len(png) // 2],
        "huge PNG": huge_png(),
        "PDF": b"%PDF-1.7 and so on",
    }
