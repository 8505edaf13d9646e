"""Workers that stop, die, or only seem dead: their jobs go on, and no finished step is run again."""

from __future__ import annotations

import signal
import subprocess
from datetime import datetime

import pytest

from sortline.db.session import writing
from sortline.jobs import worker_store
from sortline.jobs.job import State
from tests.jobs.crews import Crew
from tests.waiting import soon

POSTGRESQL = "several workers share PostgreSQL only"


def sharing(crew: Crew) -> None:
    """Skips the test where a second worker is refused."""
    if crew.engine.dialect.name == "sqlite":
        pytest.skip(POSTGRESQL)


def test_a_job_goes_on_after_kill_9(crew: Crew) -> None:
    """From its last finished step: the steps before are not run again, the one at hand is, and results are kept."""
    worker = crew.start()
    job = crew.enqueue("count", {"steps": 5, "held": [[2, 1]]}, exclusive="train/waste")
    following = crew.enqueue("tick", exclusive="train/waste")
    soon(lambda: len(crew.steps(job)) == 3)
    worker.kill()
    worker.wait()
    crew.start()
    done = crew.ended(job)
    assert (done.state, done.attempt, done.progress["sum"]) == (State.SUCCEEDED, 2, 10)
    assert crew.steps(job) == [0, 1, 2, 2, 3, 4]
    assert crew.ended(following).state is State.SUCCEEDED


def test_a_job_whose_worker_died_before_it_began_is_done(crew: Crew) -> None:
    """It was taken, and nothing more is known of whoever took it."""
    job = crew.enqueue("count", {"steps": 1})
    with writing(crew.engine) as session:
        assert worker_store.take(session, job.id, "nobody") is not None
    crew.start(silence_s=1)
    done = crew.ended(job)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 2)


def test_a_job_whose_steps_changed_meanwhile_fails(crew: Crew) -> None:
    """As after an upgrade: what is kept under another name is no result of this step, and the job says so."""
    if crew.engine.dialect.name != "sqlite":
        pytest.skip("nothing in it is of the database")
    worker = crew.start()
    job = crew.enqueue("fickle")
    soon(lambda: crew.notes("fickle") == [job.id])
    worker.kill()
    worker.wait()
    crew.start()
    failed = crew.ended(job)
    assert failed.state is State.FAILED
    assert "another version of Sortline" in str(failed.error)


def test_a_worker_that_is_told_to_stop_leaves_its_job_waiting(crew: Crew) -> None:
    """With exit code 0; the next worker goes on with it, and a job that waited longer stays behind it."""
    worker = crew.start()
    job = crew.enqueue("count", {"steps": 4, "held": [[1, 1]]}, exclusive="train/waste")
    behind = crew.enqueue("tick", exclusive="train/waste")
    soon(lambda: len(crew.steps(job)) == 2)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    left = crew.job(job)
    assert (left.state, left.worker) == (State.QUEUED, None)
    assert crew.notes("ticks") == []
    crew.start()
    done = crew.ended(job)
    assert (done.state, done.progress["sum"]) == (State.SUCCEEDED, 6)
    assert crew.steps(job) == [0, 1, 1, 2, 3]
    assert crew.ended(behind).state is State.SUCCEEDED


