"""Workers in processes of their own, and the database they share, as tests see them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from sortline.db.session import reading, writing
from sortline.jobs import store
from sortline.jobs.job import Job, State
from sortline.jobs.tables import jobs, workers
from tests.waiting import soon


@dataclass
class Crew:
    """A migrated database, a folder in which jobs leave notes, and the workers started so far."""

    engine: Engine
    url: str
    folder: Path
    workers: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, **options: object) -> subprocess.Popen[str]:
        """A worker that takes jobs."""
        command = [sys.executable, "-m", "tests.jobs.crew", self.url, str(self.folder), json.dumps(options)]
        worker = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.workers.append(worker)
        soon(lambda: str(worker.pid) in self.notes("workers"))
        return worker

    def enqueue(self, kind: str, args: Mapping[str, Any] | None = None, **options: Any) -> Job:
        """A job, queued."""
        with writing(self.engine) as session:
            return store.enqueue(session, kind, args or {}, who="tester", **options)

    def job(self, job: Job) -> Job:
        """The job as it is now."""
        with reading(self.engine) as session:
            return store.get_job(session, job.id)

    def until(self, job: Job, *states: State) -> Job:
        """The job once it stands at one of these, or has ended."""
        soon(lambda: self.job(job).state in states or self.job(job).ended)
        return self.job(job)

    def ended(self, job: Job) -> Job:
        """The job once it has ended."""
        return self.until(job)

    def cancel(self, job: Job) -> None:
        """The job was asked to end."""
        with writing(self.engine) as session:
            store.cancel(session, job.id)

    def log(self, job: Job) -> list[str]:
        """The job's log."""
        with reading(self.engine) as session:
            return [line.text for line in store.log_after(session, job.id)]

    def notes(self, name: str) -> list[str]:
        """The lines that jobs have left in a file."""
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def go(self, number: int, attempt: int) -> None:
        """A `count` job's step that is held ends."""
        with (self.folder / "go").open("a") as file:
            file.write(f"{number} {attempt}\n")

    def enqueued_as(self) -> list[str]:
        """The keys of jobs that nobody may enqueue twice."""
        with reading(self.engine) as session:
            return list(session.scalars(select(jobs.c.key).where(jobs.c.key.is_not(None))))

    def pids(self) -> list[int]:
        """The processes of workers that say they live."""
        with reading(self.engine) as session:
            return [int(name.rsplit("/", 3)[1]) for name in session.scalars(select(workers.c.id))]

    def steps(self, job: Job) -> list[int]:
        """The numbers of a `count` job's steps, each as often as it was begun."""
        return [int(line.split()[1]) for line in self.notes("steps") if line.startswith(job.id)]

    def close(self) -> None:
        """No worker runs any more."""
        for worker in self.workers:
            worker.kill()
            worker.communicate()
