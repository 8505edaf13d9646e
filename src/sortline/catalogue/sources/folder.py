"""The files of a folder on this machine."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from sortline.catalogue.sources.files import File, PathList
from sortline.catalogue.sources.item import DEFAULT_LIMITS, Closing, FileRefused, SourceError, SourceLimits

# Stored as a number beside each path, so that a million files need no million refusals in memory.
_REFUSALS = (
    None,
    ("symlink", "a link to a place outside the folder is not followed"),
    ("symlink", "a link to a folder is not followed; import that folder by itself"),
    ("not-a-file", "neither a file nor a folder"),
    ("empty", "the file is empty (0 bytes)"),
    ("too-large", "the file is larger than a picture may be"),
    ("unreadable", "the folder cannot be opened; check its permissions"),
    ("unreadable", "the file vanished or cannot be looked at"),
)
_OUTSIDE, _LINKED_FOLDER, _SPECIAL, _EMPTY, _LARGE, _CLOSED, _GONE = range(1, 8)


class FolderFiles(Closing):
    """Every file below a folder, a folder's own files first, then its sub-folders, each sorted by name.

    Links are followed to files within the folder, never out of it and never to folders.

    Raises:
        SourceError: the folder cannot be opened, or holds more files than the limit.
    """

    def __init__(self, folder: Path, limits: SourceLimits = DEFAULT_LIMITS) -> None:
        self._top = folder.resolve()
        self.location = str(folder)
        self._limits = limits
        self._paths = PathList()
        self._digest = hashlib.sha256()
        try:
            self._walk()
        except OSError as error:
            raise UnreadableFolder(folder, error.strerror or str(error)) from error
        self.total = self._paths.total
        self.fingerprint = self._digest.hexdigest()
        self.problems: tuple[str, ...] = ()

    def files(self, start: int = 0) -> Iterator[File]:
        """See `Files`."""
        for position, path, code in self._paths.since(start):
            place = self._top / path
            yield File(
                position=position,
                path=path,
                read=partial(read_within, place, self._top, self._limits.entry_bytes),
                place=place,
                refusal=_REFUSALS[code],
            )

    def document(self, file: File, limit: int) -> bytes:
        """See `Files`."""
        return read_within(self._top / file.path, self._top, limit)

    def _walk(self) -> None:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(self._top / folder if folder else self._top) as scan:
                    entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
            except OSError:
                if not folder:
                    raise
                self._add(folder, _CLOSED, None)
                continue
            inner = []
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    inner.append(path)
                else:
                    self._look(entry, path)
            waiting.extend(reversed(inner))

    def _look(self, entry: os.DirEntry[str], path: str) -> None:
        try:
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                target = Path(entry.path).resolve()
                if target.is_dir():
                    self._add(path, _LINKED_FOLDER, facts)
                    return
                if not target.is_relative_to(self._top):
                    self._add(path, _OUTSIDE, facts)
                    return
                facts = target.stat()
        except (OSError, RuntimeError):  # RuntimeError: links in a circle
            self._add(path, _GONE, None)
            return
        self._add(path, self._code(facts), facts)

    def _code(self, facts: os.stat_result) -> int:
        if not stat.S_ISREG(facts.st_mode):
            return _SPECIAL
        if facts.st_size == 0:
            return _EMPTY
        return _LARGE if facts.st_size > self._limits.entry_bytes else 0

    def _add(self, path: str, code: int, facts: os.stat_result | None) -> None:
        if self._paths.total >= self._limits.entries:
            raise TooManyFiles(self.location, self._limits.entries)
        size, changed = (facts.st_size, facts.st_mtime_ns) if facts else (0, 0)
        self._digest.update(f"{path}\0{code} {size} {changed}\n".encode("utf-8", "surrogateescape"))
        self._paths.append(path, code)


def read_within(place: Path, top: Path | None, limit: int) -> bytes:
    """The file's bytes, if it still is a plain file of at most `limit` bytes within `top` (None: anywhere).

    Raises:
        FileRefused: it became something else since it was listed.
        OSError: it cannot be read.
    """
    if top is not None and not place.resolve().is_relative_to(top):
        raise FileRefused("symlink", "a link to a place outside the folder is not followed")
    # A pipe put in place of a file would otherwise wait for a writer for ever.
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileRefused("not-a-file", "neither a file nor a folder")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise FileRefused(
            "too-large", f"the file is larger than {limit:,} bytes, the most a picture may have"
        )
    return data


class UnreadableFolder(SourceError):
    """The folder cannot be listed."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        self.reason = reason
        super().__init__(f"cannot list the folder {folder}: {reason}; check the path and its permissions")


class TooManyFiles(SourceError):
    """More files than one import takes."""

    code = "too-many-files"

    def __init__(self, location: str, limit: int) -> None:
        self.location = location
        self.limit = limit
        super().__init__(f"{location} holds more than {limit:,} files; import its parts one by one")
