"""Pictures nobody took: hashes, sizes and fingerprints drawn as real photos have them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from photos import DEFAULT_FOLDER
from sortline.catalogue.entry import NewPicture
from sortline.catalogue.image import ImageRecord
from sortline.engine import image
from sortline.engine.fingerprint import fingerprint
from sortline.engine.image import Preprocessing

CHUNK = 500
# The largest of twelve classes has a third of the pictures, the smallest one in forty.
WEIGHTS = np.array([1 / (number + 1) for number in range(12)])
SIZES = ((640, 480), (480, 640), (1280, 960), (524, 524), (224, 224), (256, 192), (1920, 1080), (4032, 3024))
# One in a hundred looks like one of those just before it.
NEAR_SHARE, _BEFORE = 0.01, 50_000
# One in twenty of those has a label of its own.
_CONFLICTS = 0.05
_DETAILS, _HASH, _COLOURS = 128, 8, 12

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Pictures by number: class 0–11, index into SIZES, and what is measured of them.

    `copy_of` is the picture of which one is a near-duplicate, -1 where it is none. `prints` is (N, 148) uint8.
    """

    salt: bytes
    now: datetime
    kinds: Ints
    sizes: Ints
    weights: Ints
    brightness: Floats
    sharpness: Floats
    prints: npt.NDArray[np.uint8]
    copy_of: Ints

    def __len__(self) -> int:
        """How many there are."""
        return len(self.kinds)

    def sha256(self, number: int) -> str:
        """The hash a picture has."""
        return hashlib.sha256(self.salt + number.to_bytes(8, "big")).hexdigest()

    def pictures(self, start: int, stop: int, classes: list[int]) -> list[NewPicture]:
        """Some as an import has them."""
        return [
            NewPicture(
                image=ImageRecord(**self.image(number)),
                class_id=classes[self.kinds[number]],
                declared=None,
                source="import",
                name=f"{number}.jpg",
            )
            for number in range(start, stop)
        ]

    def image(self, number: int) -> dict[str, Any]:
        """One as a row of images."""
        width, height = SIZES[self.sizes[number]]
        return {
            "sha256": self.sha256(number), "media_type": "image/jpeg", "format": "jpeg",
            "bytes": int(self.weights[number]), "width": width, "height": height,
            "brightness": float(self.brightness[number]), "sharpness": float(self.sharpness[number]),
            "phash": self.prints[number].tobytes(), "source": "import", "client": None, "first_seen": self.now,
        }  # fmt: skip


def draw(count: int, seed: int = 1) -> Drawn:
    """So many pictures; the same for the same seed, but for their hashes."""
    rng = np.random.default_rng(seed)
    prints, copy_of = _fingerprints(rng, count)
    kinds = rng.choice(len(WEIGHTS), count, p=WEIGHTS / WEIGHTS.sum())
    for number in np.flatnonzero((copy_of >= 0) & (rng.random(count) > _CONFLICTS)):
        kinds[number] = kinds[copy_of[number]]
    return Drawn(
        salt=os.urandom(8),
        now=datetime.now(UTC),
        kinds=kinds,
        sizes=rng.integers(0, len(SIZES), count),
        weights=rng.lognormal(11, 0.6, count).astype(np.int64),
        brightness=rng.normal(120, 30, count).clip(0, 255),
        sharpness=rng.lognormal(5.5, 1, count),
        prints=prints,
        copy_of=copy_of,
    )


def _fingerprints(rng: np.random.Generator, count: int) -> tuple[npt.NDArray[np.uint8], Ints]:
    """Their signs are as often positive as photos' are, so that they share bands about as often."""
    share = _share_of_signs()
    rows = np.empty((count, _HASH + _DETAILS + _COLOURS), np.uint8)
    for start in range(0, count, 50_000):
        part = rows[start : start + 50_000]
        part[:, :_HASH] = np.packbits(rng.random((len(part), 8 * _HASH), np.float32) < share, axis=1)
        details = rng.standard_normal((len(part), _DETAILS), np.float32) * np.float32(127 / 6)
        part[:, _HASH:-_COLOURS] = np.rint(details).clip(-127, 127).astype(np.int8).view(np.uint8)
        part[:, -_COLOURS:] = rng.integers(40, 200, (len(part), _COLOURS), np.uint8)
    copy_of = np.full(count, -1, np.int64)
    copies = 1 + np.flatnonzero(rng.random(count - 1) < NEAR_SHARE)
    copy_of[copies] = rng.integers(np.maximum(copies - _BEFORE, 0), copies)
    for number in copies:
        # In order, so that a copy of a copy is one; each loses a sign.
        rows[number] = rows[copy_of[number]]
        rows[number, rng.integers(0, _HASH)] ^= 1 << rng.integers(0, 8)
    return rows, copy_of


def _share_of_signs() -> npt.NDArray[np.float32]:
    """How often each of the 64 signs is positive in photos, (64,); half of the time where there are none."""
    data = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER)) / "realwaste"
    files = sorted(data.rglob("*.jpg"))
    if not files:
        return np.full(8 * _HASH, 0.5, np.float32)
    known = [fingerprint(image.read(file.read_bytes(), Preprocessing()).pixels) for file in files[::6]]
    rows = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
    return np.unpackbits(rows[:, :_HASH], axis=1).mean(0, dtype=np.float32)
