"""Jobs in the database: enqueued, taken by one, reported by whoever has them, ended once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, update

from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import migrate
from sortline.db.paging import BadCursor
from sortline.db.session import reading, writing
from sortline.jobs import store, worker_store
from sortline.jobs.job import Job, LogLine, State, UnknownJob
from sortline.jobs.tables import job_log, jobs, workers
from sortline.jobs.worker_store import MOST_DEATHS, Report


@pytest.fixture(scope="module")
def migrated(shared_database_url: str) -> Iterator[Engine]:
    """The engine of a database that is migrated once for all tests here."""
    engine = connect(shared_database_url)
    migrate(engine, metadata)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """The engine of a database without jobs."""
    with writing(migrated) as session:
        for table in (job_log, jobs, workers):
            session.execute(delete(table))
    return migrated


def enqueue(
    engine: Engine, kind: str = "train", *, key: str | None = None, exclusive: str | None = None
) -> Job:
    """A job, queued."""
    with writing(engine) as session:
        return store.enqueue(session, kind, {"line": "waste"}, who="tester", key=key, exclusive=exclusive)


def take(engine: Engine, job: Job, worker: str = "a") -> Job | None:
    """The job as that worker takes it."""
    with writing(engine) as session:
        return worker_store.take(session, job.id, worker)


def taken(engine: Engine, job: Job, worker: str = "a") -> Job:
    """The job in the hands of a worker that lives."""
    with writing(engine) as session:
        worker_store.beat(session, worker)
    found = take(engine, job, worker)
    assert found is not None
    return found


def waiting(engine: Engine) -> list[str]:
    """The ids of the jobs that a worker may take."""
    with reading(engine) as session:
        return [job_id for job_id, _ in worker_store.waiting(session, ["train"], 10)]


def get(engine: Engine, job: Job) -> Job:
    """The job as it is now."""
    with reading(engine) as session:
        return store.get_job(session, job.id)


def bury(engine: Engine, worker: str, count: int = 1) -> list[str] | None:
    """What is left by a worker that died."""
    with writing(engine) as session:
        return worker_store.bury(session, worker, count)


def report(*texts: str, first: int = 1, progress: dict[str, object] | None = None) -> Report:
    """A report with these lines."""
    lines = [LogLine(number=n, at=datetime.now(UTC), text=text) for n, text in enumerate(texts, first)]
    return Report(progress=progress, lines=lines, step_done=False)


def test_a_job_rolled_back_with_its_caller_never_was(engine: Engine) -> None:
    """It is enqueued in the caller's transaction, and with that it goes."""
    with writing(engine) as session:
        store.enqueue(session, "train", {}, who="tester")
        session.rollback()
    with reading(engine) as session:
        assert store.list_jobs(session).items == ()


def test_the_same_key_gives_the_same_job(engine: Engine) -> None:
    """Whoever asks twice, even of a job that has ended, means the one."""
    first = enqueue(engine, key="run-1")
    assert enqueue(engine, key="run-1") == first
    assert enqueue(engine, key="run-2").id != first.id
    with writing(engine) as session:
        store.cancel(session, first.id)
    assert enqueue(engine, key="run-1").state is State.CANCELLED


def test_jobs_are_listed_in_pages_newest_first(engine: Engine) -> None:
    """Each once, of one kind or of all, by their state."""
    made = [enqueue(engine).id for _ in range(5)]
    other = enqueue(engine, "embed").id
    with reading(engine) as session:
        first = store.list_jobs(session, kind="train", limit=3)
        second = store.list_jobs(session, kind="train", limit=3, cursor=first.next_cursor)
        assert [job.id for job in (*first.items, *second.items)] == made[::-1]
        assert second.next_cursor is None
        assert store.list_jobs(session, limit=1).items[0].id == other
        assert store.list_jobs(session, state=State.RUNNING).items == ()
        with pytest.raises(BadCursor):
            store.list_jobs(session, cursor="yesterday")


@pytest.mark.parametrize("job_id", ["0" * 32, "what", ""])
def test_an_unknown_job_is_told(engine: Engine, job_id: str) -> None:
    """By its id, whatever that looks like."""
    with writing(engine) as session:
        with pytest.raises(UnknownJob, match="sortline jobs list"):
            store.get_job(session, job_id)
        with pytest.raises(UnknownJob):
            store.cancel(session, job_id)


def test_of_several_workers_one_gets_a_job(engine: Engine) -> None:
    """The job names it, and how often it was taken."""
    job = enqueue(engine)
    assert waiting(engine) == [job.id]
    found = taken(engine, job, "a")
    assert (found.worker, found.attempt, found.state) == ("a", 1, State.RUNNING)
    assert take(engine, job, "b") is None
    assert waiting(engine) == []


def test_jobs_of_one_key_wait_in_order(engine: Engine) -> None:
    """One runs; the next follows when it has ended, however it ended. Others are not held up."""
    first, second, third = (enqueue(engine, exclusive="train/waste") for _ in range(3))
    other, free = enqueue(engine, exclusive="train/returns"), enqueue(engine)
    assert waiting(engine) == [first.id, other.id, free.id]
    running = taken(engine, first)
    assert waiting(engine) == [other.id, free.id]
    with writing(engine) as session:
        assert worker_store.end(session, running, State.FAILED, "it broke")
    assert second.id in waiting(engine)
    assert third.id not in waiting(engine)


