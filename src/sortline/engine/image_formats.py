"""Which kind of file the bytes are, and the chunks that PNG and WebP files are made of."""

from collections.abc import Iterator
from typing import Literal

from sortline.engine.image_errors import CorruptImage, NotAnImage, TruncatedImage, UnsupportedFormat

Format = Literal["jpeg", "png", "webp", "bmp", "gif", "tiff", "heif"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of the sizes that BMP's second header can have; "BM" alone also starts many a sentence.
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_UNSUPPORTED = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"\0\0\1\0", "ICO"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
)
# Writers use IDAT chunks of 8 KiB and more, so the largest accepted file needs a few thousand.
_MAX_CHUNKS = 65_536


def sniff(data: memoryview) -> Format:
    """The format by its first bytes; file names and content types are not asked.

    Raises:
        UnsupportedFormat: a picture format that is known and not read.
        NotAnImage: anything else.
    """
    start = bytes(data[:32])
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(PNG_SIGNATURE):
        return "png"
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return "webp"
    if start.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if start.startswith(b"BM") and int.from_bytes(start[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if start[4:8] == b"ftyp":
        return _sniff_ftyp(bytes(data[8 : min(int.from_bytes(start[:4], "big"), 128)]))
    for magic, name in _UNSUPPORTED:
        if start.startswith(magic):
            raise UnsupportedFormat(name)
    raise NotAnImage


def _sniff_ftyp(box: bytes) -> Format:
    brands = {box[i : i + 4] for i in range(0, len(box), 4) if i != 4}
    if box[:4] in (b"avif", b"avis") or not brands & _HEIF_BRANDS:
        raise UnsupportedFormat("AVIF" if brands & {b"avif", b"avis"} else "This video or MP4 file")
    return "heif"


def png_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Each chunk of a PNG as (type, the whole chunk with length and CRC), up to and with IEND.

    Raises:
        TruncatedImage: the file ends within a chunk.
    """
    position = len(PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            if position < len(data):
                raise TruncatedImage
            return
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            raise TruncatedImage
        kind = bytes(data[position + 4 : position + 8])
        yield kind, data[position:end]
        if kind == b"IEND":
            return
        position = end
    raise CorruptImage(f"more than {_MAX_CHUNKS} chunks")


def webp_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Each chunk of a WebP as (type, payload), up to the end that its RIFF header gives.

    Raises:
        TruncatedImage: the file ends within a chunk.
    """
    position, end = 12, 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise TruncatedImage
    for _ in range(_MAX_CHUNKS):
        if position + 8 > end:
            return
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + size > end:
            raise TruncatedImage
        yield bytes(data[position : position + 4]), data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    raise CorruptImage(f"more than {_MAX_CHUNKS} chunks")
