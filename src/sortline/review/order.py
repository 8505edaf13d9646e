"""In what order pictures are shown: the new and the uncertain first, a few of a kind, not ten, a share by lot."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Final, TypeVar

from sortline.engine.routing import Reason, lot
from sortline.review.item import UPLOADED, State

Item = TypeVar("Item")

_NOVELTY, _UNCERTAINTY = 0.6, 0.4
# There is little to learn from a picture that cannot be read.
_UNREADABLE = 0.3
# Somebody wants to see each of these; nobody knows how odd those are.
_AT_LEAST: Final = {Reason.WATCHED.value: 0.8, UPLOADED: 0.5}
# A thing seen once is a curiosity; of a few alike a class may be made, and a page of them teaches little. So up to the
# fourth of a kind each comes sooner than the one before, and those after them stand back: the eighth by 0.23.
_CROWDING, _FEW = 0.1, 4
# Of those that wait, so many are placed by lot, beside all that were sampled from what was accepted.
_CONTROL = 0.05


def interest(*, reason: str, confidence: float, ood_score: float) -> float:
    """What is to be learned from a picture, 0–1: how unlike the known it is, and how unsure the answer was."""
    value = _NOVELTY * _unit(ood_score) + _UNCERTAINTY * (1 - _unit(confidence))
    if reason == Reason.UNREADABLE:
        return _UNREADABLE * value
    return max(value, _AT_LEAST.get(reason, 0.0))


def is_control(item_id: str, reason: str) -> bool:
    """Whether an item is of the control share: drawn by lot, so that what its labels say holds for all."""
    return reason == Reason.SAMPLED or lot(item_id) < _CONTROL


def priority(
    item_id: str,
    *,
    reason: str,
    confidence: float,
    ood_score: float,
    control: bool,
    crowd: int = 0,
    skips: int = 0,
    state: State = "open",
) -> float:
    """Where an item stands in the queue; the greater, the sooner.

    Args:
        item_id: Decides the lot of the control share.
        reason: Why it was set aside.
        confidence: Of the answer, 0–1.
        ood_score: How unlike the known, 0–1.
        control: Then the lot alone decides, so that nobody's choice makes the share less random.
        crowd: How many of its kind came before it.
        skips: How often somebody passed it on; each puts it behind everything not passed on so often.
        state: People who disagree wait for a third: that comes first.
    """
    base = (
        lot(item_id[::-1]) if control else interest(reason=reason, confidence=confidence, ood_score=ood_score)
    )
    return base - (0.0 if control else _crowding(crowd)) + (2.0 if state == "disputed" else 0.0) - 2.0 * skips


def control_places(n: int, share: float, chance: random.Random) -> int:
    """How many of `n` places go to the control share: its expectation, the fraction by chance."""
    whole, fraction = divmod(n * share, 1.0)
    return min(n, int(whole) + (chance.random() < fraction))


def mixed(first: Sequence[Item], control: Sequence[Item]) -> list[Item]:
    """Both, each in its order, the control items spread evenly among the others."""
    total = len(first) + len(control)
    rest, drawn = iter(first), iter(control)
    marks = {round((place + 0.5) * total / len(control) - 0.5) for place in range(len(control))}
    return [next(drawn if place in marks else rest) for place in range(total)]


def _crowding(crowd: int) -> float:
    """How far a picture stands back, or comes forward, for those of its kind that came before."""
    if crowd < _FEW:
        return -_CROWDING * math.log2(1 + crowd)
    return _CROWDING * math.log2(crowd - _FEW + 2)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
