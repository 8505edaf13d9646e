"""Group commit: each entry is settled once, after its group is kept or refused."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import pytest

from sortline.errors import SortlineError
from sortline.serving.recorder import MAX_GROUP, Entry, Recorder

# Seconds that no test lasts.
AGES = 3600


class Log:
    """Keeps groups; refuses what a test wants refused."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.sizes: list[int] = []
        self.gate = threading.Event()

    def commit(self, records: Sequence[int]) -> None:
        """Keeps a group once the gate is open."""
        self.gate.wait()
        if -1 in records:
            raise ValueError("a record that cannot be kept")
        if -2 in records:
            raise SortlineError("the disk is full")
        self.groups.append(list(records))

    def run(self, records: Sequence[int]) -> dict[int, list[Exception | None]]:
        """Submits all while the first group is held back; what each was told."""
        told: dict[int, list[Exception | None]] = {record: [] for record in records}
        recorder: Recorder[int] = Recorder(self.commit, observe=lambda _, count: self.sizes.append(count))
        for record in records:
            recorder.submit(Entry(record, told[record].append))
        recorder.start()
        self.gate.set()
        recorder.close()
        return told


def test_everything_waiting_is_one_group() -> None:
    """What waits is committed together, in order, and every caller is told once."""
    log = Log()
    told = log.run(range(50))
    assert log.groups == [list(range(50))]
    assert all(outcomes == [None] for outcomes in told.values())


class Told(threading.Event):
    """A caller that waits for the answer to its record."""

    def entry(self, record: int) -> Entry[int]:
        """The record, whose caller this is."""
        return Entry(record, lambda _: self.set())


@contextmanager
def recording(log: Log, *, waiting: int) -> Iterator[Recorder[int]]:
    """A recorder at work while so many pictures wait to be inferred."""
    log.gate.set()
    recorder: Recorder[int] = Recorder(log.commit, waiting=lambda: waiting)
    recorder.start()
    yield recorder
    recorder.close()


def test_group_waits_for_no_more_when_nothing_is_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is kept at once while nothing waits to be inferred, however long a group might wait."""
    monkeypatch.setattr("sortline.serving.recorder.LINGER", AGES)
    log = Log()
    with recording(log, waiting=0) as recorder:
        for record in range(3):
            told = Told()
            recorder.submit(told.entry(record))
            assert told.wait(60)
    assert log.groups == [[0], [1], [2]]


def test_group_grows_to_as_many_as_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that trickle in while others wait to be inferred are one group, until it is as large."""
    monkeypatch.setattr("sortline.serving.recorder.LINGER", AGES)
    log, callers = Log(), [Told() for _ in range(4)]
    with recording(log, waiting=4) as recorder:
        for record, told in enumerate(callers[:3]):
            recorder.submit(told.entry(record))
            # Time for a recorder that does not wait to show it; one that does is right however long this takes.
            assert not told.wait(0.1)
        recorder.submit(callers[3].entry(3))
        assert all(told.wait(60) for told in callers)
    assert log.groups == [[0, 1, 2, 3]]


def test_group_that_waits_is_kept_when_the_recorder_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that goes down keeps what it has inferred without waiting for more."""
    monkeypatch.setattr("sortline.serving.recorder.LINGER", AGES)
    log, told = Log(), Told()
    with recording(log, waiting=50) as recorder:
        recorder.submit(told.entry(0))
    assert told.is_set()
    assert log.groups == [[0]]


def test_group_does_not_wait_for_ever() -> None:
    """A record is kept after a while though more waits to be inferred all the time."""
    told = Told()
    with recording(Log(), waiting=50) as recorder:
        recorder.submit(told.entry(0))
        assert told.wait(60)


def test_groups_are_bounded() -> None:
    """More than a group may hold becomes several groups, and nothing is lost."""
    log = Log()
    log.run(range(MAX_GROUP * 2 + 5))
    assert log.sizes == [MAX_GROUP, MAX_GROUP, 5]
    assert list(chain(*log.groups)) == list(range(MAX_GROUP * 2 + 5))


def test_one_bad_record_fails_alone() -> None:
    """A record that cannot be kept does not take its group with it."""
    log = Log()
    told = log.run([1, -1, 2])
    assert isinstance(told[-1][0], ValueError)
    assert told[1] == told[2] == [None]
    assert log.groups == [[1], [2]]


def test_full_disk_refuses_the_whole_group_once() -> None:
    """What concerns all is told to all, without trying each."""
    log = Log()
    told = log.run([1, -2, 2])
    assert all(str(outcomes[0]) == "the disk is full" for outcomes in told.values())
    assert log.groups == []
