"""multipart/form-data (RFC 7578) from a body already in memory: each part is a view of it, nothing is copied."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from sortline.errors import SortlineError

# A browser sends three headers a part, in under 300 bytes.
_MAX_HEADER_BYTES = 8192
# How nearly every client writes these two; the library reads whatever else there is.
_PLAIN_TYPE = re.compile(r"multipart/form-data; ?boundary=([0-9A-Za-z'()+_./:=?-]+)")
_PLAIN_DISPOSITION = re.compile(rb'form-data; name="([^"\\]+)"(?:; filename="([^"\\]*)")?')


class BadMultipart(SortlineError):
    """A body that is not the multipart/form-data it says it is."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The multipart body cannot be read: {reason}. Let your HTTP client build it.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One field: its name, the file name (None for a plain field) and the content."""

    name: str
    filename: str | None
    data: memoryview


def parts(content_type: str, body: bytes | bytearray) -> Iterator[Part]:
    """The parts in order.

    Raises:
        BadMultipart: no boundary, no end, or a part without a name.
    """
    boundary = _boundary(content_type)
    view, delimiter = memoryview(body), b"\r\n--" + boundary
    # The first delimiter may stand at the very start, without the line break before it.
    start = len(delimiter) - 2 if body.startswith(delimiter[2:]) else _after(body, delimiter, 0)
    while not body.startswith(b"--", start):
        begin = _line_end(body, start)
        end = body.find(delimiter, begin - 2)
        if end < 0:
            raise BadMultipart("it ends before its last boundary")
        yield _part(body, view, begin, max(begin, end))
        start = end + len(delimiter)


def _boundary(content_type: str) -> bytes:
    if written := _PLAIN_TYPE.fullmatch(content_type):
        return written[1].encode()
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise BadMultipart("its Content-Type names no boundary")
    return boundary


def _names(disposition: bytes) -> tuple[str | None, str | None]:
    """The field's name and the file's in a Content-Disposition header."""
    if written := _PLAIN_DISPOSITION.fullmatch(disposition):
        field, filename = written.groups()
    else:
        options = parse_options_header(disposition)[1]
        field, filename = options.get(b"name"), options.get(b"filename")
    return (
        field.decode("utf-8", "replace") if field else None,
        None if filename is None else filename.decode("utf-8", "replace"),
    )


def _part(body: bytes | bytearray, view: memoryview, begin: int, end: int) -> Part:
    blank = body.find(b"\r\n\r\n", begin - 2, min(end, begin + _MAX_HEADER_BYTES))
    if blank < 0:
        raise BadMultipart("a part has no headers")
    for line in bytes(view[begin:blank]).split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            field, filename = _names(value.strip())
            if field:
                return Part(name=field, filename=filename, data=view[blank + 4 : end])
    raise BadMultipart("a part has no name")


def _after(body: bytes | bytearray, delimiter: bytes, start: int) -> int:
    found = body.find(delimiter, start)
    if found < 0:
        raise BadMultipart("its boundary does not occur in it")
    return found + len(delimiter)


def _line_end(body: bytes | bytearray, start: int) -> int:
    """Where the line after a delimiter begins; only blanks may stand between."""
    end = body.find(b"\r\n", start)
    if end < 0 or bytes(body[start:end]).strip(b" \t"):
        raise BadMultipart("a boundary is followed by something else")
    return end + 2
