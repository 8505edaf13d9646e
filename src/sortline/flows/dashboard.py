"""What a line did and does, at a glance: from counts by hour, never from single predictions."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sortline.db.session import Session
from sortline.engine.routing import Reason, Verdict
from sortline.flows.policy_drift import policy_drift
from sortline.flows.review_figures import accuracy_since
from sortline.flows.runs import RunState, list_runs
from sortline.jobs.job import Job
from sortline.jobs.store import list_jobs
from sortline.lines.fits import get_fit
from sortline.monitoring.latency_store import latency_steps
from sortline.monitoring.meter import Percentiles, percentiles
from sortline.monitoring.recorded import Bucket, hour_of, hour_start
from sortline.monitoring.store import count_classes, count_verdicts
from sortline.registry.ledger import Promotion
from sortline.registry.store import newest
from sortline.review.estimate import Accuracy
from sortline.review.store.items import count_open

# The longest span that is told, by bucket: a year of days, a month of hours.
LONGEST: Mapping[Bucket, timedelta] = {"hour": timedelta(days=31), "day": timedelta(days=366)}
_LENGTH: Mapping[Bucket, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
# How long after its end a bucket is taken for over: an answer that is under way then is still counted in it.
_SETTLED = timedelta(hours=1)
# Buckets remembered of a line.
_REMEMBERED = 2000
# Latencies are told of the last so many days of a span.
_LATENCIES = timedelta(days=7)
# Where counting what waits stops.
MOST_WAITING = 100_000
_SHOWN = 5


@dataclass(slots=True)
class Span:
    """What came in one bucket, or in several: items by verdict, by class, and by reason of those set aside."""

    at: datetime
    accepted: int = 0
    reviewed: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: Span) -> None:
        """What came in another bucket as well."""
        self.accepted += other.accepted
        self.reviewed += other.reviewed
        self.classes.update(other.classes)
        self.reasons.update(other.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A line's figures between two moments: `total` and `buckets`, each bucket there, the empty ones too.

    `latency` is None where nothing was answered, `live` what made the live bundle live; `waiting` counts what waits for
    a person, up to 100,000. `drifted`: thresholds no longer do what was expected when they were fitted. `accuracy` is
    of accepted answers since the span began, None until people looked at some.
    """

    total: Span
    buckets: Sequence[Span]
    latency: Percentiles | None
    live: Promotion | None
    waiting: int
    drifted: bool
    accuracy: Accuracy | None
    runs: Sequence[RunState]
    jobs: Sequence[Job]


class Past:
    """Remembers buckets that are over, for nothing is counted in them any more: who looks every few seconds asks the
    database for the last one alone. A month of hours took 60 ms of a core.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, Bucket], dict[datetime, Span]] = {}
        self._lock = threading.Lock()

    def spans(
        self, session: Session, line_id: int, start: datetime, end: datetime, bucket: Bucket, now: datetime
    ) -> list[Span]:
        """Every bucket between two moments, the empty ones too, oldest first."""
        wanted = _buckets(start, end, bucket)
        with self._lock:
            known = dict(self._known.get((line_id, bucket), {}))
        first = next((at for at in wanted if at not in known), None)
        if first is not None:
            fresh = {at: Span(at) for at in wanted if at >= first}
            _fill(fresh, session, line_id, first, end, bucket)
            known |= fresh
            over = now - _LENGTH[bucket] - _SETTLED
            self._remember((line_id, bucket), [span for span in fresh.values() if span.at <= over])
        return [known[at] for at in wanted]

    def _remember(self, key: tuple[int, Bucket], spans: Sequence[Span]) -> None:
        with self._lock:
            known = self._known.setdefault(key, {})
            if len(known) + len(spans) > _REMEMBERED:
                known.clear()
            known.update({span.at: span for span in spans})


def dashboard(
    session: Session, past: Past, line_id: int, start: datetime, end: datetime, bucket: Bucket, now: datetime
) -> Dashboard:
    """The figures, by hour or by day in UTC; a span longer than `LONGEST` is told from its end."""
    start = max(start, end - LONGEST[bucket])
    buckets, total = past.spans(session, line_id, start, end, bucket, now), Span(start)
    for span in buckets:
        total.add(span)
    live = newest(session, line_id)
    fit = get_fit(session, line_id, live.bundle_hash) if live else None
    accepted = total.accepted + total.reasons[Reason.SAMPLED]
    return Dashboard(
        total=total,
        buckets=buckets,
        latency=percentiles(latency_steps(session, line_id, max(start, end - _LATENCIES), end)),
        live=live,
        waiting=count_open(session, line_id, most=MOST_WAITING),
        accuracy=accuracy_since(session, line_id, start, accepted=accepted),
        drifted=fit is not None and policy_drift(session, line_id, fit, now).drifted,
        runs=list_runs(session, line_id, limit=_SHOWN).items,
        jobs=list_jobs(session, limit=_SHOWN).items,
    )


def _buckets(start: datetime, end: datetime, bucket: Bucket) -> list[datetime]:
    hours = _LENGTH[bucket] // timedelta(hours=1)
    first, last = hour_of(start) // hours, (hour_of(end - timedelta(microseconds=1))) // hours
    return [hour_start(number * hours) for number in range(first, last + 1)]


def _fill(
    spans: Mapping[datetime, Span],
    session: Session,
    line_id: int,
    start: datetime,
    end: datetime,
    bucket: Bucket,
) -> None:
    for at, verdict, reason, n in count_verdicts(session, line_id, start, end, bucket):
        span = spans[at]
        if verdict == Verdict.ACCEPT:
            span.accepted += n
        else:
            span.reviewed += n
            span.reasons[reason] += n
    for at, class_name, n in count_classes(session, line_id, start, end, bucket):
        spans[at].classes[class_name] += n
