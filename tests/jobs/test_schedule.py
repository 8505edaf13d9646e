"""When scheduled jobs are due."""

from datetime import UTC, datetime, timedelta

import pytest

from sortline.jobs.schedule import Schedule, Timetable

NIGHTLY = {"drift": Schedule(kind="drift", cron="30 3 * * *")}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of next year, so that none is due by now."""
    return datetime(datetime.now(UTC).year + 1, 5, day, hour, minute, tzinfo=UTC)


def test_it_is_due_once() -> None:
    """Not before, then once, then at its next moment."""
    timetable = Timetable(NIGHTLY, since={"drift": at(1, 12)})
    assert list(timetable.due(at(2, 3, 29))) == []
    assert list(timetable.due(at(2, 3, 30))) == [("drift", NIGHTLY["drift"], at(2, 3, 30))]
    assert list(timetable.due(at(2, 3, 31))) == []
    assert [moment for _, _, moment in timetable.due(at(3, 3, 30) + timedelta(seconds=1))] == [at(3, 3, 30)]


def test_what_was_missed_is_due_once() -> None:
    """After days without a worker: the last moment alone."""
    timetable = Timetable(NIGHTLY, since={"drift": at(1, 3, 30)})
    assert [moment for _, _, moment in timetable.due(at(6, 12))] == [at(6, 3, 30)]
    assert list(timetable.due(at(6, 12, 1))) == []


def test_a_new_schedule_begins_now() -> None:
    """It does not make up for the time before it was."""
    assert list(Timetable(NIGHTLY, since={}).due(datetime.now(UTC))) == []


def test_an_expression_that_is_none_is_refused_at_once() -> None:
    """When the worker starts, not when the job would be due."""
    with pytest.raises(ValueError, match="columns"):
        Timetable({"odd": Schedule(kind="odd", cron="very often")}, since={})
