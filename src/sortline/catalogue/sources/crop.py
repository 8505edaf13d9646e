"""One box of a picture as a picture of its own.

Boxes count in pixels as they are stored in the file; a camera may store a picture turned and say so in EXIF. Where the
annotations give the size of the picture as it is seen, which only fits the turned picture, boxes count in that one.
"""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Callable

from PIL import Image

from sortline.catalogue.sources.item import FileRefused
from sortline.catalogue.sources.png import png
from sortline.engine.image import Pixels, decode
from sortline.engine.image_exif import turns_sides, upright

# Turning by 6 undoes 8; the others undo themselves.
_UNDO = {6: 8, 8: 6}


class Decoded:
    """Reads a picture for its boxes; each thread keeps the last one, since boxes of a picture follow each other."""

    def __init__(self) -> None:
        self._last = threading.local()

    def crop(
        self,
        read: Callable[[], bytes],
        name: str,
        size: tuple[int, int] | None,
        area: tuple[float, float, float, float],
    ) -> bytes:
        """The box as an uncompressed PNG, upright: re-encoding as JPEG would add its own traces and blur.

        Raises:
            ImageError: the picture cannot be read.
            FileRefused: the box lies outside of it.
        """
        if getattr(self._last, "name", None) != name:
            data = read()
            self._last.pixels, self._last.orientation = decode(data), _orientation(data)
            self._last.name = name
        return png(cut(self._last.pixels, self._last.orientation, size, area))


def cut(
    pixels: Pixels, orientation: int, size: tuple[int, int] | None, area: tuple[float, float, float, float]
) -> Pixels:
    """The part of an upright picture (h, w, 3) that a box (left, top, right, bottom) in px names, upright.

    `orientation` is EXIF's, `size` the (width, height) that the annotations give.
    """
    height, width = pixels.shape[:2]
    seen = turns_sides(orientation) and size == (width, height) and width != height
    stored = pixels if seen else upright(pixels, _UNDO.get(orientation, orientation))
    height, width = stored.shape[:2]
    left, top = max(0, math.floor(area[0])), max(0, math.floor(area[1]))
    right, bottom = min(width, math.ceil(area[2])), min(height, math.ceil(area[3]))
    if left >= right or top >= bottom:
        raise FileRefused("degenerate-box", f"the box lies outside of the picture of {width} x {height} px")
    part = stored[top:bottom, left:right]
    return part if seen else upright(part, orientation)


def _orientation(data: bytes) -> int:
    # Only the header is read; that it can be decoded is known by now.
    with Image.open(io.BytesIO(data)) as image:
        orientation = image.getexif().get(0x0112, 1)
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
