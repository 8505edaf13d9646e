"""Files that are there whole or not at all, also after a power cut."""

import os
from collections.abc import Callable
from pathlib import Path

from sortline.storage.flush import flush_folder


def write_text(path: Path, text: str) -> None:
    """The text at `path`, in UTF-8."""
    write_whole(path, lambda beside: beside.write_bytes(text.encode()))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """What `write` puts into the path it is given, at `path`: on the disk when this returns.

    A disk that is full leaves what was there before.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    flush_folder(path.parent)
