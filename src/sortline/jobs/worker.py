"""A worker: takes queued jobs, does several at a time, and leaves none behind.

A job is this worker's from `take` on, by what its row says; how far it has come is kept by DBOS (`durable`). Whatever
ends a process, the row says so within seconds (`pulse`), and another takes the job up behind its last finished step.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

from sqlalchemy import Engine

from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import reading, writing
from sortline.errors import SortlineError
from sortline.jobs import store, worker_store
from sortline.jobs.context import Cancelled, Context, Lost, Stopping
from sortline.jobs.job import State
from sortline.jobs.process import new_runner
from sortline.jobs.pulse import SILENCE_S, Pulse
from sortline.jobs.run import Run
from sortline.jobs.schedule import Schedule, Timetable

log = logging.getLogger(__name__)

Handler = Callable[[Context], None]

# Seconds between looks for queued jobs.
POLL_S = 0.1
# Jobs that a worker does at a time.
AT_ONCE = 4
# Seconds that jobs have to end when the worker is told to.
GRACE_S = 8.0
# Seconds between looks for jobs that are this worker's and that it does not do.
TIDY_S = 3.0
# Logs of jobs that ended longer ago are forgotten, some of them at each sweep.
KEEP_LOGS, SWEEP_S = timedelta(days=90), 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """How jobs of one kind are done.

    `retries`: further tries that a step has after `Transient`. `at_once`: how many of the kind one worker does at a
    time. `able`: whether this process has what it takes; where others may, one that has not leaves such jobs to them.
    """

    run: Handler
    retries: int = 3
    at_once: int = 2
    able: bool = True


def run_jobs(
    engine: Engine,
    kinds: Mapping[str, JobKind],
    schedules: Mapping[str, Schedule],
    stop: Event,
    *,
    silence_s: float = SILENCE_S,
    grace_s: float = GRACE_S,
) -> bool:
    """Does jobs until told to stop. Whether every handler has ended then: where one has not, only the process's end
    ends it, and its job goes on when a worker runs again.

    On SQLite nothing else may call this meanwhile (`lock.sole_worker`). `silence_s`: after how long without a sign of
    life another worker is taken for dead. `grace_s`: how long handlers have to end.
    """
    worker = Worker(engine, kinds, stop, silence_s=silence_s)
    timetable = worker.timetable(schedules)
    worker.open()
    try:
        while not stop.is_set():
            try:
                worker.turn(timetable)
                stop.wait(POLL_S)
            except DatabaseUnavailable as error:
                log.warning("no job can be taken: %s", error)
                stop.wait(2.0)
    finally:
        stop.set()
        ended = worker.close(grace_s)
    return ended


class Worker:
    """What `run_jobs` runs: one process's part in the work."""

    def __init__(
        self, engine: Engine, kinds: Mapping[str, JobKind], stop: Event, *, silence_s: float
    ) -> None:
        """A worker of a new name; it does nothing yet."""
        # Half a second to load, and nothing but a worker needs it.
        from sortline.jobs.durable import Durable

        self._engine, self._kinds, self._stop = engine, kinds, stop
        able = frozenset(name for name, kind in kinds.items() if kind.able)
        # On SQLite there is no other worker: a job that cannot be done here had better fail and say why.
        self._takes = frozenset(kinds) if engine.dialect.name == "sqlite" else able
        self.name = new_runner()
        self._runs: dict[str, Run] = {}
        self._durable = Durable(engine, self.name, self._do)
        self._buried: list[str] = []
        self._pulse = Pulse(
            engine,
            self.name,
            lambda: tuple(self._runs.values()),
            buried=self._buried.append,
            kinds=able,
            silence_s=silence_s,
        )
        self._next_sweep = self._next_tidying = 0.0

    def open(self) -> None:
        """The worker is known to others and what dead ones left waits for it."""
        self._durable.open()
        self._pulse.start()

    def close(self, grace_s: float) -> bool:
        """Whether every job has ended or been let go within this time."""
        end = time.monotonic() + grace_s
        while self._runs and time.monotonic() < end:
            time.sleep(0.02)
        for run in tuple(self._runs.values()):
            log.warning("the job %s does not stop; it goes on from its last finished step", run.job.id)
        if self._runs:
            return False
        time.sleep(0.1)  # for DBOS to note the end of a job that ended just now
        self._pulse.close()
        self._durable.close()
        return True

    def timetable(self, schedules: Mapping[str, Schedule]) -> Timetable:
        """When scheduled jobs are due; one that was missed while no worker ran is due once."""
        with reading(self._engine) as session:
            last = {
                name: worker_store.last_of(session, schedule.kind, _scheduler(name))
                for name, schedule in schedules.items()
            }
        return Timetable(schedules, since={name: at for name, at in last.items() if at is not None})

    def turn(self, timetable: Timetable) -> None:
        """Enqueues what is due, begins what waits and has room, and tidies up now and then."""
        self._enqueue_due(timetable)
        self._take_waiting()
        if time.monotonic() >= self._next_tidying:
            self._next_tidying = time.monotonic() + TIDY_S
            self._let_go_of_strays()
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_S
            try:
                self._sweep()
            except Exception:  # it is tried again, and no job waits for it
                log.exception("the records of ended jobs were not tidied up")

    def _let_go_of_strays(self) -> None:
        """What is this worker's by its row but not at work here waits again: it could not write that it gave it up."""
        with reading(self._engine) as session:
            mine = worker_store.mine(session, self.name)
        for job_id, attempt in mine:
            # Looked up after the row: one that has ended since is refused by `release`.
            if job_id not in self._runs:
                with writing(self._engine) as session:
                    worker_store.release(session, job_id, self.name, attempt)

    def _sweep(self) -> None:
        """Forgets some of what nobody will ask for again: queues of dead workers, steps of ended jobs, old logs."""
        while self._buried:
            self._durable.bury(self._buried.pop())
        now, kept = datetime.now(UTC), self._durable.oldest()
        with reading(self._engine) as session:
            ended = store.long_ended(session, kept, now - timedelta(seconds=SWEEP_S))
        self._durable.forget(ended)
        with writing(self._engine) as session:
            store.forget_log(session, now - KEEP_LOGS)

    def _enqueue_due(self, timetable: Timetable) -> None:
        for name, schedule, at in timetable.due(datetime.now(UTC)):
            with writing(self._engine) as session:
                store.enqueue(
                    session,
                    schedule.kind,
                    schedule.args,
                    who=_scheduler(name),
                    # Of several workers one makes the job.
                    key=f"schedule:{name}:{at.isoformat()}",
                    exclusive=schedule.exclusive,
                )

    def _take_waiting(self) -> None:
        busy = Counter(run.job.kind for run in tuple(self._runs.values()))
        room = AT_ONCE - busy.total()
        kinds = [name for name in self._takes if busy[name] < self._kinds[name].at_once]
        if room <= 0 or not kinds:
            return
        with reading(self._engine) as session:
            waiting = worker_store.waiting(session, kinds, room)
        for job_id, kind in waiting:
            # One that was lost to another and came back, while its handler here does not see that yet, must wait.
            if (
                busy[kind] < self._kinds[kind].at_once
                and job_id not in self._runs
                and not self._stop.is_set()
            ):
                busy[kind] += 1
                self._take(job_id)

    def _take(self, job_id: str) -> None:
        with writing(self._engine) as session:
            job = worker_store.take(session, job_id, self.name)
            last_line = worker_store.last_line(session, job_id)
        if job is None:
            return
        run = Run(job, last_line=last_line, stopping=self._stop, known_until=self._pulse.known_until)
        self._runs[job.id] = run
        try:
            self._durable.start(job)
        except Exception as error:  # a job that cannot begin holds up nobody
            log.warning("the job %s cannot begin: %s", job.id, error, exc_info=error)
            del self._runs[job.id]
            self._pulse.end(run, State.FAILED, _line(error))

    def _do(self, job_id: str) -> None:
        """Does a job that was taken, in a thread of DBOS's. Raises Stopping where it has not ended."""
        run = self._runs.get(job_id)
        if run is None:
            raise Lost
        try:
            state, error = self._outcome(run)
            if not self._end(run, state, error):
                raise Lost
        except Lost:
            log.warning("the job %s is in another worker's hands", job_id)
            raise
        finally:
            del self._runs[job_id]
        if state is State.QUEUED:
            raise Stopping

    def _outcome(self, run: Run) -> tuple[State, str | None]:
        kind = self._kinds[run.job.kind]
        context = Context(run, self._durable.step, retries=kind.retries)
        log.info("%s %s begins, attempt %d", run.job.kind, run.job.id, run.job.attempt)
        try:
            self._still_ours(run)
            if run.job.attempt > 1:
                context.log(f"taken up again, attempt {run.job.attempt}")
            kind.run(context)
        except Lost:
            raise
        except Stopping:
            return State.QUEUED, None
        except Cancelled:
            return State.CANCELLED, None
        except BaseException as error:  # whatever a handler does, its job ends and holds up nobody
            trace = None if isinstance(error, SortlineError) else error
            log.warning("%s %s failed: %s", run.job.kind, run.job.id, error, exc_info=trace)
            run.log(_trace(error))
            return State.FAILED, _line(error)
        log.info("%s %s has succeeded", run.job.kind, run.job.id)
        return State.SUCCEEDED, None

    def _still_ours(self, run: Run) -> None:
        """Looked up once before a handler's first line: between taking and beginning this process may have slept."""
        with reading(self._engine) as session:
            if (run.job.id, run.job.attempt) not in worker_store.mine(session, self.name):
                raise Lost

    def _end(self, run: Run, state: State, error: str | None) -> bool:
        """Whether the end is written; tried for as long as there is a worker to do it."""
        while True:
            try:
                return self._pulse.end(run, state, error)
            except DatabaseUnavailable as problem:
                if self._stop.is_set() or run.lost:
                    return False
                log.warning("the end of the job %s cannot be written yet: %s", run.job.id, problem)
                self._stop.wait(1.0)


def _scheduler(name: str) -> str:
    return f"schedule {name}"


def _line(error: BaseException) -> str:
    """The error in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, SortlineError) else f"{type(error).__name__}: {text}"


def _trace(error: BaseException) -> str:
    import traceback

    return (
        _line(error)
        if isinstance(error, SortlineError)
        else "".join(traceback.format_exception(error)).rstrip()
    )
