"""A picture without what it says about its owner: metadata dropped, pixels untouched.

What is stored and hashed is this form, so one photo sent twice with different metadata is one image. Only the
Orientation and the colour profile stay, since without them the picture looks different.
"""

import hashlib
import io
import zlib
from dataclasses import dataclass

from PIL import Image

from sortline.engine import image_pillow
from sortline.engine.image import DEFAULT_LIMITS, Limits, decode
from sortline.engine.image_errors import EmptyImage
from sortline.engine.image_exif import orientation_block, orientation_of
from sortline.engine.image_formats import PNG_SIGNATURE, png_chunks, sniff, webp_chunks
from sortline.engine.image_jpeg import APP0, APP2, APP14, APP15, COM, EOI, EXIF, header, segments

# Pixels, and what decides how they look (PNG, third edition, 11.3.2).
_PNG_KEPT = frozenset(b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP".split())
_WEBP_KEPT = {b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """The bytes to store, their media type, and their SHA-256 (32 bytes)."""

    data: bytes
    media_type: str
    sha256: bytes


def canonical(data: bytes | bytearray | memoryview, *, limits: Limits = DEFAULT_LIMITS) -> Canonical:
    """The canonical form of a picture that `image.read` accepts; applied twice it changes nothing more.

    JPEG, PNG and WebP keep their coded pixels byte for byte. What comes after the picture goes, and with it
    the further pictures of an MPO; an animated PNG keeps its default image. Other formats become a PNG of the
    upright first frame.

    Raises:
        ImageError: the file's structure is damaged. The coded pixels are not looked at.
    """
    view = memoryview(data).cast("B")
    if not view:
        raise EmptyImage
    match kind := sniff(view):
        case "jpeg":
            parts, media_type = _jpeg(view), "image/jpeg"
        case "png":
            parts, media_type = _png(view), "image/png"
        case "webp":
            parts, media_type = _webp(view), "image/webp"
        case _:
            pixels = decode(view, limits=limits)
            profile = image_pillow.colour_profile(view, kind)
            parts, media_type = [_encode_png(Image.fromarray(pixels), profile)], "image/png"
    result = b"".join(parts)
    return Canonical(data=result, media_type=media_type, sha256=hashlib.sha256(result).digest())


def _jpeg(data: memoryview) -> list[bytes | memoryview]:
    jfif, exif, rest = b"", b"", list[bytes | memoryview]()
    if (orientation := header(data).orientation) != 1:
        exif = b"\xff\xe1\x00\x22" + EXIF + orientation_block(orientation)
    for segment in segments(data):
        part = data[segment.start : segment.end]
        if segment.marker == EOI:
            break
        if segment.marker == APP0:
            jfif = jfif or _jfif(part)
        elif _shows(segment.marker, part):
            rest.append(part)
    return [b"\xff\xd8", jfif, exif, *rest, b"\xff\xd9"]


def _jfif(segment: memoryview) -> bytes:
    """The JFIF header without its thumbnail; nothing for other APP0 segments."""
    if bytes(segment[4:9]) != b"JFIF\0" or len(segment) < 18:
        return b""
    return b"\xff\xe0\x00\x10" + bytes(segment[4:16]) + b"\0\0"


def _shows(marker: int, segment: memoryview) -> bool:
    """Whether the pixels look different without this segment."""
    if marker == APP2:
        return bytes(segment[4:16]) == b"ICC_PROFILE\0"
    if marker == APP14:
        return bytes(segment[4:9]) == b"Adobe"
    return not (APP0 <= marker <= APP15 or marker == COM)


def _png(data: memoryview) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = [PNG_SIGNATURE]
    orientation = 1
    for kind, chunk in png_chunks(data):
        if kind == b"eXIf":
            orientation = orientation_of(bytes(chunk[8:-4]))
        elif kind in _PNG_KEPT:
            parts.append(chunk)
    if orientation != 1:
        body = b"eXIf" + orientation_block(orientation)
        # After the signature and IHDR.
        parts.insert(2, (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big"))
    return parts


def _webp(data: memoryview) -> list[bytes | memoryview]:
    orientation = 1
    chunks: list[tuple[bytes, bytes | memoryview]] = []
    for kind, payload in webp_chunks(data):
        if kind == b"EXIF":
            orientation = orientation_of(bytes(payload))
        elif kind in _WEBP_KEPT:
            chunks.append((kind, payload))
    if chunks and chunks[0][0] == b"VP8X":
        flags = chunks[0][1][0] & ~(_WEBP_EXIF | _WEBP_XMP)
        if orientation != 1:
            flags |= _WEBP_EXIF
            chunks.append((b"EXIF", orientation_block(orientation)))
        chunks[0] = (b"VP8X", bytes([flags]) + bytes(chunks[0][1][1:]))
    body = b"".join(
        part
        for kind, payload in chunks
        for part in (kind, len(payload).to_bytes(4, "little"), payload, b"\0" * (len(payload) % 2))
    )
    return [b"RIFF", (4 + len(body)).to_bytes(4, "little"), b"WEBP", body]


def _encode_png(pixels: Image.Image, profile: bytes | None) -> bytes:
    file = io.BytesIO()
    # Level 1 is several times faster than the default, for files about a tenth larger.
    pixels.save(file, "PNG", compress_level=1, icc_profile=profile)
    return file.getvalue()
