"""What is kept of a prediction, and what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Bucket = Literal["hour", "day"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPrediction:
    """One answer as it was given. `id` is from `db.ids.new_id`; `reason` is None on accept."""

    id: str
    line_id: int
    at: datetime
    class_name: str
    confidence: float
    verdict: str
    reason: str | None
    ood_score: float
    energy: float
    bundle_hash: str
    latency_ms: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPicture:
    """An accepted picture that a line keeps, by the prediction that accepted it."""

    line_id: int
    prediction_id: str
    image_sha256: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many predictions of one kind began in the bucket that starts at `at`."""

    at: datetime
    class_name: str
    verdict: str
    reason: str | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Predictions in all, by verdict, by class and by reason for review."""

    total: int
    by_verdict: dict[str, int]
    by_class: dict[str, int]
    by_reason: dict[str, int]


def hour_of(at: datetime) -> int:
    """Whole hours since 1970 in UTC."""
    return (at - _EPOCH) // _HOUR


def hour_start(hour: int) -> datetime:
    """The moment an hour of `hour_of` begins."""
    return _EPOCH + hour * _HOUR
