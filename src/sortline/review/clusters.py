"""What looks alike: items join the cluster they are nearest to as they come, or begin one of their own.

Embeddings are compared in at most 256 dimensions, into which a fixed random projection takes them (Johnson and
Lindenstrauss 1984: distances stay within a few hundredths); a vector is then 256 bytes on the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

DIMENSIONS: Final = 256
# Cosine above which two pictures are of one kind.
ALIKE: Final = 0.8
# More clusters than this in one space, and new kinds join the nearest: looking them all through stays below a few ms.
MOST: Final = 1024
# A centre moves with its members, but a large cluster never stands still.
_WEIGHT: Final = 50

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Where N vectors went: `places` (N,) index the clusters, the new ones behind those there were.

    `crowds` (N,) how many each found there. `centres` (K, D) and `sizes` (K,) are those of all clusters now.
    """

    places: NDArray[np.int64]
    crowds: NDArray[np.int64]
    centres: Vectors
    sizes: NDArray[np.int64]


def projected(embeddings: NDArray[np.floating]) -> Vectors:
    """Unit vectors (N, min(D, 256)) whose inner products are about the cosines of embeddings (N, D)."""
    wide = embeddings.astype(np.float32)
    if wide.shape[1] > DIMENSIONS:
        wide = wide @ _projection(wide.shape[1])
    return unit(wide)


def join(vectors: Vectors, centres: Vectors, sizes: NDArray[np.int64], *, most: int = MOST) -> Joined:
    """Each vector (N, D) joins the nearest cluster if it is like its centre, else begins one; in their order.

    Leader clustering (Hartigan 1975): one pass, and what came before is never looked at again.
    """
    there = len(centres)
    room = np.zeros((there + len(vectors), vectors.shape[1]), np.float32)
    if there:
        room[:there] = centres
    counts = np.concatenate([sizes, np.zeros(len(vectors), np.int64)])
    places, crowds = np.zeros(len(vectors), np.int64), np.zeros(len(vectors), np.int64)
    for row, vector in enumerate(vectors):
        likeness = room[:there] @ vector
        place = int(likeness.argmax()) if there else 0
        if there == 0 or (likeness[place] < ALIKE and there < most):
            place, there = there, there + 1
            room[place] = vector
        places[row], crowds[row] = place, counts[place]
        weight = min(int(counts[place]), _WEIGHT)
        room[place] = unit((room[place] * weight + vector)[None])[0]
        counts[place] += 1
    return Joined(places=places, crowds=crowds, centres=room[:there], sizes=counts[:there])


def packed(vectors: Vectors) -> list[bytes]:
    """Each of the vectors (N, D) in D bytes."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    scaled = np.rint(vectors / np.where(largest > 0, largest, 1) * 127).astype(np.int8)
    return [row.tobytes() for row in scaled]


def unpacked(rows: Sequence[bytes]) -> Vectors:
    """Unit vectors (N, D) of what was packed; all have one length."""
    width = len(rows[0]) if rows else 0
    return unit(np.frombuffer(b"".join(rows), np.int8).reshape(len(rows), width).astype(np.float32))


def unit(rows: NDArray[np.floating]) -> Vectors:
    """The rows (N, D) at length 1; one of nothing but zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return result


@lru_cache(maxsize=4)
def _projection(width: int) -> Vectors:
    # The same on every machine and for ever: vectors of different days are compared.
    drawn = np.random.Generator(np.random.PCG64(width)).standard_normal((width, DIMENSIONS))
    result: Vectors = (drawn / np.sqrt(DIMENSIONS)).astype(np.float32)
    return result
