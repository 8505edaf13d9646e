"""One large file from the web, however often the connection breaks: what arrived stays, the rest is asked for.

    <file>.part        what arrived so far
    <file>.part.etag   which state of the file that is; another state on the server begins again
    <file>             all of it, flushed to the disk, under its name in one step

SortlineError
└── DownloadError
    ├── Unreachable     the server does not answer; there may be no network
    ├── NotThere        it answers, but does not give the file
    ├── NoSpace         the disk has not enough room
    └── CannotKeep      the folder cannot be written
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sortline.errors import SortlineError

if TYPE_CHECKING:
    import httpx

# Seconds before each further try; whenever something arrived, counting starts again.
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
# What stays free on the disk: a full one stops everything else too.
_SPARE = 64 << 20
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
# A server may ask for more, but a person waits.
_MOST_PATIENCE_S = 60.0
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(SortlineError):
    """A file cannot be downloaded."""


class Unreachable(DownloadError):
    """The server does not answer."""

    def __init__(self, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"cannot reach {url}: {reason}")


class NotThere(DownloadError):
    """The server does not give the file."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        self.url, self.status = url, status
        super().__init__(f"{url} answers {status} {reason}".rstrip())


class NoSpace(DownloadError):
    """The file does not fit on the disk."""

    def __init__(self, folder: Path, needed: int, free: int) -> None:
        self.folder, self.needed, self.free = folder, needed, free
        super().__init__(
            f"{folder} has {free >> 20:,} MiB free, {needed >> 20:,} MiB more are needed; free some, or choose "
            "another disk with --data-dir"
        )


class CannotKeep(DownloadError):
    """The folder for downloads cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        super().__init__(f"cannot write {path}: {reason}; what arrived so far is kept")


class _Interrupted(Exception):
    """One try ended before the file did; `after` is when the server wants to be asked again, in seconds."""

    def __init__(self, problem: DownloadError, after: float | None = None) -> None:
        self.problem, self.after = problem, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """How far a download is, in bytes; `total` is None where the server does not say."""

    done: int
    total: int | None


def download(
    client: httpx.Client,
    url: str,
    path: Path,
    *,
    size: int | None = None,
    progress: Callable[[Received], None] = lambda _: None,
    waits: Sequence[float] = WAITS,
) -> None:
    """The file stands at `path`, whole and on the disk. `size` in bytes is what to expect where the server is silent.

    Raises:
        DownloadError: it does not; what arrived is kept and the next call goes on from it.
    """
    with _kept(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(path)
        tries, furthest = 0, part.size
        while True:
            try:
                _receive(client, url, part, size, progress)
                return part.finish()
            except _Interrupted as stopped:
                if part.size > furthest:
                    tries, furthest = 0, part.size
                # Where nothing answers at all there is probably no network; that need not take half a minute.
                silent = isinstance(stopped.problem, Unreachable) and not part.size
                if tries >= (min(2, len(waits)) if silent else len(waits)):
                    raise stopped.problem from None
                time.sleep(max(waits[tries], min(stopped.after or 0, _MOST_PATIENCE_S)))
                tries += 1


class _Part:
    """What arrived so far, and of which state of the file it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.with_name(f"{path.name}.part")
        self._state = path.with_name(f"{path.name}.part.etag")

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    @property
    def state(self) -> str | None:
        """What the server called the state that arrived; None where there is nothing to go on from."""
        if not self.size or not self._state.exists():
            return None
        return self._state.read_text(encoding="utf-8") or None

    @contextmanager
    def open(self, state: str | None, *, append: bool) -> Iterator[BinaryIO]:
        """To write on, or from the start."""
        if not append:
            self.discard()
            if state is not None:
                self._state.write_text(state, encoding="utf-8")
        with self.file.open("ab") as file:
            yield file

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def finish(self) -> None:
        """The file has its name, once its bytes are on the disk."""
        with self.file.open("ab") as file:
            os.fsync(file.fileno())
        self.file.replace(self.path)
        self._state.unlink(missing_ok=True)


def _receive(
    client: httpx.Client, url: str, part: _Part, size: int | None, progress: Callable[[Received], None]
) -> None:
    """One try: it ends with the whole file in `part`, or raises."""
    import httpx

    state = part.state
    # As it lies on the server: a part of a compressed answer could not be gone on with.
    headers = {"Accept-Encoding": "identity"}
    if state is not None:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": state}
    try:
        with client.stream("GET", url, headers=headers) as answer:
            _check(answer, part)
            append = answer.status_code == httpx.codes.PARTIAL_CONTENT
            done = part.size if append else 0
            left = _length(answer)
            total = size if left is None else done + left
            _hold_room(part.path.parent, (total or 0) - done)
            with part.open(_state(answer), append=append) as file:
                for chunk in answer.iter_raw():
                    file.write(chunk)
                    done += len(chunk)
                    progress(Received(done=done, total=total))
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
        raise Unreachable(url, _told(error)) from error
    except httpx.HTTPError as error:
        raise _Interrupted(Unreachable(url, _told(error))) from error


def _check(answer: httpx.Response, part: _Part) -> None:
    """Raise unless the answer is the file, or the part of it that was asked for."""
    status = answer.status_code
    problem = NotThere(str(answer.url), status, answer.reason_phrase)
    if status == 206:
        found = _RANGE.match(answer.headers.get("content-range", ""))
        if found is None or int(found[1]) != part.size:
            part.discard()
            raise _Interrupted(problem)
    elif status == 416:  # what arrived is longer than the file is now
        part.discard()
        raise _Interrupted(problem)
    elif status in _TRY_AGAIN:
        after = answer.headers.get("retry-after", "")
        raise _Interrupted(problem, float(after) if after.isdigit() else None)
    elif status != 200:
        raise problem


def _state(answer: httpx.Response) -> str | None:
    """What names the state of the file strongly enough to go on from it: not a weak ETag (RFC 9110, 13.1.5)."""
    tag = answer.headers.get("etag", "")
    if tag.startswith('"'):
        return str(tag)
    modified: str | None = answer.headers.get("last-modified")
    return modified


def _length(answer: httpx.Response) -> int | None:
    announced = answer.headers.get("content-length", "")
    return int(announced) if announced.isdigit() else None


def _hold_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _SPARE > free:
        raise NoSpace(folder, needed, free)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotKeep(path, error.strerror or str(error)) from error
