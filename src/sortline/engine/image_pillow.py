"""Every format but plain JPEG, by Pillow: one frame, as 8-bit RGB.

Pillow's plugins are called directly. `Image.open` would try them all and warn by a global pixel limit; ours
is checked here, from the header, before any pixel is allocated.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from sortline.engine.image_errors import CorruptImage, MissingDecoder, TruncatedImage, UnsupportedFormat
from sortline.engine.image_exif import orientation_of
from sortline.engine.image_formats import PNG_SIGNATURE, Format, png_chunks, webp_chunks

# What Pillow and the libraries under it raise for damaged bytes. Wide on purpose: plugins parse foreign bytes
# with plain indexing and arithmetic, and none of it may reach a caller as anything but an ImageError.
_DAMAGED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)

Check = Callable[[int, int], None]


def load(data: memoryview, kind: Format, check: Check) -> tuple[Image.Image, int]:
    """The first frame as an RGB image, and the orientation 1–8 in which it is stored.

    `check` is called with width and height in px before pixels are allocated.

    Raises:
        ImageError: the bytes cannot be read.
    """
    _silence_pillow()
    orientation = 1
    if kind == "png":
        data, orientation = _png_pixels_only(data, check)
    elif kind == "webp":
        orientation = _webp_header(data, check)
    opened = _open(data, kind)
    check(*opened.size)
    try:
        opened.load()
    except _DAMAGED as error:
        raise _refusal(error) from None
    check(*opened.size)  # a TIFF turns upright, a HEIC learns its size
    try:
        return _rgb(opened, kind), orientation
    except _DAMAGED as error:
        raise _refusal(error) from None


def colour_profile(data: memoryview, kind: Format) -> bytes | None:
    """The ICC profile of the file if it is one for RGB."""
    try:
        profile = _open(data, kind).info.get("icc_profile")
    except CorruptImage:
        return None
    return profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None


def _open(data: memoryview, kind: Format) -> ImageFile.ImageFile:
    plugin = _heif_plugin() if kind == "heif" else _PLUGINS[kind]
    try:
        return plugin(io.BytesIO(data))
    except _DAMAGED as error:
        raise _refusal(error) from None


_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
}


def _heif_plugin() -> type[ImageFile.ImageFile]:
    try:
        # Only now: it is optional, and loads a video codec.
        from pillow_heif.as_plugin import HeifImageFile
    except ImportError:
        raise MissingDecoder("HEIC", "pillow-heif") from None
    plugin: type[ImageFile.ImageFile] = HeifImageFile
    return plugin


def _silence_pillow() -> None:
    """Keep Pillow's remarks on odd metadata out of a server's log. Added once: the filters are global."""
    if not any(f[0] == "ignore" and f[3] is not None and _matches_pillow(f[3]) for f in warnings.filters):
        warnings.filterwarnings("ignore", category=Warning, module=r"PIL\.")


def _matches_pillow(module: Any) -> bool:
    return getattr(module, "pattern", None) == r"PIL\."


def _refusal(error: BaseException) -> CorruptImage:
    text = str(error)
    if isinstance(error, EOFError) or "truncated" in text.lower() or "not enough image data" in text:
        return TruncatedImage()
    return CorruptImage(text or type(error).__name__)


def _png_pixels_only(data: memoryview, check: Check) -> tuple[memoryview, int]:
    """The PNG without what is not pixels, and its orientation.

    Texts, profiles and further frames are not decompressed at all, so none of them can be a bomb.
    """
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    orientation = 1
    for kind, chunk in png_chunks(data):
        if kind == b"IHDR":
            if len(chunk) != 25:
                raise CorruptImage("IHDR is not 13 bytes long")
            check(*struct.unpack_from(">II", chunk, 8))
        elif kind == b"eXIf":
            orientation = orientation_of(bytes(chunk[8:-4]))
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(chunk)
    return memoryview(b"".join(kept)), orientation


def _webp_header(data: memoryview, check: Check) -> int:
    """Checks the canvas, which Pillow allocates on opening, and returns the orientation."""
    orientation, extended = 1, False
    for kind, payload in webp_chunks(data):
        if kind == b"VP8X" and len(payload) >= 10:
            extended = True
            check(
                1 + int.from_bytes(payload[4:7], "little"),
                1 + int.from_bytes(payload[7:10], "little"),
            )
        elif kind == b"VP8 " and len(payload) >= 10:
            width, height = struct.unpack_from("<HH", payload, 6)
            check(width & 0x3FFF, height & 0x3FFF)
        elif kind == b"VP8L" and len(payload) >= 5:
            bits = int.from_bytes(payload[1:5], "little")
            check(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        elif kind == b"EXIF" and extended:
            orientation = orientation_of(bytes(payload))
    return orientation


def _rgb(image: Image.Image, kind: Format) -> Image.Image:
    """8-bit RGB: transparency on white, 16-bit samples by their high byte, CMYK by Pillow's simple rule."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return _grey_from_16_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _on_white(image)
    if image.mode in ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"):
        return image.convert("RGB")
    raise UnsupportedFormat(f"{kind.upper()} with {_MODES.get(image.mode, image.mode)} pixels")


_MODES = {"F": "floating-point", "I": "32-bit", "LAB": "CIE Lab"}


def _grey_from_16_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    # >> 8, as Pillow does for 16-bit RGB; converting mode I;16 would clip at 255 in older Pillow.
    grey = (values >> 8).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    transparent = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        # A colour of 16 bits cannot be found among pixels of 8.
        del image.info["transparency"]
        return image
    with_alpha = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(with_alpha, mask=with_alpha)
    return white
