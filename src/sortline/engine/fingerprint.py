"""Near-duplicates told by a fingerprint of what a picture shows: re-encoded, resized, slightly brighter copies.

A fingerprint is `SIZE` bytes in three parts:

    8 bytes    the signs of the 64 lowest frequencies, for the lookup: candidates share one of its four bands
    128 bytes  the 128 lowest frequencies themselves, int8: candidates that only look alike from afar end here
    12 bytes   the mean colours of the four quarters, so that a blue cap is not the duplicate of a red one

Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", section 3.2.1 (DCT hash). Ours takes
the frequencies in order of their length, not a square of them, and compares with zero, not with the median: of the
variants measured it shares the fewest bands at the same recall. Mirrored, turned and cropped copies are other pictures
to it. docs/decisions/0005-near-duplicates.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZE = 148
BANDS = 4

_BAND_NUMBERS = np.arange(BANDS, dtype=np.int64) << 16

# Measured on 7,349 photos and 70,000 drawings of garments (docs/decisions/0005-near-duplicates.md). Of 64 signs copies
# lose at most 10, one in 2,000 more than 8; a candidate shares a band anyway, which 3 lost signs never prevent.
MAX_HAMMING = 8
# Distance of two unit vectors of frequencies. Copies of photos: 99 % below 0.08. Pairs of photos below 0.35 are the
# same item a moment later, above it different items, but different trousers of 28 px begin at 0.1, and
# from 0.16 on they chain into groups of 70.
MAX_DETAIL = 0.14
# Levels of 255. Ten per cent brighter moves the mean by up to 25 and, where colours clip, the chroma by up to 10.
MAX_BRIGHTNESS = 32.0
MAX_CHROMA = 12.0
# Where a picture shows nothing, colour is all there is to compare.
MAX_FLAT_COLOUR = 3

_SIDE = 32
_DETAILS = 128
_COLOURS = 12
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# A sign is of more than rounding: a coefficient of 0 comes out as ± 0.001.
_ROUNDING = 0.05
# Frequencies weaker than this together are what 8-bit rounding leaves of a flat surface; the flattest photo has 490.
_FLAT = 100.0
# A unit vector of 128 has components around 0.09. One in 100 photos has one above 0.5; it counts as 0.5, and the
# others then differ the less.
_STEP = 1 / 254


def fingerprint(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The fingerprint of a picture, `SIZE` bytes.

    `pixels` is (S, S, 3) RGB as `image.read` gives it with the default preprocessing (S = 224, squashed, upright);
    fingerprints of one picture read at other sizes are near, not equal.
    """
    small = _reduced(pixels)
    waves = (_COSINES @ (small @ _LUMA) @ _COSINES.T).ravel()[_ORDER]
    signs: npt.NDArray[np.uint8] = np.packbits(waves[_BITS] > _ROUNDING)
    # Natural pictures have less the higher the frequency; weighted by it all count alike.
    weighted = waves * _LENGTHS
    strength = float(np.sqrt(weighted @ weighted))
    details = np.zeros(_DETAILS, np.int8)
    if strength > _FLAT:
        details[:] = np.rint(weighted * (1 / (strength * _STEP))).clip(-127, 127)
    quarters = small.reshape(2, _SIDE // 2, 2, _SIDE // 2, 3).mean((1, 3))
    return b"".join((signs.tobytes(), details.tobytes(), np.rint(quarters).astype(np.uint8).tobytes()))


def are_near(a: bytes, b: bytes) -> bool:
    """Whether two pictures are copies of one another, by their fingerprints."""
    return bool(near_mask(a, [b])[0])


def near_mask(one: bytes, many: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Which of `many` fingerprints are near `one`, shape (len(many),). Looks at all parts, not only at bands."""
    if not many:
        return np.zeros(0, np.bool_)
    rows = np.frombuffer(b"".join(many), np.uint8).reshape(len(many), SIZE)
    row = np.frombuffer(one, np.uint8)
    alike = np.bitwise_count(rows[:, :8] ^ row[:8]).sum(1) <= MAX_HAMMING
    # Few candidates come as far as the costly parts.
    found = np.flatnonzero(alike)
    alike[found] = _same_details(row, rows[found]) & _same_colours(row, rows[found])
    return cast("npt.NDArray[np.bool_]", alike)


def hashes(of: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """The first 64 bits of fingerprints, shape (len(of),), as a database's signed BIGINT."""
    return np.frombuffer(b"".join(one[:8] for one in of), ">i8").astype(np.int64)


def bands(of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The four bands of each of (N,) hashes for a lookup, shape (N, 4): number << 16 | 16 bits, the highest first.

    Two hashes that differ in at most three bits share at least one.
    """
    parts = of.astype("<i8").view("<u2").reshape(-1, BANDS)[:, ::-1]
    found: npt.NDArray[np.int64] = parts | _BAND_NUMBERS
    return found


def hamming(one: int, many: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """In how many of 64 bits each of `many` hashes differs from `one`, both as `hashes` gives them."""
    return cast("npt.NDArray[np.uint8]", np.bitwise_count((many ^ np.int64(one)).view(np.uint64)))


def _reduced(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    side = pixels.shape[0]
    image = Image.frombuffer("RGB", (side, side), np.ascontiguousarray(pixels), "raw", "RGB", 0, 1)
    whole, rest = divmod(side, _SIDE)
    # Both average boxes; the first is faster.
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BOX) if rest else image.reduce(whole)
    return np.asarray(small, np.float32)


def _same_details(row: npt.NDArray[np.uint8], rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    part = slice(8, 8 + _DETAILS)
    difference = rows[:, part].view(np.int8).astype(np.float32) - row[part].view(np.int8)
    distance = np.sqrt(np.einsum("ij,ij->i", difference, difference)) * _STEP
    return cast("npt.NDArray[np.bool_]", distance <= MAX_DETAIL)


def _same_colours(row: npt.NDArray[np.uint8], rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    difference = (rows[:, -_COLOURS:].astype(np.float32) - row[-_COLOURS:]).reshape(-1, 4, 3)
    if not row[8 : 8 + _DETAILS].any():
        return cast("npt.NDArray[np.bool_]", np.abs(difference).max((1, 2), initial=0) <= MAX_FLAT_COLOUR)
    brightness = np.abs((difference @ _LUMA).mean(1))
    chroma = difference - difference.mean(2, keepdims=True)
    return cast(
        "npt.NDArray[np.bool_]",
        (brightness <= MAX_BRIGHTNESS) & (np.sqrt((chroma * chroma).mean((1, 2))) <= MAX_CHROMA),
    )


def _cosines(frequencies: int) -> npt.NDArray[np.float32]:
    """The orthonormal DCT-II of `_SIDE` samples, its lowest frequencies, (frequencies, _SIDE)."""
    wave = np.cos(np.pi * np.outer(np.arange(frequencies), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
    wave *= np.sqrt(2 / _SIDE)
    wave[0] /= np.sqrt(2)
    return wave.astype(np.float32)


def _lowest(frequencies: int, count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Where the `count` lowest frequencies but the mean stand in a flat square of them, and their lengths."""
    across, down = np.mgrid[:frequencies, :frequencies].reshape(2, -1)
    squares = across**2 + down**2
    order = np.argsort(squares, kind="stable")[1 : count + 1]
    return order, np.sqrt(squares[order]).astype(np.float32)


# The 128 lowest frequencies lie in a quarter of a circle of radius 13.
_COSINES = _cosines(14)
_ORDER, _LENGTHS = _lowest(14, _DETAILS)
# Each band takes every fourth frequency: bands of neighbouring frequencies were shared five times as often.
_BITS = np.arange(64).reshape(16, BANDS).T.ravel()
