"""The pictures that are sent: 524 px JPEGs, each of which can be made unlike any other without encoding it again.

A server drops comments before it hashes a picture, so a comment alone would make all copies one picture. Here the
last ten entries of the first quantisation table vary too: they scale the finest ripples a JPEG knows, most of which
are zero, so the picture looks the same and decodes as fast, but its bytes are its own.
"""

import io
import os
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, DRAWN = 524, 60
DEFAULT_FOLDER = Path(__file__).parents[2] / "shared" / "data"
# 7 values in each of 10 entries: 282 million pictures of each photo.
ENTRIES, VALUES = 10, 7
NUMBERS = VALUES**ENTRIES
DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A JPEG with two holes: `head` + comment's 12 digits + `middle` + 10 table entries + `tail`.

    The entries are at least `lowest`, one each, and at most 6 more.
    """

    head: bytes
    middle: bytes
    lowest: bytes
    tail: bytes

    def fill(self, number: int) -> bytes:
        """The picture of that number, the same length for all of them; numbers that differ modulo 7¹⁰ give others."""
        entries = bytearray(self.lowest)
        rest = number
        for index in range(ENTRIES):
            rest, step = divmod(rest, VALUES)
            entries[index] += step
        return b"".join((self.head, b"%0*d" % (DIGITS, number), self.middle, entries, self.tail))


def photos(folder: Path | None) -> tuple[list[bytes], str]:
    """JPEG files and what they are: those under `folder`, else of the test data, else 60 drawn ones."""
    root = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER)) / "realwaste-524"
    files = sorted(path for path in (folder or root).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if files:
        return [file.read_bytes() for file in files], f"{len(files)} photos of {(folder or root).name}"
    if folder:
        raise SystemExit(f"There are no JPEG files under {folder}.")
    return [_draw(seed) for seed in range(DRAWN)], f"{DRAWN} drawn pictures (no realwaste-524 here)"


def template(jpeg: bytes) -> Template:
    """The JPEG, ready to be filled."""
    table = _first_table(jpeg)
    first = table + 64 - ENTRIES
    comment = b"\xff\xfe" + (2 + DIGITS).to_bytes(2, "big")
    # An entry is 1 to 255; the range lies about its own value where that leaves room.
    lowest = bytes(min(max(1, value - VALUES // 2), 256 - VALUES) for value in jpeg[first : table + 64])
    return Template(head=jpeg[:2] + comment, middle=jpeg[2:first], lowest=lowest, tail=jpeg[table + 64 :])


def first_number() -> int:
    """Where to begin to count, so that runs against one database hardly ever send a picture again."""
    return random.SystemRandom().randrange(NUMBERS // 2)


def _first_table(jpeg: bytes) -> int:
    """Where the first 8-bit quantisation table's 64 entries begin."""
    position = 2
    while jpeg[position] == 0xFF and jpeg[position + 1] != 0xDA:
        if jpeg[position + 1] == 0xDB and jpeg[position + 4] >> 4 == 0:
            return position + 5
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4], "big")
    raise SystemExit("A photo has no 8-bit quantisation table: is it a JPEG?")


def _draw(seed: int) -> bytes:
    """A JPEG with as much detail as a photo: noise at every scale, 524 px, about 150 kB."""
    generator = np.random.default_rng(seed)
    pixels = np.zeros((SIDE, SIDE, 3), np.float32)
    for side, strength in ((4, 60), (16, 40), (66, 25), (262, 16), (SIDE, 5)):
        noise = generator.normal(0, strength, (side, side, 3)).clip(-127, 127) + 128
        grown = Image.fromarray(noise.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        pixels += np.asarray(grown, np.float32) - 128
    buffer = io.BytesIO()
    Image.fromarray((pixels + 128).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
