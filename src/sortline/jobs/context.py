"""What a job is done with: the handle that its handler gets.

    def train(context: Context) -> None:
        plan = context.step("plan", lambda: make_plan(context.job.args))
        for epoch in range(plan["epochs"]):
            context.step(f"epoch {epoch}", lambda: run_epoch(epoch, batch_done=context.check))
            context.progress(phase="training", done=epoch + 1, total=plan["epochs"])

A worker may die at any line of it. The job then begins again at the top, in another process, and every step that had
finished gives the result it gave then, without being run. So what stands outside steps must be quick and do nothing
that matters if done twice, and the names of the steps must come in the same order each time.

BaseException
├── Cancelled      somebody asked for the end of the job
└── Stopping       the worker is to end; the job goes on when there is one again
    └── Lost       the job is another worker's by now
SortlineError
└── Transient      what failed may work a moment later
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from sortline.errors import SortlineError
from sortline.jobs.job import Job
from sortline.jobs.run import Run

# The phase of a job that has come to its end: its log says itself what came of it.
DONE = "done"

# Seconds before a step that failed in passing is tried again: doubled each time.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Cancelled(BaseException):
    """Somebody asked for the end of the job. No `except Exception` on the way out holds it up."""


class Stopping(BaseException):
    """The worker is to end. The step at hand is not finished and will be run again."""


class Lost(Stopping):
    """The job is another worker's by now: this one was taken for dead. Nothing it does counts any more."""


class Transient(SortlineError):
    """What failed may work a moment later. Raised within a step, the step is tried again, ever more slowly."""


class Context:
    """A job at work. Its methods but `step` may be called from any thread."""

    def __init__(self, run: Run, step: Callable[[str, Callable[[], Any]], Any], *, retries: int) -> None:
        """A handle on a run; `step` keeps a function's result under a name, `retries` is what a step has by default."""
        self._run, self._step, self._retries = run, step, retries
        self._phase = ""
        self._thread = threading.get_ident()

    @property
    def job(self) -> Job:
        """The job, as it was when this worker took it."""
        return self._run.job

    @property
    def attempt(self) -> int:
        """How often a worker has taken the job, this time included."""
        return self._run.job.attempt

    def check(self) -> None:
        """Nothing, as long as the job is to go on. Costs no query: call it for every batch.

        It waits while the database has been away for long, for by then the job may be another worker's.

        Raises:
            Cancelled, Stopping, Lost: let them pass; half-done files are what `finally` is for.
        """
        self._run.settle()
        if self._run.lost:
            raise Lost
        if self._run.cancelled:
            raise Cancelled
        if self._run.stopping:
            raise Stopping

    def wait(self, seconds: float) -> None:
        """Returns after this long; raises what `check` raises as soon as it would."""
        self.check()
        self._run.wait(seconds)
        self.check()

    def step(self, name: str, function: Callable[[], Any], *, retries: int | None = None) -> Any:
        """The function's result as JSON gives it back. Once it has one it is never called again for this job.

        A `Transient` it raises is answered by up to `retries` further calls; any other error passes and is not kept.

        Raises:
            Cancelled, Stopping, Lost: as `check` does, before the function is called.
        """
        if threading.get_ident() != self._thread:
            raise RuntimeError("steps belong to the thread that the job's handler was called in")
        self.check()
        allowed = self._retries if retries is None else retries
        result = self._step(name, lambda: _plain(self._tried(name, function, allowed)))
        self._run.step_done()
        return result

    def progress(self, **fields: Any) -> None:
        """The job's progress has these fields from now on; None takes one away. Written four times a second at most.

        Another `phase` takes `done`, `total` and `eta_s` away, and is a line of the log, unless it is `DONE`. With
        `done` and `total` the rest's seconds, `eta_s`, are estimated from this phase so far, unless given.
        """
        phase = fields.get("phase")
        if phase is not None and phase != self._phase:
            self._phase = phase
            if phase != DONE:
                self.log(f"{phase} …")
        self._run.tell(fields)

    def log(self, text: str) -> None:
        """A line of the job's log, to be read while it runs."""
        self._run.log(text)

    def _tried(self, name: str, function: Callable[[], Any], retries: int) -> Any:
        pause = FIRST_PAUSE_S
        for left in range(retries, -1, -1):
            try:
                return function()
            except Transient as error:
                if left == 0:
                    raise
                self.log(f"{name}: {error}; tried again in {pause:.0f} s")
                self.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
        raise AssertionError("unreachable: the last try returns or raises")


def _plain(result: Any) -> Any:
    # A tuple or an enum would come back from the disk as something else than it was the first time.
    return json.loads(json.dumps(result))
