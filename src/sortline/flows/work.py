"""What is done in the background: one thing at a time, at low priority, for as long as the worker runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

from sqlalchemy import Engine

from sortline.catalogue.importing import ImportBusy, ImportLost, State
from sortline.catalogue.store import imports
from sortline.catalogue.version import NothingChanged, VersionBusy
from sortline.db.session import reading
from sortline.errors import SortlineError
from sortline.flows.duplicates import count_groups, groups_due
from sortline.flows.extremes import extremes_due, refill_extremes
from sortline.flows.finish import finish_import
from sortline.flows.ingest import Tools, run_import
from sortline.flows.rebase import rebase, rebase_due
from sortline.flows.versions import build, build_due

log = logging.getLogger(__name__)

INTERVAL_S = 1.0
# Seconds until something that failed is tried again: doubled each time, so that a full disk fills no log.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something to do now and then. `run` does one piece of it and says whether there was anything to do.

    It ends within a second of `stop` being set, with what it has done so far kept. Once there is nothing more to do it
    is left alone for `every` seconds.
    """

    name: str
    run: Callable[[Event], bool]
    every: float = 0.0


def work(tasks: Sequence[Task], stop: Event, *, interval: float = INTERVAL_S) -> None:
    """Does the tasks' work by turns until told to stop; looks for more every `interval` seconds.

    A task that fails is logged and tried again later; the others go on.
    """
    pauses = {task.name: _Pause() for task in tasks}
    while not stop.is_set():
        busy = False
        for task in tasks:
            if not stop.is_set() and pauses[task.name].over():
                busy |= _try(task, pauses[task.name], stop)
        if not busy:
            stop.wait(interval)


def run_next_import(engine: Engine, tools: Callable[[], Tools], stop: Event) -> bool:
    """Whether an import was waiting, or had lost its process; it has been run. `tools` is asked only then."""
    now = datetime.now(UTC)
    with reading(engine) as session:
        waiting = imports.waiting(session)
    ready = next((one for one in waiting if one.state is State.QUEUED or one.abandoned(now)), None)
    if ready is None:
        return False
    try:
        done = run_import(tools(), ready.id, finish=finish_import, stop=stop)
    except (ImportBusy, ImportLost) as error:
        log.info("%s", error)
        return True
    log.info("import %s of %s: %s after %d files", done.id, done.location, done.state, done.done)
    return True


def build_next(engine: Engine, stop: Event) -> bool:
    """Whether a version had been begun and lost its process; it has been built."""
    if (version_id := build_due(engine)) is None:
        return False
    with suppress(VersionBusy, NothingChanged):
        build(engine, version_id, stop)
    return True


def rebase_next(engine: Engine, stop: Event) -> bool:
    """Whether a version was far from its base; it has been written out in full, as far as time allowed."""
    with reading(engine) as session:
        version_id = rebase_due(session)
    if version_id is None:
        return False
    rebase(engine, version_id, stop)
    return True


def summary_next(engine: Engine, stop: Event) -> bool:
    """Whether a version's lists of extremes had become too short; they are full again.

    Groups are counted again as well, which is never worth coming back for at once: while an import runs they change
    all the time.
    """
    with reading(engine) as session:
        short, uncounted = extremes_due(session), groups_due(session)
    for version_id in uncounted:
        if not stop.is_set():
            count_groups(engine, version_id)
    if short is None:
        return False
    return refill_extremes(engine, short, stop)


@dataclass(slots=True)
class _Pause:
    """How long a task that failed is left alone."""

    seconds: float = 0.0
    until: float = 0.0

    def over(self) -> bool:
        return time.monotonic() >= self.until

    def rest(self, seconds: float) -> None:
        self.seconds = 0.0
        self.until = time.monotonic() + seconds

    def fail(self) -> None:
        self.seconds = min(max(2 * self.seconds, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self.until = time.monotonic() + self.seconds


def _try(task: Task, pause: _Pause, stop: Event) -> bool:
    try:
        did = task.run(stop)
    except Exception as error:  # whatever it is, the other tasks go on
        pause.fail()
        trace = None if isinstance(error, SortlineError) else error
        log.warning("%s failed, tried again in %.0f s: %s", task.name, pause.seconds, error, exc_info=trace)
        return False
    pause.rest(0.0 if did else task.every)
    return did