def test_two_jobs_of_one_key_cannot_run(engine: Engine) -> None:
    """Even a worker that believes so does not get the second: the database refuses, and the transaction goes on."""
    first, second = (enqueue(engine, exclusive="train/waste") for _ in range(2))
    taken(engine, first)
    assert take(engine, second) is None
    assert get(engine, second).state is State.QUEUED


def test_whoever_lost_a_job_can_change_nothing(engine: Engine) -> None:
    """A report and an end by the worker that had it before are refused, also where it is the same worker."""
    job = enqueue(engine)
    before = taken(engine, job, "a")
    assert bury(engine, "a") == [job.id]
    after = taken(engine, job, "a")
    assert after.attempt == 2
    with writing(engine) as session:
        assert not worker_store.write_report(session, before, report("late", progress={"done": 9}))
        assert not worker_store.end(session, before, State.SUCCEEDED)
        assert worker_store.write_report(session, after, report("on it"))
    assert (get(engine, job).state, get(engine, job).progress) == (State.RUNNING, {})
    with reading(engine) as session:
        assert [line.text for line in store.log_after(session, job.id)] == ["on it"]


def test_a_job_is_let_go_of_by_whoever_has_it(engine: Engine) -> None:
    """In the attempt that it has it in; then it waits again."""
    job = taken(engine, enqueue(engine))
    with writing(engine) as session:
        assert not worker_store.release(session, job.id, "b", job.attempt)
        assert not worker_store.release(session, job.id, "a", job.attempt + 1)
        assert worker_store.release(session, job.id, "a", job.attempt)
    assert waiting(engine) == [job.id]


def test_a_worker_that_lives_after_all_is_not_buried(engine: Engine) -> None:
    """Its count has moved since it was looked at."""
    job = taken(engine, enqueue(engine), "a")
    with writing(engine) as session:
        worker_store.beat(session, "a")
    assert bury(engine, "a", count=1) is None
    assert get(engine, job).state is State.RUNNING
    with reading(engine) as session:
        assert worker_store.beats(session) == {"a": 2}


def test_a_job_of_a_worker_that_nobody_knows_is_found(engine: Engine) -> None:
    """It counts as one that never says anything."""
    job = take(engine, enqueue(engine), "nobody")
    assert job is not None
    with reading(engine) as session:
        assert worker_store.beats(session) == {"nobody": 0}
    assert bury(engine, "nobody", count=0) == [job.id]


def test_a_job_that_kills_its_workers_fails(engine: Engine) -> None:
    """After five deaths in a row with no step finished; a step that was starts the count anew."""
    job = enqueue(engine)
    for death in range(1, MOST_DEATHS):
        found = taken(engine, job, f"worker {death}")
        bury(engine, f"worker {death}")
    found = taken(engine, job, "careful")
    with writing(engine) as session:
        worker_store.write_report(session, found, Report(progress=None, lines=(), step_done=True))
    bury(engine, "careful")
    for death in range(2, MOST_DEATHS + 1):
        assert get(engine, job).state is State.QUEUED
        taken(engine, job, f"again {death}")
        bury(engine, f"again {death}")
    ended = get(engine, job)
    assert (ended.state, ended.worker) == (State.FAILED, None)
    assert "died 5 times" in str(ended.error)
    assert ended.finished_at is not None


def test_a_cancelled_job_ends_with_its_worker(engine: Engine) -> None:
    """Asked to end while its worker was dead already, it is not begun again."""
    job = taken(engine, enqueue(engine), "a")
    with writing(engine) as session:
        asked = store.cancel(session, job.id)
    assert (asked.state, asked.cancelling) == (State.RUNNING, True)
    bury(engine, "a")
    assert get(engine, job).state is State.CANCELLED


def test_an_ended_job_stays_as_it_is(engine: Engine) -> None:
    """To cancel it then changes nothing."""
    job = taken(engine, enqueue(engine))
    with writing(engine) as session:
        worker_store.end(session, job, State.SUCCEEDED)
        assert store.cancel(session, job.id).state is State.SUCCEEDED
    assert not get(engine, job).cancelling


def test_a_log_is_read_from_anywhere_and_forgotten_in_time(engine: Engine) -> None:
    """Lines behind a number; of a job that ended long ago they go, a few at a time."""
    job, fresh = taken(engine, enqueue(engine)), taken(engine, enqueue(engine))
    with writing(engine) as session:
        for one in (job, fresh):
            worker_store.write_report(session, one, report("one", "two", "three"))
            worker_store.end(session, one, State.SUCCEEDED)
        assert [line.text for line in store.log_after(session, job.id, 1, 1)] == ["two"]
        assert worker_store.last_line(session, job.id) == 3
        old = datetime.now(UTC) - timedelta(days=100)
        session.execute(update(jobs).where(jobs.c.id == job.id).values(finished_at=old))
        before = datetime.now(UTC) - timedelta(days=90)
        assert store.forget_log(session, before, lines=2)
        assert [line.number for line in store.log_after(session, job.id)] == [3]
        assert store.forget_log(session, before)
        assert not store.forget_log(session, before)
        assert len(store.log_after(session, fresh.id)) == 3
        assert store.long_ended(session, [job.id, fresh.id], before) == [job.id]
