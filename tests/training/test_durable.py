"""Files are there whole or not at all."""

import errno
from pathlib import Path

import pytest

from sortline.training.durable import write_text, write_whole


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A checkpoint that does not fit leaves the one before, and nothing beside it."""
    path = tmp_path / "checkpoint.pt"
    write_text(path, "before")

    def fill(beside: Path) -> None:
        beside.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, fill)

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
