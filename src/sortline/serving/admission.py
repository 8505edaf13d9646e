"""How much work a server holds at once: beyond it a request is turned away at the door, and memory stays flat."""

from sortline.errors import SortlineError


class Overloaded(SortlineError):
    """More is waiting than the server takes; come again in `retry_after` seconds."""

    def __init__(self, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(f"More pictures are waiting than this server takes; try again in {retry_after} s.")


class Admission:
    """Counts requests and their bytes from the door to the answer. Used on the event loop alone, so without locks."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self.max_requests, self.max_bytes = max_requests, max_bytes
        self.requests = self.bytes = 0
        self.closed = False

    def request(self) -> "Ticket":
        """A place for one request, given back when the block that it opens ends.

        Raises:
            Overloaded: all places are taken, or the server is going down.
        """
        if self.closed or self.requests >= self.max_requests:
            raise Overloaded
        self.requests += 1
        return Ticket(self)


class Ticket:
    """One admitted request and the bytes it holds."""

    __slots__ = ("_admission", "bytes")

    def __init__(self, admission: Admission) -> None:
        self._admission, self.bytes = admission, 0

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(self, *raised: object) -> None:
        self._admission.requests -= 1
        self._admission.bytes -= self.bytes

    def hold(self, count: int) -> None:
        """`count` more bytes are in memory for this request.

        Raises:
            Overloaded: all requests together would hold too much.
        """
        if self._admission.bytes + count > self._admission.max_bytes:
            raise Overloaded
        self._admission.bytes += count
        self.bytes += count
