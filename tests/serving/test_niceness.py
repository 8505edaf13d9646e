"""Threads that infer let those first that somebody waits for."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sortline.serving.inference import Inference
from sortline.serving.niceness import NICER, behind_others, interrupt_nobody, interrupt_others
from sortline.serving.recorder import Entry, Recorder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness for each thread")


def niceness() -> int:
    """The calling thread's."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_inference_threads_are_nicer_than_the_server() -> None:
    """Each of them, and none other."""
    found: list[int] = []
    inference = Inference(2)
    inference.start()
    inference.on_every_thread(lambda: found.append(niceness()))
    inference.close()
    assert found == [niceness() + NICER] * 2


def test_a_server_s_threads_interrupt_nobody() -> None:
    """The thread that says so and those it starts are scheduled in turns; others as before."""
    before = os.sched_getscheduler(0)

    def scheduled() -> tuple[int, int]:
        interrupt_nobody()
        with ThreadPoolExecutor(1) as started:
            return os.sched_getscheduler(0), started.submit(os.sched_getscheduler, 0).result()

    with ThreadPoolExecutor(1) as server:
        assert server.submit(scheduled).result() == (os.SCHED_BATCH, os.SCHED_BATCH)
    assert os.sched_getscheduler(0) == before


def test_the_recorder_alone_interrupts_others() -> None:
    """Whoever it is started by."""
    found: list[int] = []
    settled = threading.Event()
    recorder = Recorder[None](lambda _: found.append(os.sched_getscheduler(0)))

    def start() -> None:
        interrupt_nobody()
        recorder.start()

    with ThreadPoolExecutor(1) as server:
        server.submit(start).result()
    recorder.submit(Entry(None, lambda _: settled.set()))
    assert settled.wait(10)
    recorder.close()
    assert found == [os.SCHED_OTHER]


def test_a_server_that_may_not_say_so_serves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is locked down is refused such calls."""

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    interrupt_nobody()
    interrupt_others()


def test_a_bundle_is_loaded_behind_others() -> None:
    """The work's outcome comes back, an error too; the caller's own thread stays as it was."""
    before = niceness()
    assert behind_others(niceness) == before + NICER
    with pytest.raises(ZeroDivisionError):
        behind_others(lambda: 1 // 0)
    assert niceness() == before
