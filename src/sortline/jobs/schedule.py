"""When scheduled jobs are due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A job of this kind each time the cron expression says, in UTC (`30 3 * * *`: half past three every night).

    `minute hour day month weekday`, with seconds as a sixth field at the end.
    """

    kind: str
    cron: str
    args: Mapping[str, Any] = field(default_factory=dict)
    exclusive: str | None = None


class Timetable:
    """Schedules by name, and up to when each has been dealt with."""

    def __init__(self, schedules: Mapping[str, Schedule], *, since: Mapping[str, datetime]) -> None:
        """What is due from `since` on, by name; a schedule that is not in there begins now.

        Raises:
            ValueError: an expression is none.
        """
        now = datetime.now(UTC)
        self._schedules = schedules
        self._next = {name: _next(schedule, since.get(name, now)) for name, schedule in schedules.items()}

    def due(self, now: datetime) -> Iterator[tuple[str, Schedule, datetime]]:
        """The schedules that are due, each with the moment it was due at; the last one where several were missed."""
        for name, schedule in self._schedules.items():
            if self._next[name] <= now:
                following = _next(schedule, now)
                yield name, schedule, _moments(schedule, following).get_prev(datetime)
                # Only then: where enqueuing failed, it is still due.
                self._next[name] = following


def _next(schedule: Schedule, after: datetime) -> datetime:
    moment: datetime = _moments(schedule, after).get_next(datetime)
    return moment


def _moments(schedule: Schedule, around: datetime) -> Any:
    # Here, because the server imports this module and has no use for it.
    from croniter import croniter  # type: ignore[import-untyped]  # it ships no types

    return croniter(schedule.cron, around)
