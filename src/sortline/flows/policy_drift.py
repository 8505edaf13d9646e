"""Whether thresholds still do what was expected of them when they were fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sortline.db.session import Session
from sortline.engine.routing import Reason, Verdict
from sortline.evaluation.metrics import wilson
from sortline.lines.line import PolicyFit
from sortline.monitoring.recorded import Totals, hour_of, hour_start
from sortline.monitoring.store import totals

# Days of traffic that are looked at, and predictions from which a rate can be told.
DAYS, FEWEST = 7, 200
# Half as much again is another rate; a point more or less is not.
_RATIO, _POINT = 0.5, 0.01
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share as `expected` and as it is in `recent` traffic, and whether the two differ beyond chance and by much."""

    expected: float
    recent: float
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDrift:
    """The rates of the `predictions` since a moment after the fit; `reviews_per_day` once a day has passed."""

    since: datetime
    predictions: int
    rates: Mapping[str, Rate]
    reviews_per_day: float | None

    @property
    def drifted(self) -> bool:
        """Whether some rate has."""
        return any(rate.drifted for rate in self.rates.values())


def policy_drift(session: Session, line_id: int, fit: PolicyFit, now: datetime) -> PolicyDrift:
    """What the thresholds of a fit did since, beside what was expected; nothing has drifted before 200 predictions."""
    since = max(hour_start(hour_of(fit.at) + 1), now - timedelta(days=DAYS))
    found, figures = totals(session, line_id, since), fit.expected["figures"]
    rates = {
        name: _rate(figures[f"{name}_share"], count, found.total) for name, count in _counts(found).items()
    }
    elapsed = now - since
    return PolicyDrift(
        since=since,
        predictions=found.total,
        rates=rates,
        reviews_per_day=_counts(found)["review"] / (elapsed / _DAY) if elapsed >= _DAY else None,
    )


def _counts(found: Totals) -> dict[str, int]:
    return {
        "review": found.by_verdict.get(Verdict.REVIEW, 0),
        "unknown": found.by_reason.get(Reason.UNKNOWN, 0),
        "ambiguous": found.by_reason.get(Reason.AMBIGUOUS, 0),
    }


def _rate(expected: Mapping[str, Any], count: int, total: int) -> Rate:
    if total < FEWEST:
        return Rate(expected=expected["value"], recent=count / total if total else 0.0, drifted=False)
    recent = wilson(count, total)
    apart = recent.low > expected["high"] or recent.high < expected["low"]
    change = abs(recent.value - expected["value"])
    much = change > max(_POINT, _RATIO * expected["value"])
    return Rate(expected=expected["value"], recent=recent.value, drifted=apart and much)