def test_a_handler_that_never_looks_up_stops_no_worker(crew: Crew) -> None:
    """The process ends in time without it; its job is taken up by the next, which is told to cancel it there."""
    worker = crew.start(grace_s=0.5)
    job = crew.enqueue("deaf")
    soon(lambda: len(crew.notes("holds")) == 1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 3
    crew.cancel(job)
    crew.start()
    assert crew.ended(job).state is State.CANCELLED
    assert len(crew.notes("holds")) == 1


def test_a_second_worker_on_sqlite_is_refused(crew: Crew) -> None:
    """With one line that says what to do; when the first is killed, the next may work."""
    if crew.engine.dialect.name != "sqlite":
        pytest.skip("on PostgreSQL it is welcome")
    first = crew.start()
    command = [str(part) for part in first.args]  # type: ignore[union-attr]  # it is a list
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert f"process {first.pid}" in second.stderr
    assert "SORTLINE_DATABASE_URL" in second.stderr
    first.kill()
    first.wait()
    crew.start()
    assert crew.ended(crew.enqueue("tick")).state is State.SUCCEEDED


def test_another_worker_goes_on_with_a_dead_ones_job(crew: Crew) -> None:
    """A is killed for good; B, at work all along, finishes its job, and no finished step is run by both."""
    sharing(crew)
    first, second = crew.start(), crew.start()
    job = crew.enqueue("count", {"steps": 6, "held": [[2, 1]]})
    soon(lambda: len(crew.steps(job)) == 3)
    if f" {first.pid} 1" not in crew.notes("steps")[0]:
        first, second = second, first
    first.kill()
    first.wait()
    done = crew.ended(job)
    assert (done.state, done.attempt, done.progress["sum"]) == (State.SUCCEEDED, 2, 15)
    by = [(int(line.split()[1]), int(line.split()[2])) for line in crew.notes("steps")]
    assert [number for number, pid in by if pid == second.pid] == [2, 3, 4, 5]


def test_a_worker_taken_for_dead_is_refused(crew: Crew) -> None:
    """A sleeps too long, B takes its job over; when A wakes, its step counts for nothing, and it works on."""
    sharing(crew)
    # More than a machine may hang, or A would take the job from B.
    first = crew.start(silence_s=6)
    job = crew.enqueue("count", {"steps": 4, "held": [[1, 1], [2, 2]]})
    soon(lambda: len(crew.steps(job)) == 2)
    first.send_signal(signal.SIGSTOP)
    second = crew.start(silence_s=6)
    soon(lambda: len(crew.steps(job)) == 4)
    crew.go(1, 1)
    first.send_signal(signal.SIGCONT)
    soon(lambda: first.pid in crew.pids())
    crew.go(2, 2)
    done = crew.ended(job)
    assert (done.state, done.attempt, done.progress["sum"]) == (State.SUCCEEDED, 2, 6)
    by = [(int(line.split()[1]), int(line.split()[2])) for line in crew.notes("steps")]
    assert [number for number, pid in by if pid == first.pid] == [0, 1]
    assert [number for number, pid in by if pid == second.pid] == [1, 2, 3]
    second.kill()
    second.wait()
    assert crew.ended(crew.enqueue("tick")).state is State.SUCCEEDED


def test_several_workers_share_the_work(crew: Crew) -> None:
    """Each job is done once, by one of them."""
    sharing(crew)
    workers = [crew.start(), crew.start()]
    # Of this kind a worker does one at a time, and each lasts until both have begun.
    meeting = [crew.enqueue("alone", {"present": 2}) for _ in range(2)]
    jobs = [crew.enqueue("count", {"steps": 1}) for _ in range(12)]
    done = [crew.ended(job) for job in meeting + jobs]
    assert {job.state for job in done} == {State.SUCCEEDED}
    assert [job.attempt for job in done] == [1] * 14
    assert len(crew.notes("steps")) == 12
    assert {int(line.split()[2]) for line in crew.notes("gathered")} == {worker.pid for worker in workers}


def test_a_schedule_fires_once_however_many_workers(crew: Crew) -> None:
    """One job for each moment, although two workers look at the clock."""
    several = crew.engine.dialect.name == "postgresql"
    for _ in range(2 if several else 1):
        crew.start(schedule="* * * * * *")
    soon(lambda: len(crew.notes("ticks")) >= 3)
    ticks = crew.notes("ticks")
    assert len(set(ticks)) == len(ticks)
    moments = [datetime.fromisoformat(key.partition(":")[2].partition(":")[2]) for key in crew.enqueued_as()]
    assert len({moment.replace(microsecond=0) for moment in moments}) == len(moments) >= len(ticks)
