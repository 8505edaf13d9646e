"""A published data set into a folder of this machine: downloaded, or put there by hand, and checked either way."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from sortline.catalogue.publishers import Published, PublishedFile
from sortline.errors import SortlineError
from sortline.flows.download import WAITS, CannotKeep, DownloadError, Received, download

if TYPE_CHECKING:
    import httpx

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows; there the second process fails when it renames
    fcntl = None

# In the folder of the data set: what was received, for files whose publisher states no checksum most of all.
NOTES = "received.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file of a data set on this machine; `checked` says whether a published checksum vouches for it."""

    path: Path
    bytes: int
    sha256: str
    checked: bool
    downloaded: bool


class NotFetched(SortlineError):
    """A file could not be downloaded; says how to bring it by hand."""

    def __init__(self, problem: DownloadError, url: str, path: Path) -> None:
        self.problem, self.url, self.path = problem, url, path
        super().__init__(
            f"{problem}. Run the same command again to go on; or download {url} on any machine, put it at {path}, "
            "and run it then."
        )


class WrongChecksum(SortlineError):
    """A file is not the one that was published."""

    def __init__(self, path: Path, expected: str, found: str, stated_by: str | None) -> None:
        self.path, self.expected, self.found = path, expected, found
        super().__init__(
            f"{path} is not what was published: its SHA-256 is {found} instead of {expected} "
            f"(stated by {stated_by or 'its publisher'}). Delete it and run the command again; if that does not "
            "help, the publisher changed the file: look at its page."
        )


class AlreadyFetching(SortlineError):
    """Another process downloads the same data set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"another process downloads into {folder}; let it finish")


class DamagedArchive(SortlineError):
    """An archive without a published checksum that cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is no ZIP archive, or only a part of one; delete it and run the command again"
        )


def fetch(
    dataset: Published,
    folder: Path,
    *,
    base_url: str | None = None,
    progress: Callable[[PublishedFile, Received], None] = lambda _, __: None,
    waits: Sequence[float] = WAITS,
) -> list[Fetched]:
    """The data set's files in `folder`, whole and checked; those already there are not downloaded.

    `base_url` is a mirror that has the files by their names. Proxies are those of the environment.

    Raises:
        NotFetched: one cannot be downloaded; says where to put it by hand.
        WrongChecksum, DamagedArchive: one is not what was published; a downloaded one is kept as `….rejected`.
    """
    notes = _read_notes(folder)
    with _alone(folder), _client() as client:
        fetched: list[Fetched] = []
        for file in dataset.files:
            path = folder / file.name
            url = file.url if base_url is None else f"{base_url.rstrip('/')}/{file.name}"
            downloaded = not path.exists()
            if downloaded:
                _download(client, file, url, path, progress, waits)
            fetched.append(_checked(file, path, downloaded=downloaded))
            notes[file.name] = notes.get(file.name, {}) | _note(fetched[-1], url)
            _write_notes(folder, notes)
    return fetched


def missing(dataset: Published, folder: Path) -> int:
    """About how many bytes are still to download."""
    absent = (file for file in dataset.files if not (folder / file.name).exists())
    arrived = folder.glob("*.part")
    return max(0, sum(file.bytes or 0 for file in absent) - sum(part.stat().st_size for part in arrived))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process downloads into the folder meanwhile; the lock goes with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("ab")
    except OSError as error:
        raise CannotKeep(folder, error.strerror or str(error)) from error
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise AlreadyFetching(folder) from None
        yield


def _client() -> httpx.Client:
    import httpx

    return httpx.Client(
        follow_redirects=True,
        timeout=httpx.Timeout(60.0, connect=15.0),
        headers={"User-Agent": "sortline"},
    )


def _download(
    client: httpx.Client,
    file: PublishedFile,
    url: str,
    path: Path,
    progress: Callable[[PublishedFile, Received], None],
    waits: Sequence[float],
) -> None:
    try:
        download(client, url, path, size=file.bytes, progress=lambda far: progress(file, far), waits=waits)
    except DownloadError as problem:
        raise NotFetched(problem, url, path) from problem


def _checked(file: PublishedFile, path: Path, *, downloaded: bool) -> Fetched:
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    if file.sha256 is not None and sha256 != file.sha256:
        raise WrongChecksum(_aside(path, downloaded), file.sha256, sha256, file.stated_by)
    if file.sha256 is None and path.suffix == ".zip" and not zipfile.is_zipfile(path):
        raise DamagedArchive(_aside(path, downloaded))
    return Fetched(
        path=path,
        bytes=path.stat().st_size,
        sha256=sha256,
        checked=file.sha256 is not None,
        downloaded=downloaded,
    )


def _aside(path: Path, downloaded: bool) -> Path:
    """Out of the way, so that the next run downloads it anew; a file put there by hand is its owner's and stays."""
    return path.replace(path.with_name(f"{path.name}.rejected")) if downloaded else path


def _note(fetched: Fetched, url: str) -> dict[str, object]:
    note: dict[str, object] = {"bytes": fetched.bytes, "sha256": fetched.sha256, "checked": fetched.checked}
    if fetched.downloaded:
        note |= {"url": url, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    return note


def _read_notes(folder: Path) -> dict[str, dict[str, object]]:
    try:
        found = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_notes(folder: Path, notes: dict[str, dict[str, object]]) -> None:
    unfinished = folder / f"{NOTES}.new"
    unfinished.write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / NOTES)
