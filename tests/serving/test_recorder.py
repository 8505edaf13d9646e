"""Group commit: each entry is settled once, after its group is kept or refused."""

import threading
import time
from collections.abc import Sequence
from itertools import chain

from sortline.errors import SortlineError
from sortline.serving.recorder import LINGER, MAX_GROUP, Entry, Recorder


class Log:
    """Keeps groups; refuses what a test wants refused."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.sizes: list[int] = []
        self.gate = threading.Event()

    def commit(self, records: Sequence[int]) -> None:
        """Keeps a group once the gate is open."""
        self.gate.wait(5)
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


def test_group_waits_for_more_only_while_more_is_to_come() -> None:
    """Records that trickle in are one group while others wait to be inferred, and a group each when nothing does."""

    def trickle(more: bool) -> list[list[int]]:
        log = Log()
        log.gate.set()
        recorder: Recorder[int] = Recorder(log.commit, more_to_come=lambda: more)
        recorder.start()
        for record in range(4):
            recorder.submit(Entry(record, lambda _: None))
            time.sleep(LINGER / 10)
        recorder.close()
        return log.groups

    assert len(trickle(more=True)) < len(trickle(more=False)) == 4


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
