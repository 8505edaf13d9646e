"""What review tells of itself: how much waits, how fast it goes, how far people agree, and how right the line is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sortline.db.session import Session
from sortline.lines.classes import class_ids, list_classes
from sortline.monitoring import store as monitoring
from sortline.review.agreement import Agreement, agreement
from sortline.review.estimate import Accuracy, live_accuracy
from sortline.review.pace import Pace, paces, seconds_each
from sortline.review.store import figures, tallies
from sortline.review.store.figures import Told

# Labels and pairs that figures are told from: of more, the newest.
_MOST = 20_000
_CONFUSIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often answers named one class where people say it is another."""

    predicted: str
    label: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """How many items came and how many labels were given on one day in UTC."""

    day: date
    arrived: int
    decided: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFigures:
    """What waits now, by reason, since when, and how much of it somebody has; the rest of the last days.

    `labels_per_hour` of one person at work, `seconds_per_label` the median where clients said how long it took.
    """

    waiting: dict[str, int]
    oldest: datetime | None
    leased: int
    labels_per_hour: float | None
    seconds_per_label: float | None
    people: tuple[Pace, ...]
    agreement: Agreement | None
    accuracy: Accuracy | None
    confusions: tuple[Confusion, ...]
    per_day: tuple[Day, ...]


def review_figures(session: Session, line_id: int, *, days: int = 30) -> ReviewFigures:
    """The line's figures, of the last `days`, today included."""
    now = datetime.now(UTC)
    since = datetime.combine(now.date() - timedelta(days=days - 1), time(), UTC)
    work = figures.work_since(session, line_id, since, most=_MOST)
    people = paces(work)
    pairs = figures.opinion_pairs(session, line_id, since, most=_MOST)
    return ReviewFigures(
        waiting=tallies.waiting_by_reason(session, line_id),
        oldest=figures.oldest_waiting(session, line_id),
        leased=figures.count_leased(session, line_id, now),
        labels_per_hour=_per_hour(people),
        seconds_per_label=seconds_each(work),
        people=tuple(people),
        agreement=agreement(pairs),
        accuracy=accuracy_since(session, line_id, since),
        confusions=_confusions(session, line_id, since),
        per_day=_per_day(session, line_id, since, days),
    )


def accuracy_since(
    session: Session, line_id: int, since: datetime, *, accepted: int | None = None
) -> Accuracy | None:
    """How right the accepted answers were since then, told from the control share and bounded by corrections.

    None until somebody has labelled a picture of the control share. `accepted`: how many were, the control share
    included, for those who have counted.
    """
    sampled = [one for one in figures.told_since(session, line_id, since) if one.sampled]
    corrected = figures.corrected_since(session, line_id, since)
    names = _names(session, line_id, [*sampled, *corrected])
    if accepted is None:
        totals = monitoring.totals(session, line_id, since)
        accepted = totals.by_verdict.get("accept", 0) + totals.by_reason.get("sampled", 0)
    return live_accuracy(
        sum(one.n for one in sampled if names.get(one.predicted) == one.class_id),
        sum(one.n for one in sampled),
        accepted=accepted,
        corrected=sum(one.n for one in corrected if names.get(one.predicted) != one.class_id),
    )


def _confusions(session: Session, line_id: int, since: datetime) -> tuple[Confusion, ...]:
    told = [*figures.told_since(session, line_id, since), *figures.corrected_since(session, line_id, since)]
    names = _names(session, line_id, told)
    classes = {one.id: one.name for one in list_classes(session, line_id)}
    counted = Counter[tuple[str, str]]()
    for one in told:
        if names.get(one.predicted) != one.class_id and one.class_id in classes:
            counted[one.predicted, classes[one.class_id]] += one.n
    found = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:_CONFUSIONS]
    return tuple(Confusion(predicted=predicted, label=label, n=n) for (predicted, label), n in found)


def _names(session: Session, line_id: int, told: Sequence[Told]) -> dict[str, int]:
    """The class that each predicted name leads to today: a class that was renamed since was right all the same."""
    return class_ids(session, line_id, {one.predicted for one in told})


def _per_day(session: Session, line_id: int, since: datetime, days: int) -> tuple[Day, ...]:
    arrived = tallies.arrived_by_day(session, line_id, since)
    decided = figures.decided_by_day(session, line_id, since)
    dates = [since.date() + timedelta(days=place) for place in range(days)]
    return tuple(Day(day=one, arrived=arrived.get(one, 0), decided=decided.get(one, 0)) for one in dates)


def _per_hour(people: Sequence[Pace]) -> float | None:
    """Labels an hour of one person, weighed by how much each did."""
    timed = [(one.labels, one.per_hour) for one in people if one.per_hour]
    hours = sum(labels / rate for labels, rate in timed)
    return sum(labels for labels, _ in timed) / hours if hours else None
