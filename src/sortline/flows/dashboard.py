"""What a line did and does, at a glance: from counts by hour, never from single predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sortline.db.session import Session
from sortline.engine.routing import Verdict
from sortline.flows.policy_drift import policy_drift
from sortline.flows.runs import RunState, list_runs
from sortline.jobs.job import Job
from sortline.jobs.store import list_jobs
from sortline.lines.fits import get_fit
from sortline.monitoring.latency_store import latency_steps
from sortline.monitoring.meter import Percentiles, percentiles
from sortline.monitoring.recorded import Bucket, Count, hour_of, hour_start
from sortline.monitoring.store import count
from sortline.registry.ledger import Promotion
from sortline.registry.store import newest
from sortline.review.store.items import count_open

# The longest span that is told, by bucket: a year of days, a month of hours.
LONGEST: Mapping[Bucket, timedelta] = {"hour": timedelta(days=31), "day": timedelta(days=366)}
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

    def add(self, found: Count) -> None:
        """Some more items of one kind."""
        if found.verdict == Verdict.ACCEPT:
            self.accepted += found.n
        else:
            self.reviewed += found.n
        self.classes[found.class_name] += found.n
        if found.reason is not None:
            self.reasons[found.reason] += found.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A line's figures between two moments: `total` and `buckets`, each bucket there, the empty ones too.

    `latency` is None where nothing was answered, `live` what made the live bundle live; `waiting` counts what waits for
    a person, up to 100,000. `drifted`: thresholds no longer do what was expected when they were fitted.
    """

    total: Span
    buckets: Sequence[Span]
    latency: Percentiles | None
    live: Promotion | None
    waiting: int
    drifted: bool
    runs: Sequence[RunState]
    jobs: Sequence[Job]


def dashboard(
    session: Session, line_id: int, start: datetime, end: datetime, bucket: Bucket, now: datetime
) -> Dashboard:
    """The figures, by hour or by day in UTC; a span longer than `LONGEST` is told from its end."""
    start = max(start, end - LONGEST[bucket])
    buckets = {span.at: span for span in _empty(start, end, bucket)}
    total = Span(start)
    for found in count(session, line_id, start, end, bucket):
        total.add(found)
        buckets.setdefault(found.at, Span(found.at)).add(found)
    live = newest(session, line_id)
    fit = get_fit(session, line_id, live.bundle_hash) if live else None
    return Dashboard(
        total=total,
        buckets=[buckets[at] for at in sorted(buckets)],
        latency=percentiles(latency_steps(session, line_id, start, end)),
        live=live,
        waiting=count_open(session, line_id, most=MOST_WAITING),
        drifted=fit is not None and policy_drift(session, line_id, fit, now).drifted,
        runs=list_runs(session, line_id, limit=_SHOWN).items,
        jobs=list_jobs(session, limit=_SHOWN).items,
    )


def _empty(start: datetime, end: datetime, bucket: Bucket) -> list[Span]:
    hours = 1 if bucket == "hour" else 24
    first, last = hour_of(start) // hours, (hour_of(end - timedelta(microseconds=1))) // hours
    return [Span(hour_start(number * hours)) for number in range(first, last + 1)]
