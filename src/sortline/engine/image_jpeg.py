"""JPEG: its segments, its header, and decoding by libjpeg-turbo with scaling in the DCT."""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from sortline.engine import image_pillow
from sortline.engine.image_errors import CorruptImage, TruncatedImage, UnsupportedFormat
from sortline.engine.image_exif import orientation_of

SCAN_DATA, SOI, EOI, SOS = 0x00, 0xD8, 0xD9, 0xDA
APP0, APP1, APP2, APP14, APP15, COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
EXIF = b"Exif\0\0"

Layout = Literal["RGB", "RGBX"]

# Start of frame: the size stands here. 0xC4, 0xC8 and 0xCC are other segments.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, the last two also with arithmetic coding.
_READ_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# Within entropy-coded data 0xFF00 is a stuffed 0xFF, and 0xFFD0–D7 are restart markers.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Progressive files have about ten; each further one costs a pass over all pixels for a few bytes of file.
_MAX_SCANS = 100
_MENDABLE = re.compile("Premature end of JPEG|extraneous bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """What is known before a pixel is decoded: sizes in px as stored, `orientation` 1–8, samples a pixel."""

    width: int
    height: int
    components: int
    orientation: int
    multiple_scans: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """`data[start:end]` holds marker, length and payload; as `SCAN_DATA`, a scan's entropy-coded data."""

    marker: int
    start: int
    end: int


def segments(data: memoryview) -> Iterator[Segment]:
    """The segments after SOI, up to and with EOI where there is one. Bytes between segments are skipped.

    Raises:
        TruncatedImage: the data end within a segment.
    """
    position = 2
    while found := _MARKER.search(data, position):
        start, marker = found.start(), data[found.start() + 1]
        if marker == EOI:
            yield Segment(marker, start, start + 2)
            return
        if SOI >= marker >= 0xD0 or marker == 0x01:  # markers without a length
            position = start + 2
            continue
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if position > len(data) or position < start + 4:
            raise TruncatedImage
        yield Segment(marker, start, position)
        if marker == SOS:
            start, after = position, _MARKER_AFTER_SCAN.search(data, position)
            position = after.start() if after else len(data)
            yield Segment(SCAN_DATA, start, position)


def header(data: memoryview) -> JpegHeader:
    """Size, kind and orientation, from the segments before the first scan.

    Raises:
        CorruptImage: the pixels come before their frame header, or never.
        UnsupportedFormat: more than 8 bits a sample, lossless or hierarchical.
    """
    frame: tuple[int, int, int, int, int] | None = None
    orientation = None
    for segment in segments(data):
        payload = segment.start + 4
        if segment.marker == SOS:
            break
        if segment.marker in _FRAMES and frame is None and segment.end - payload >= 6:
            frame = (segment.marker, *struct.unpack_from(">BHHB", data, payload))
        elif segment.marker == APP1 and orientation is None and data[payload : payload + 6] == EXIF:
            orientation = orientation_of(bytes(data[payload : segment.end]))
    else:
        raise TruncatedImage
    if frame is None:
        raise CorruptImage("no JPEG frame header")
    kind, precision, height, width, components = frame
    if precision != 8 or kind not in _READ_FRAMES:
        raise UnsupportedFormat(f"{precision}-bit JPEG" if precision != 8 else "Lossless JPEG")
    return JpegHeader(
        width=width,
        height=height,
        components=components,
        orientation=orientation or 1,
        multiple_scans=kind in (0xC2, 0xCA) or data[payload : payload + 1] != bytes([components]),
    )


def decode(
    data: memoryview,
    jpeg: JpegHeader,
    check: Callable[[int, int], None],
    min_side: int | None,
    layout: Layout,
) -> Image.Image | npt.NDArray[np.uint8]:
    """The pixels as stored, (h, w, 3) RGB or (h, w, 4) with a byte of no meaning behind each pixel's three; with
    `min_side` scaled down by n/8 to no less than that a side. What only Pillow reads comes as its image.

    Raises:
        ImageError: the scans are damaged, or end early.
    """
    if jpeg.multiple_scans and sum(s.marker == SOS for s in segments(data)) > _MAX_SCANS:
        raise CorruptImage(f"more than {_MAX_SCANS} scans")
    try:
        pixels = _decode(data, min_side, layout)
    except _COMPLAINTS as complaint:
        data = _mended(data, str(complaint))
        try:
            pixels = _decode(data, min_side, layout)
        except _COMPLAINTS:
            return image_pillow.load(data, "jpeg", check)[0]
    # Pillow knows that Adobe writes CMYK inverted.
    return pixels if jpeg.components != 4 else image_pillow.load(data, "jpeg", check)[0]


def _decode(data: memoryview, min_side: int | None, layout: Layout = "RGB") -> npt.NDArray[np.uint8]:
    side = min_side or 0
    # Strict: libjpeg fills what is missing with grey and merely warns.
    pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, layout, min_height=side, min_width=side, strict=True
    )
    return pixels


_COMPLAINTS = (ValueError, RuntimeError, LookupError, OverflowError, MemoryError)


def _mended(data: memoryview, complaint: str) -> memoryview:
    """The file with its structure repaired, if what libjpeg complained about costs no pixel.

    libjpeg reports only its first complaint, so stray bytes between segments and a lost end marker are mended
    first: either would hide that pixels are missing.
    """
    if _MENDABLE.search(complaint):
        parts = [bytes(data[s.start : s.end]) for s in segments(data) if s.marker != EOI]
        data = memoryview(b"".join((b"\xff\xd8", *parts, b"\xff\xd9")))
        try:
            _decode(data, None)
            complaint = ""
        except _COMPLAINTS as second:
            complaint = str(second)
    if "remature end" in complaint:
        raise TruncatedImage
    # Stray bytes before the end marker come after the last pixel.
    if "Corrupt JPEG data" in complaint and not complaint.endswith("extraneous bytes before marker 0xd9"):
        raise CorruptImage(complaint)
    return data
