"""A worker for as long as a command runs: what the command waits for is done here where nobody else does it."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from datetime import timedelta
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sortline.wiring import Installation


# What a job may wait for. The rest of the upkeep is for a worker that stays: here it would take the job's cores.
_NEEDED = ("imports", "versions")


class OwnWorker:
    """Within its block jobs are done: by the worker there is, or in this process.

    On SQLite it stands by while another has the database, and takes over should that end. On PostgreSQL it leaves the
    work to any worker that lives.
    """

    def __init__(self, ready: Installation) -> None:
        """A worker that does nothing yet."""
        self._ready, self._stop, self._settled = ready, Event(), Event()
        self._error: BaseException | None = None
        self._ended = True
        self._thread = Thread(target=self._go, name="worker")
        self.here = False

    def __enter__(self) -> Self:
        """It is known by then who does the work: with `here` this process."""
        self._thread.start()
        self._settled.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is at work here goes on with the next worker."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Nothing, as long as jobs are done. Raises what keeps this process from doing them."""
        if self._error is not None:
            raise self._error

    def leave(self, code: int) -> None:
        """Ends the process at once where a job's handler is still at work and would keep it."""
        if not self._ended:
            os._exit(code)

    def _go(self) -> None:
        try:
            self._stand_by()
        except BaseException as error:  # noqa: BLE001  # raised again where the command waits
            self._error = error
        finally:
            self._settled.set()

    def _stand_by(self) -> None:
        from sortline.jobs.lock import AnotherWorker, sole_worker

        engine = self._ready.engine
        if engine.dialect.name != "sqlite" and worker_lives(engine):
            return
        try:
            with sole_worker(engine):
                self._work()
        except AnotherWorker:
            self._settled.set()
            with sole_worker(engine, wait=self._stop) as alone:
                if alone:
                    self._work()

    def _work(self) -> None:
        from sortline.cli.worker import NICENESS, work_until

        # How a job ends is told by the command that waits for it.
        logging.getLogger("sortline.jobs.worker").setLevel(logging.ERROR)
        with suppress(AttributeError, OSError):
            os.nice(NICENESS)  # as any worker
        self.here = True
        self._settled.set()
        self._ended = work_until(self._ready, self._stop, only=_NEEDED)


def worker_lives(engine: Engine) -> bool:
    """Whether some other process does jobs of this database, as far as is known."""
    from sortline.db.session import reading
    from sortline.jobs.pulse import SILENCE_S
    from sortline.jobs.worker_store import alive

    # On SQLite its lock is not tried: whoever holds that for a moment keeps a worker from starting.
    with reading(engine) as session:
        return bool(alive(session, timedelta(seconds=SILENCE_S)))
