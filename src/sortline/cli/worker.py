"""`sortline worker`: what is done in the background; and the worker that `sortline up` keeps beside its server."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Container
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from sortline.cli.options import DataDir, settings
from sortline.settings import Settings

if TYPE_CHECKING:
    from sortline.wiring import Installation

log = logging.getLogger(__name__)

# A worker ends within a second of being told; a picture of 50 megapixels at hand may take a few, a job's batch too.
STOP_SECONDS = 10.0
# Seconds until a worker that ended by itself is started again.
AGAIN_SECONDS = 5.0
# A worker lets go first who is served: the inference threads, too, which are nicer than the rest of the server.
NICENESS = 13


def worker(
    data_dir: DataDir = None,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input does.", hidden=True)
    ] = False,
) -> None:
    """Do what waits in the background: jobs, queued imports, thumbnails, upkeep. Ctrl-C ends it."""
    with suppress(AttributeError, OSError):
        os.nice(NICENESS)  # before anything heavy is loaded
    from sortline.cli import logs
    from sortline.jobs.lock import sole_worker
    from sortline.wiring import installation

    chosen, stop = settings(data_dir=data_dir), threading.Event()
    logs.configure(chosen.log_level)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if with_parent:
        threading.Thread(target=_outlive_no_parent, args=(stop,), daemon=True).start()
    # A server's own worker stands by where another has the database already, and takes over when that ends.
    standby = stop if with_parent else None
    with installation(chosen) as ready, sole_worker(ready.engine, wait=standby) as alone:
        ended = work_until(ready, stop) if alone else True
    if not ended:
        os._exit(
            0
        )  # a handler that looks up never would keep the process; its job goes on with the next worker


def work_until(ready: "Installation", stop: threading.Event, *, only: Container[str] | None = None) -> bool:
    """Does jobs, and beside them the upkeep, until told to stop. Whether all of it has ended then.

    Of the upkeep's tasks `only` those of these names are done, where it is given.
    """
    # Before there are two threads: one imported what it needs of SQLAlchemy while the other had it half loaded.
    import sortline.jobs.durable  # noqa: F401
    from sortline.flows.work import work
    from sortline.jobs.worker import run_jobs
    from sortline.wiring import SCHEDULES, job_kinds, tasks

    wanted = [task for task in tasks(ready) if only is None or task.name in only]
    upkeep = threading.Thread(target=work, args=(wanted, stop), name="upkeep")
    upkeep.start()
    try:
        return run_jobs(ready.engine, job_kinds(ready), SCHEDULES, stop)
    finally:
        stop.set()
        upkeep.join()


class Child:
    """A worker process beside this one: started again if it dies, gone when this process is, however that ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="worker", daemon=True)

    def start(self) -> None:
        """The worker is about to run."""
        self._thread.start()

    def close(self) -> None:
        """The worker is gone; what it was at is kept and goes on when one is started again."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep(self) -> None:
        while not self._stop.is_set():
            process = self._begin()
            while process.poll() is None and not self._stop.wait(0.2):
                pass
            if self._stop.is_set():
                _end(process)
                return
            log.warning("the worker ended with exit code %s; it is started again", process.returncode)
            self._stop.wait(AGAIN_SECONDS)

    def _begin(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sortline.cli.main", "worker", "--with-parent"]
        command += ["--data-dir", str(self._settings.data_dir.absolute())]
        return subprocess.Popen(  # noqa: S603  # this Python, our own command
            command,
            env=_environment(self._settings),
            # Never written to: it ends with this process, even with one that is killed.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Of its own, so that Ctrl-C in a terminal reaches the server alone, which then ends the worker.
            process_group=0,
        )


def _environment(settings: Settings) -> dict[str, str]:
    """The worker's settings are the server's, which the command line may have changed."""
    return os.environ | {"SORTLINE_DATABASE_URL": settings.database, "SORTLINE_LOG_LEVEL": settings.log_level}


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _outlive_no_parent(stop: threading.Event) -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    stop.set()
    # Should the work not end by itself: nobody is left to kill it.
    threading.Event().wait(2 * STOP_SECONDS)
    os._exit(1)
