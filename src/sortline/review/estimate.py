"""How right the accepted answers are, told from those that a person looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Of the normal distribution: 95 %.
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The share of accepted answers that are right, and where it lies with 95 % confidence, from `n` pictures."""

    value: float
    low: float
    high: float
    n: int


def live_accuracy(right: int, n: int, *, accepted: int = 0, corrected: int = 0) -> Accuracy | None:
    """The accuracy of what was accepted, from a random share of it; None where nobody looked at any.

    Args:
        right: Of the control share, the pictures whose answer a person confirmed.
        n: Of the control share, the pictures that a person labelled.
        accepted: How many answers were accepted in the same time, the control share included.
        corrected: How many accepted answers outside the control share people found wrong by themselves. They were not
            drawn by lot, so they do not move the estimate; but what is known to be wrong is wrong, so they bound it.

    Interval: Wilson 1927, which holds for shares near 1 and for few pictures.
    """
    if n == 0:
        return None
    value, (low, high) = right / n, wilson(right, n)
    if accepted > 0:
        most = max(0.0, 1 - (corrected + n - right) / max(accepted, n + corrected))
        value, low, high = min(value, most), min(low, most), min(high, most)
    return Accuracy(value=value, low=low, high=high, n=n)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` of `n` are known; (0, 1) for none."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))
