"""What a worker does with jobs, while nothing goes wrong with the worker."""

from __future__ import annotations

from datetime import timedelta

from sortline.db.session import reading
from sortline.jobs.job import State
from sortline.jobs.worker_store import alive
from tests.jobs.crews import Crew
from tests.waiting import soon


def test_a_job_is_done(working: Crew) -> None:
    """Its steps in order, its progress and its log as it told them, each phase in it, and who did it when."""
    job = working.ended(working.enqueue("count", {"steps": 3}))
    assert (job.state, job.attempt, job.error, job.worker) == (State.SUCCEEDED, 1, None, None)
    assert (job.progress["phase"], job.progress["done"], job.progress["sum"]) == ("counting", 3, 3)
    assert working.steps(job) == [0, 1, 2]
    assert working.log(job) == ["counting …", "step 0 is done", "step 1 is done", "step 2 is done"]
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at < job.started_at < job.finished_at


def test_progress_and_log_are_read_while_it_runs(working: Crew) -> None:
    """Long before it ends, with an estimate of what is left."""
    job = working.enqueue("count", {"steps": 8, "held": [[2, 1]]})
    soon(lambda: working.job(job).progress.get("done") == 2)
    seen, log = working.job(job), working.log(job)
    assert seen.state is State.RUNNING
    assert log == ["counting …", "step 0 is done", "step 1 is done"]
    assert seen.progress["eta_s"] >= 0
    working.cancel(job)
    assert working.ended(job).state is State.CANCELLED


def test_a_running_job_is_cancelled_within_its_step(working: Crew) -> None:
    """Although the step would never end; its own clean-up is run."""
    job = working.enqueue("hold")
    soon(lambda: f"{job.id} begins" in working.notes("holds"))
    working.cancel(job)
    assert working.ended(job).state is State.CANCELLED
    assert f"{job.id} ends" in working.notes("holds")


def test_jobs_of_one_key_run_one_after_the_other(working: Crew) -> None:
    """In the order they were enqueued, while others run beside them."""
    # The first ends when another has begun, which must be the one beside.
    jobs = [working.enqueue("gather", {"present": 2}, exclusive="train/waste") for _ in range(3)]
    beside = working.enqueue("gather", {"present": 2})
    for job in (*jobs, beside):
        assert working.ended(job).state is State.SUCCEEDED
    notes = [line.rpartition(" ")[0] for line in working.notes("gathered")]
    assert [line for line in notes if not line.startswith(beside.id)] == [
        f"{job.id} {what}" for job in jobs for what in ("begins", "ends")
    ]
    assert notes.index(f"{beside.id} begins") < notes.index(f"{jobs[0].id} ends")


def test_a_step_that_failed_in_passing_is_tried_again(working: Crew) -> None:
    """After a second, then two; the log tells of each."""
    job = working.ended(working.enqueue("flaky"))
    assert (job.state, job.progress) == (State.SUCCEEDED, {"tries": 3})
    assert working.log(job) == [
        f"download: the hub is away; tried again in {seconds} s" for seconds in (1, 2)
    ]
    assert job.finished_at is not None
    assert job.started_at is not None
    assert (job.finished_at - job.started_at).total_seconds() >= 3


def test_a_handler_that_fails_holds_up_nobody(working: Crew) -> None:
    """The job says why in a line, its log has the trace, and the next of its key begins."""
    broken = working.enqueue("broken", exclusive="train/returns")
    following = working.enqueue("tick", exclusive="train/returns")
    assert working.ended(following).state is State.SUCCEEDED
    failed = working.job(broken)
    assert (failed.state, failed.error) == (State.FAILED, "ZeroDivisionError: no more than this")
    first, trace = working.log(broken)
    assert first == "about to break"
    assert 'raise ZeroDivisionError("no more' in trace


def test_a_kind_that_nobody_knows_waits(working: Crew) -> None:
    """For a worker that does."""
    unknown = working.enqueue("juggle")
    working.ended(working.enqueue("tick"))
    assert working.job(unknown).state is State.QUEUED


def test_what_this_worker_is_not_able_to_do_waits_for_another(working: Crew) -> None:
    """Others can tell what it is able to do; on SQLite, where there is no other, the job fails and says why."""
    left = working.enqueue("unable")
    working.ended(working.enqueue("tick"))
    with reading(working.engine) as session:
        (kinds,) = alive(session, timedelta(minutes=1))
    assert kinds is not None
    assert "tick" in kinds
    assert "unable" not in kinds
    if working.engine.dialect.name == "sqlite":
        assert working.ended(left).state is State.FAILED
    else:
        assert working.job(left).state is State.QUEUED


def test_what_a_job_keeps_is_as_it_comes_back(working: Crew) -> None:
    """A step's result is JSON the first time too; progress takes numbers of any kind, and leaves out what is none."""
    job = working.ended(working.enqueue("odd"))
    assert (job.state, job.error) == (State.SUCCEEDED, None)
    assert job.progress == {"pair": [1, 2], "accuracy": 0.5, "nested": {"f1": None}}
    assert working.log(job) == ["no NUL"]
