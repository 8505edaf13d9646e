"""What a bundle says of the pictures it was calibrated on: from its memory and its head, without the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Bundle

# The parts of a bundle's memory by their number there.
VALIDATION, TEST = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Known pictures that no weight was fitted on: logits (M, C), embeddings (M, D), labels (M,) indexing classes."""

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def held_out(bundle: Bundle, part: int = VALIDATION) -> HeldOut | None:
    """The bundle's validation pictures, or another part's; None where its head is not linear or it remembers none.

    Logits come from float16 embeddings: on the starter bundle they differ by up to 0.01 from the network's own.
    """
    head = bundle.head()
    if head is None:
        return None
    memory = bundle.memory()
    chosen = memory.splits == part
    if not chosen.any():
        return None
    embeddings = memory.embeddings[chosen].astype(np.float32)
    return HeldOut(
        logits=embeddings @ head.weight.T + head.bias,
        embeddings=embeddings,
        labels=memory.labels[chosen].astype(np.int64),
    )
