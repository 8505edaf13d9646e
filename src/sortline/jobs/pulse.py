"""A worker's pulse: it says that it lives, reads what its jobs are told, writes what they tell, and finds the dead."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from sqlalchemy import Engine

from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import reading, writing
from sortline.jobs import worker_store as store
from sortline.jobs.job import State
from sortline.jobs.process import is_gone
from sortline.jobs.run import Run

log = logging.getLogger(__name__)

# Seconds between looks at what jobs are told, and between writes of what they tell.
LOOK_S = 0.25
# Seconds between signs of life, and after how many without one a worker is taken for dead.
BEAT_S, SILENCE_S = 3.0, 15.0
# On SQLite nobody watches: the lock says who lives. Enough for a person who looks at the table.
LONE_BEAT_S = 300.0


class Pulse:
    """The thread that keeps a worker's jobs in touch with the database."""

    def __init__(
        self,
        engine: Engine,
        worker: str,
        runs: Callable[[], Collection[Run]],
        *,
        buried: Callable[[str], None],
        kinds: Collection[str] | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        """A pulse for a worker whose jobs at work are `runs`; `buried` is called with each dead worker found, and
        `kinds` are those of the jobs it can do.
        """
        self._engine, self._worker, self._runs, self._buried = engine, worker, runs, buried
        self._kinds = kinds
        self._alone = engine.dialect.name == "sqlite"
        self._silence_s = silence_s
        self._beat_s = LONE_BEAT_S if self._alone else min(BEAT_S, silence_s / 5)
        self._watched: dict[str, tuple[int, float]] = {}
        self._beaten, self._next_beat = time.monotonic(), 0.0
        # A report taken is written before the next is: the last one comes with the end, after which none is taken.
        self._reporting = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="pulse", daemon=True)
        self._troubled = False

    def start(self) -> None:
        """The worker is known, what dead ones left waits again, and the thread runs."""
        self._turn()
        self._thread.start()

    def close(self) -> None:
        """The worker is none any more. Its jobs must have ended or been let go before."""
        self._stop.set()
        self._thread.join()
        with writing(self._engine) as session:
            store.sign_off(session, self._worker)

    def known_until(self) -> float:
        """Until when (`time.monotonic`) no other worker can have taken this one for dead."""
        return float("inf") if self._alone else self._beaten + self._silence_s

    def end(self, run: Run, state: State, error: str | None = None) -> bool:
        """Whether the job was still this worker's; then its last report is written and it has ended in this state."""
        with self._reporting:
            report = run.report()
            try:
                with writing(self._engine) as session:
                    if report is not None and not store.write_report(session, run.job, report):
                        return False
                    return store.end(session, run.job, state, error)
            except BaseException:
                if report is not None:
                    run.keep(report)
                raise

    def _go(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                self._turn()
            except DatabaseUnavailable as error:
                if not self._troubled:
                    log.warning("the worker cannot say that it lives: %s", error)
                self._troubled = True
            except Exception:  # without a pulse this worker's jobs would be taken over while it does them
                log.exception("a turn of the worker's pulse failed")
            else:
                self._troubled = False

    def _turn(self) -> None:
        # From before the write: whoever watches saw the count move no earlier.
        begun, beats = time.monotonic(), time.monotonic() >= self._next_beat
        if beats:
            with writing(self._engine) as session:
                store.beat(session, self._worker, self._kinds)
        self._read_and_write()
        if beats:
            # Not before what is still this worker's was read: until then another may have taken it.
            self._beaten, self._next_beat = begun, begun + self._beat_s
            self._bury_the_dead()

    def _bury_the_dead(self) -> None:
        with reading(self._engine) as session:
            counts = store.beats(session)
        counts.pop(self._worker, None)
        now = time.monotonic()
        for gone in self._watched.keys() - counts.keys():
            del self._watched[gone]
        for worker, count in counts.items():
            # By this process's clock alone, so that no two clocks need agree; and only once it has itself looked at
            # the same count for that long, so that nobody looks dead because the database was away.
            if self._watched.get(worker, (-1, now))[0] != count:
                self._watched[worker] = (count, now)
            since = self._watched[worker][1]
            if self._alone or now - since > self._silence_s or is_gone(worker):
                self._bury(worker, count)

    def _bury(self, worker: str, count: int) -> None:
        with writing(self._engine) as session:
            left = store.bury(session, worker, count)
        if left is None:
            return
        log.warning("the worker %s is gone; jobs that go on: %s", worker, ", ".join(left) or "none")
        self._buried(worker)

    def _read_and_write(self) -> None:
        if not (runs := self._runs()):
            return
        with reading(self._engine) as session:
            mine = store.mine(session, self._worker)
        for run in runs:
            told_to_end = mine.get((run.job.id, run.job.attempt))
            if told_to_end is None:
                run.lose()
            elif told_to_end:
                run.cancel()
        with self._reporting:
            self._write([run for run in runs if not run.lost])

    def _write(self, runs: Collection[Run]) -> None:
        told = [(run, report) for run in runs if (report := run.report()) is not None]
        if not told:
            return
        try:
            with writing(self._engine) as session:
                for run, report in told:
                    if not store.write_report(session, run.job, report):
                        run.lose()
        except BaseException:
            for run, report in told:
                run.keep(report)
            raise
