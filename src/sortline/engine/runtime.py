"""Runs a bundle's network: what every runtime offers. Which one serves is chosen in `choice`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Bundle, Precision

# The batch sizes a runtime may compile for.
BATCH_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the network says of N pictures: logits (N, C), embedding (N, D), features (N, D, h, w) or None; float32."""

    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    features: NDArray[np.float32] | None = None


class Runtime(Protocol):
    """A network loaded for inference. Any number of threads may call it at once; each call uses one core."""

    name: str

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """Outputs for images (N, S, S, 3), any N ≥ 1; C-contiguous. The arrays belong to the caller."""
        ...

    def settle(self, batch: int) -> None:
        """Single pictures and batches of this size are what it will be called with: for others it keeps nothing.

        It still takes any number, cut into these.
        """
        ...


class Candidate(NamedTuple):
    """A runtime that may be loaded: `load(bundle, threads, cache folder)`, and the arithmetic it computes in."""

    load: Callable[[Bundle, int, Path | None], Runtime]
    precision: Precision


def batches(count: int, sizes: Sequence[int]) -> Iterator[int]:
    """`count` pictures cut into the batch sizes a runtime has compiled, 1 among them, largest first: 7 → 4, 2, 1."""
    for size in sorted(sizes, reverse=True):
        while count >= size:
            yield size
            count -= size
