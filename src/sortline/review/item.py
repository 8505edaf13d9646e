"""A picture waiting for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# The reason of a picture that somebody sent without a class; those of pictures that a prediction set aside are the
# router's.
UPLOADED = "uploaded"
# open: waits, perhaps under a lease. done: a person has said what it is.
State = Literal["open", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A picture set aside: what its review item is opened with. `bytes` is its stored size.

    One that no prediction set aside has a `prediction_id` of its own, and no class where nothing could guess one.
    """

    line_id: int
    image_sha256: str
    prediction_id: str
    reason: str
    class_name: str
    confidence: float
    ood_score: float
    source: str
    at: datetime
    width: int
    height: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """A picture in the queue: its first sighting, how often it was `seen`, and who holds it until when."""

    id: str
    line_id: int
    image_sha256: str
    prediction_id: str
    state: State
    reason: str
    class_name: str
    confidence: float
    ood_score: float
    source: str
    at: datetime
    width: int
    height: int
    bytes: int
    seen: int
    lease_until: datetime | None
    lease_by: str | None
