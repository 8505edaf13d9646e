"""Which way up a picture is: EXIF's Orientation (tag 0x0112, values 1–8), read, written and applied."""

import struct

import numpy as np
import numpy.typing as npt

_ORIENTATION = 0x0112
_SHORT = 3
_MAX_ENTRIES = 512


def orientation_of(exif: bytes) -> int:
    """Orientation 1–8 from an EXIF block (a TIFF file, with or without ``Exif\\0\\0``); 1 where it says none.

    Only the first directory is read. Anything malformed counts as upright: a broken tag is no reason to
    refuse a photo.
    """
    tiff = exif[6:] if exif[:6] == b"Exif\0\0" else exif
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 14:
        return 1
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for index in range(min(count, _MAX_ENTRIES)):
        position = start + 2 + 12 * index
        if position + 12 > len(tiff):
            return 1
        tag, kind = struct.unpack_from(order + "HH", tiff, position)
        if tag == _ORIENTATION:
            (value,) = struct.unpack_from(order + "H", tiff, position + 8)
            return value if kind == _SHORT and 1 <= value <= 8 else 1
    return 1


def orientation_block(orientation: int) -> bytes:
    """The smallest EXIF block (26 bytes, without ``Exif\\0\\0``) that says only the orientation."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0, 0)


def turns_sides(orientation: int) -> bool:
    """Whether showing the picture upright swaps its width and height."""
    return orientation >= 5


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """The picture as it is meant to be seen, a view of shape (h, w, 3) or (w, h, 3). EXIF 2.32, table 6."""
    turned = pixels.swapaxes(0, 1) if turns_sides(orientation) else pixels
    vertical = orientation in (3, 4, 7, 8)
    horizontal = orientation in (2, 3, 6, 7)
    return turned[:: -1 if vertical else 1, :: -1 if horizontal else 1]
