"""The audit log: who changed what, by which route, when. Append-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# Longer targets are cut: a path can be as long as a request.
LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change to note. `route` is a route's pattern or a command, `target` what it was done to."""

    who: str
    route: str
    target: str
    status: int
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """A change that was noted."""

    id: int
    at: datetime
    who: str
    route: str
    target: str
    status: int
    address: str | None
