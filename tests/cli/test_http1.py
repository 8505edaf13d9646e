"""What goes to a client: in as few pieces as there can be, in order, and at once."""

import asyncio
from collections.abc import Callable

import pytest

from sortline.cli.http1 import Answers


class _Sent(asyncio.Transport):
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.told.append(bytes(data))

    def writelines(self, list_of_data: object) -> None:
        assert isinstance(list_of_data, tuple)
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def _sent(*work: Callable[[Answers], object]) -> list[bytes]:
    """What was sent when each piece of work was done in a turn of the loop."""

    async def turns() -> list[bytes]:
        transport = _Sent()
        ours = Answers(transport, asyncio.get_running_loop())
        for one in work:
            one(ours)
            await asyncio.sleep(0)
        return transport.told

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

    def lost(transport: Answers) -> None:
        transport.write(b"head")
        transport._transport.close()

    assert _sent(lost) == []
