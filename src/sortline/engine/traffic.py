"""What thresholds are judged by: held-out known pictures, and what came lately, as their predictions were recorded.

Both are told by figures that mean the same for every network: the share of held-out known pictures that are less
unusual (`unusual`, as a prediction's `ood_score`), and the calibrated confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Known pictures are as often above this as held-out ones, whatever the network; what is there beyond is foreign.
_TAIL = 0.8
# One-sided 95 %: foreign items count as far as chance does not explain them.
_Z = 1.645

Shares = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """M held-out pictures of known classes: `unusual` and `confidence` (M,) in [0, 1], whether the answer is `correct`
    (M,), whether it is a class that is always reviewed (`watched`, (M,)), and whether the prediction set leaves it
    `ambiguous` whatever its confidence (M,).
    """

    unusual: Shares
    confidence: Shares
    correct: Flags
    watched: Flags
    ambiguous: Flags

    def __len__(self) -> int:
        return len(self.unusual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """N pictures that came lately: `unusual` and `confidence` (N,) in [0, 1], which were `unreadable` or `watched`, and
    which are `ambiguous` whatever their confidence, (N,) each.
    """

    unusual: Shares
    confidence: Shares
    unreadable: Flags
    watched: Flags
    ambiguous: Flags

    def __len__(self) -> int:
        return len(self.unusual)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known about a line. Without `traffic` the held-out pictures stand for it. `per_day` are the pictures of
    past days, `sample_share` the control share, `steps` how many scores the detector's reference has.
    """

    known: Known
    traffic: Traffic | None
    per_day: Sequence[float]
    sample_share: float
    steps: int

    @property
    def stream(self) -> Traffic:
        """The traffic, or what stands for it."""
        if self.traffic is not None:
            return self.traffic
        nothing = np.zeros(len(self.known), bool)
        return Traffic(
            unusual=self.known.unusual,
            confidence=self.known.confidence,
            unreadable=nothing,
            watched=self.known.watched,
            ambiguous=self.known.ambiguous,
        )

    @property
    def volume(self) -> float | None:
        """Pictures a day, on average; None where nobody knows."""
        return float(np.mean(self.per_day)) if len(self.per_day) else None

    def known_share(self, in_tail: Shares, *, of: int | None = None) -> Shares:
        """Share of the readable pictures that are of known classes, from the share of them that is in the tail.

        Storey 2002: below the tail all is known, and known pictures are there as often as held-out ones. With `of`
        pictures the share is as large as chance allows.
        """
        base = 1 - float(tail(self.known.unusual).mean())
        if self.traffic is None or base <= 0:
            return np.ones_like(in_tail)
        chance = _Z * math.sqrt(base * (1 - base) / of) if of else 0.0
        found: Shares = np.minimum((1 - in_tail + chance) / base, 1.0)
        return found


def tail(unusual: Shares) -> Flags:
    """Which pictures are in the tail that tells foreign items."""
    return unusual > _TAIL
