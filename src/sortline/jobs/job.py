"""A job: something that takes long, done once by a worker, however often workers die meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sortline.errors import SortlineError


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"  # waits for a worker, for the first time or because one stopped or died
    RUNNING = "running"  # a worker has it
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # `error` says why
    CANCELLED = "cancelled"


# A job in one of these never changes again.
ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    `kind` names what is done, with `args` (JSON). Of the jobs with one `exclusive` key at most one runs at a time.
    `progress` holds what the job last told: `phase`, `done`, `total`, `eta_s`, and whatever else it tells. `attempt`
    counts how often a worker took it, `worker` names the one that has it. `cancelling`: it was asked to end.
    """

    id: str
    kind: str
    args: Mapping[str, Any]
    exclusive: str | None
    state: State
    progress: Mapping[str, Any]
    attempt: int
    cancelling: bool
    error: str | None
    who: str
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether it has ended, one way or another."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a job's log; numbers count from 1, without gaps."""

    number: int
    at: datetime
    text: str


class UnknownJob(SortlineError):
    """There is no such job."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"there is no job {job_id}; see them with: sortline jobs list")
