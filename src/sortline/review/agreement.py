"""How far two people agree beyond what chance would have them agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Cohen's kappa over so many pairs of independent opinions: 1 always agree, 0 no more than by chance."""

    kappa: float
    pairs: int


def agreement(pairs: Sequence[tuple[int, int]]) -> Agreement | None:
    """The agreement of pairs of answers to the same picture; None without any.

    Cohen 1960: chance is two people who give each answer as often as the first and the second ones did. Where all
    answers are the same one, that is 1, too.
    """
    if not pairs:
        return None
    observed = sum(first == second for first, second in pairs) / len(pairs)
    firsts, seconds = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    expected = sum(count * seconds[answer] for answer, count in firsts.items()) / len(pairs) ** 2
    kappa = 1.0 if expected == 1.0 else (observed - expected) / (1 - expected)
    return Agreement(kappa=kappa, pairs=len(pairs))
