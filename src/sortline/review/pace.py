"""How fast people label: told from when their decisions came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

# Who decides nothing for so long is not at work.
_BREAK_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One label: by whom, when, and how long it took where the client said so (ms)."""

    who: str
    at: datetime
    ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What somebody labelled, how many an hour of work, and the seconds a label takes (median); None if unknown."""

    who: str
    labels: int
    per_hour: float | None
    seconds: float | None


def paces(work: Sequence[Work]) -> list[Pace]:
    """Each person's pace, the most industrious first; `work` oldest first."""
    by: dict[str, list[Work]] = {}
    for one in work:
        by.setdefault(one.who, []).append(one)
    found = [pace(who, theirs) for who, theirs in by.items()]
    return sorted(found, key=lambda one: (-one.labels, one.who))


def pace(who: str, work: Sequence[Work]) -> Pace:
    """The pace of one person's labels, oldest first. Breaks of five minutes and more are not work."""
    gaps = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(work)]
    gaps = [gap for gap in gaps if gap < _BREAK_S]
    hours = sum(gaps) / 3600
    return Pace(
        who=who,
        labels=len(work),
        per_hour=len(gaps) / hours if hours > 0 else None,
        seconds=seconds_each(work),
    )


def seconds_each(work: Sequence[Work]) -> float | None:
    """The median of how long labels took, where clients said so."""
    told = [one.ms / 1000 for one in work if one.ms is not None]
    return median(told) if told else None
