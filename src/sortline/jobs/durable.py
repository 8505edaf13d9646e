"""DBOS, which keeps the results of a job's steps, so that a finished one is never run again. Only this file knows it.

A job is one workflow of its id. What DBOS would do by itself, and what of it is not used:

- It recovers workflows by the id of the process that began them. Here every process has an id of its own, so that it
  never does: `pulse` finds the dead, and whoever takes the job next resumes its workflow here, by a queue of its own.
- A resumed workflow has a new owner, and a result that the former owner still brings is refused (`Lost`).
- Its application version is a hash of source, and workflows of another version wait for ever. Ours is fixed.
- Its own cancel is looked at between steps only; ours within them.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, error
from sqlalchemy import Engine

from sortline.db.session import reading
from sortline.errors import SortlineError
from sortline.jobs.context import Lost
from sortline.jobs.job import Job

# Never changed: a job begun by one version of Sortline goes on with the next.
VERSION = "sortline"
# Seconds between looks for jobs to resume here. Only those wait for it: a new job begins at once. At 0.1 s an idle
# worker took half as much processor time again.
POLL_S = 0.5
# Jobs looked at, at a time, whether their steps need still be kept.
SWEEP = 100


class CannotKeepSteps(SortlineError):
    """The database does not take the record of steps."""

    def __init__(self, problem: Exception) -> None:
        super().__init__(
            f"the steps of jobs cannot be kept: {problem}; PostgreSQL's user must be allowed to create a schema"
        )


class StepsChanged(SortlineError):
    """The job was begun by a Sortline whose steps were others."""

    def __init__(self) -> None:
        super().__init__(
            "the job was begun by another version of Sortline, whose steps were others; start it again"
        )


class Ended(SortlineError):
    """The job's record of steps is closed although the job had not ended."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(
            f"the job's record of steps is closed ({status}) although it had not ended; start it again"
        )


class Durable:
    """The durable record of this process's jobs. One at a time in a process, for DBOS is one."""

    def __init__(self, engine: Engine, worker: str, run: Callable[[str], None]) -> None:
        """A record not yet open. `run` does the job of an id, in a thread; `Stopping` says that it goes on later."""
        self._queue = f"worker-{worker}"
        self._own: Engine | None = None
        # DBOS would print its log by itself; ours has its warnings.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        DBOS(config=self._config(engine, worker))

        @DBOS.workflow(name="job", max_recovery_attempts=None)
        def job(job_id: str) -> None:
            run(job_id)

        self._job = job
        DBOS.listen_queues([self._queue])

    def open(self) -> None:
        """Jobs can be started; the record's own tables are made or migrated first.

        Raises:
            CannotKeepSteps: they cannot.
        """
        try:
            DBOS.launch()
            DBOS.register_queue(self._queue, polling_interval_sec=POLL_S)
        except Exception as problem:
            raise CannotKeepSteps(problem) from problem

    def start(self, job: Job) -> None:
        """The job is about to run in this process: from its beginning, or on from its last finished step.

        Raises:
            Ended: its record says that there is nothing to go on with.
        """
        if job.attempt > 1:
            with suppress(error.DBOSNonExistentWorkflowError):  # whoever took it first died before it began
                DBOS.resume_workflow(job.id, queue_name=self._queue)
                self._check_open(job.id)
                return
        with SetWorkflowID(job.id):
            DBOS.start_workflow(self._job, job.id)

    def step(self, name: str, function: Callable[[], Any]) -> Any:
        """The function's result, or the one that is kept under this name in this place of the running job.

        Raises:
            Lost: another worker has the job; the result is not kept.
            StepsChanged: another step is kept in this place.
        """
        try:
            return DBOS.run_step({"name": name}, _only_results(function))
        except _Failed as failed:
            raise failed.error from failed.error.__cause__
        except error.DBOSWorkflowConflictIDError:
            raise Lost from None
        except error.DBOSUnexpectedStepError:
            raise StepsChanged from None

    def bury(self, worker: str) -> None:
        """A dead worker's queue is gone; the steps of its jobs stay."""
        DBOS.delete_queue(f"worker-{worker}")

    def oldest(self) -> list[str]:
        """The ids of some jobs whose steps are kept, the oldest."""
        found = DBOS.list_workflows(limit=SWEEP, load_input=False, load_output=False)
        return [workflow.workflow_id for workflow in found]

    def forget(self, job_ids: list[str]) -> None:
        """The steps of these jobs are kept no longer."""
        if job_ids:
            DBOS.delete_workflows(job_ids)

    def close(self) -> None:
        """Nothing runs here any more."""
        with suppress(Exception):
            DBOS.delete_queue(self._queue)
        DBOS.destroy(destroy_registry=True)
        if self._own is not None:
            self._own.dispose()

    def _check_open(self, job_id: str) -> None:
        status = DBOS.get_workflow_status(job_id)
        if status is not None and status.status in ("SUCCESS", "ERROR"):
            raise Ended(status.status)

    def _config(self, engine: Engine, worker: str) -> DBOSConfig:
        config = DBOSConfig(
            name="sortline",
            executor_id=worker,
            application_version=VERSION,
            serializer=DBOSPortableJSONSerializer(),
            enable_otlp=False,
            log_level="WARNING",
            # Nobody waits for messages or events of workflows.
            use_listen_notify=False,
            notification_listener_polling_interval_sec=1.0,
        )
        if engine.dialect.name == "sqlite":
            config["system_database_url"] = f"sqlite:///{_sqlite_file(engine)}"
            return config
        url = engine.url.render_as_string(hide_password=False)
        # Given to DBOS, which with a URL alone would try to create the database.
        self._own = sqlalchemy.create_engine(url, pool_size=5, max_overflow=10, pool_pre_ping=True)
        config["system_database_engine"] = self._own
        config["system_database_url"] = url
        config["dbos_system_schema"] = _schema(engine)
        return config


def _sqlite_file(engine: Engine) -> Path:
    """Beside the database, in a file of its own: its commits do not wait for the recorder's, nor those for them."""
    path = Path(engine.url.database or "").with_name("jobs.db").absolute()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # kept in the file
    connection.close()
    return path


def _schema(engine: Engine) -> str:
    """In PostgreSQL its tables have a schema of their own, beside the one that ours are in."""
    with reading(engine) as session:
        ours = session.scalar(sqlalchemy.select(sqlalchemy.func.current_schema()))
    return "sortline_jobs" if ours in (None, "public") else f"{ours}_jobs"[:63]


class _Failed(BaseException):
    """Carries a step's error past DBOS, which would keep it as the step's result for good."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _only_results(function: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> Any:
        try:
            return function()
        except Exception as failure:  # noqa: BLE001  # handed on as it is
            raise _Failed(failure) from None

    return call
