"""A job at work in this process: what it was told, and what it tells until that is written."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sortline.jobs.job import Job, LogLine
from sortline.jobs.worker_store import Report

log = logging.getLogger(__name__)

# Characters of one line of a log, and lines kept until they are written: a handler in a hurry fills no memory.
MAX_TEXT, MAX_LINES = 10_000, 10_000


class Run:
    """One job's state in this process, shared by its handler and the thread that reads and writes for it."""

    def __init__(
        self, job: Job, *, last_line: int, stopping: threading.Event, known_until: Callable[[], float]
    ) -> None:
        """A run of a job just taken.

        Args:
            job: As it was taken.
            last_line: The number of the last line of its log.
            stopping: Set when the worker is to end.
            known_until: Until when (`time.monotonic`) no other worker can have taken the job.
        """
        self.job = job
        self.cancelled = job.cancelling
        self.lost = False
        self._stopping, self._known_until = stopping, known_until
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._progress: dict[str, Any] = dict(job.progress)
        self._phase_begun: tuple[float, float] | None = None
        self._changed = False
        self._step_done = False
        self._lines: list[LogLine] = []
        self._number = last_line

    @property
    def stopping(self) -> bool:
        """Whether the worker is to end."""
        return self._stopping.is_set()

    def cancel(self) -> None:
        """The job was asked to end."""
        self.cancelled = True
        self._woken.set()

    def lose(self) -> None:
        """The job is another's."""
        self.lost = True
        self._woken.set()

    def settle(self) -> None:
        """Returns once it is known whose the job is, or the worker is to end.

        That is at once, unless the database has been away so long that others may have taken this worker for dead.
        Then nothing goes on until it is back, so that no step is run by two, and none is lost if nobody did.
        """
        while time.monotonic() > self._known_until() and not (self.lost or self.stopping):
            time.sleep(0.1)

    def wait(self, seconds: float) -> None:
        """Returns after this long, or as soon as the job is to end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (self.lost or self.stopping):
            # The worker's own end sets no event of this run's.
            if self._woken.wait(min(left, 0.1)):
                return

    def tell(self, fields: Mapping[str, Any]) -> None:
        """The progress has these fields from now on."""
        with self._lock:
            if "phase" in fields and fields["phase"] != self._progress.get("phase"):
                for name in ("done", "total", "eta_s"):
                    self._progress.pop(name, None)
                self._phase_begun = None
            self._progress |= {name: _finite(value) for name, value in fields.items()}
            if "done" in fields and "eta_s" not in fields:
                self._progress["eta_s"] = self._eta()
            self._progress = {name: value for name, value in self._progress.items() if value is not None}
            self._changed = True

    def log(self, text: str) -> None:
        """A line of the job's log."""
        log.info("%s %s: %s", self.job.kind, self.job.id, text)
        with self._lock:
            if len(self._lines) < MAX_LINES:
                self._number += 1
                # PostgreSQL takes no NUL in a text.
                plain = text.replace("\0", "")[:MAX_TEXT]
                self._lines.append(LogLine(number=self._number, at=datetime.now(UTC), text=plain))

    def step_done(self) -> None:
        """A step has finished: the job comes on, whoever dies at it."""
        with self._lock:
            self._step_done = True

    def report(self) -> Report | None:
        """What was told since the last report, None where nothing was."""
        with self._lock:
            if not (self._changed or self._step_done or self._lines):
                return None
            told = Report(
                progress=dict(self._progress) if self._changed else None,
                lines=tuple(self._lines),
                step_done=self._step_done,
            )
            self._changed = self._step_done = False
            self._lines.clear()
            return told

    def keep(self, report: Report) -> None:
        """The report could not be written: it is part of the next."""
        with self._lock:
            self._changed |= report.progress is not None
            self._step_done |= report.step_done
            self._lines[:0] = report.lines

    def _eta(self) -> float | None:
        done, total, now = self._progress.get("done"), self._progress.get("total"), time.monotonic()
        if not isinstance(done, (int, float)) or not isinstance(total, (int, float)):
            return None
        if self._phase_begun is None:
            # Where a resumed job goes on says nothing of how fast it is.
            self._phase_begun = (now, done)
            return None
        begun, first = self._phase_begun
        return round((now - begun) / (done - first) * max(0, total - done), 1) if done > first else None


def _finite(value: Any) -> Any:
    """The value as JSON takes it everywhere: no NaN, no infinity, no type of numpy's."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if value is None or isinstance(value, (str, int)):
        return value
    return _finite(value.item()) if hasattr(value, "item") else str(value)
