"""What goes to a client: in as few pieces as there can be, in order, and at once."""

import asyncio
import time
from collections.abc import Callable

import pytest

from sortline.cli.http1 import Answers


class _Sent(asyncio.Transport):
    """A transport that remembers what it was told; `half` is whether it was closed for writing alone."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes] = []
        self.half = self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.half
        assert not self.closed
        self.told.append(bytes(data))

    def writelines(self, list_of_data: object) -> None:
        assert isinstance(list_of_data, tuple)
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.half = True

    def resume_reading(self) -> None:
        """It was never paused."""


def _sent(*work: Callable[[Answers], object], transport: _Sent | None = None) -> list[bytes]:
    """What was sent when each piece of work was done in a turn of the loop."""
    given = transport or _Sent()

    async def turns() -> list[bytes]:
        ours = Answers(given, asyncio.get_running_loop())
        for one in work:
            one(ours)
            await asyncio.sleep(0)
        return given.told

    return asyncio.run(turns())


def _writes(*data: bytes) -> Callable[[Answers], None]:
    def write(transport: Answers) -> None:
        for one in data:
            transport.write(one)

    return write


@pytest.mark.parametrize(
    ("turns", "sent"),
    [
        ([[b"head", b"body"]], [b"headbody"]),
        ([[b"head"], [b"event"], [b"event"]], [b"head", b"event", b"event"]),
        ([[b"head", b"1", b"2"], [b"3"]], [b"head1", b"2", b"3"]),
        ([[b"head", b"1"], [b"head", b"2"]], [b"head1", b"head2"]),
    ],
)
def test_two_writes_go_together_and_none_waits_for_another_turn(
    turns: list[list[bytes]], sent: list[bytes]
) -> None:
    """A head goes with its body; an event that nothing follows goes by itself."""
    assert _sent(*(_writes(*data) for data in turns)) == sent


def test_what_was_written_is_sent_before_the_connection_ends() -> None:
    """uvicorn closes a connection as soon as it wrote the last answer."""
    assert _sent(_writes(b"head"), lambda transport: (transport.write(b"last"), transport.close())) == [
        b"head",
        b"last",
    ]


def test_nothing_is_sent_to_a_client_that_has_gone() -> None:
    """It may go between a write and the end of the loop's turn."""
    transport = _Sent()

    def lost(ours: Answers) -> None:
        ours.write(b"head")
        transport.close()

    assert _sent(lost, transport=transport) == []


def test_a_client_that_still_sends_reads_its_answer_before_the_connection_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has a while for that, unless the server stops; nothing more is written meanwhile."""
    monkeypatch.setattr("sortline.cli.http1.LINGER_SECONDS", 0.01)
    for ends in (lambda ours: ours.close(), lambda ours: time.sleep(0.05)):
        transport = _Sent()

        def refused(ours: Answers) -> None:
            ours.unread = True
            ours.write(b"413")
            ours.close()

        def lingers(ours: Answers, transport: _Sent = transport) -> None:
            assert transport.half
            assert not transport.closed
            assert ours.is_closing()
            ours.write(b"more")

        assert _sent(refused, lingers, ends, lambda _: None, transport=transport) == [b"413"]
        assert transport.closed
