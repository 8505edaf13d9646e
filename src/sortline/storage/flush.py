"""What was written is brought from the kernel's memory onto the disk."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

# Their syncfs waits for data and journal, and tells of failures; FUSE's and overlay's may not. From linux/magic.h.
_EXT4, _XFS, _BTRFS = 0xEF53, 0x58465342, 0x9123683E
# Since 5.8 syncfs tells of a page that could not be written, since 5.17 also of a journal that could not be.
_KERNEL = (5, 17)
# SYNC_FILE_RANGE_WRITE of linux/fs.h: writing begins, and nothing is waited for.
_WRITE = 2


def begin_flush(descriptor: int) -> None:
    """What was written to a file is on its way to the disk; that it arrived, and how, only `os.fsync` tells.

    On Linux; elsewhere nothing happens before that.
    """
    if (start := _sync_file_range()) is not None:
        start(descriptor, 0, 0, _WRITE)


def flush_folder(folder: Path) -> None:
    """What was made, renamed and deleted in a folder is on the disk."""
    if os.name == "nt":
        # Windows opens no folders; NTFS journals the rename itself.
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flushes_at_once(folder: Path) -> bool:
    """Whether `filesystem` can be trusted with a folder: Linux 5.17 on ext4, XFS or Btrfs."""
    if sys.platform != "linux":
        return False
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if version is None or (int(version[1]), int(version[2])) < _KERNEL:
        return False
    return _kind(folder) in (_EXT4, _XFS, _BTRFS) and hasattr(ctypes.CDLL(None), "syncfs")


@contextmanager
def filesystem(folder: Path) -> Iterator[Callable[[], None]]:
    """Brings all that was written to a folder's file system onto the disk, each time it is called.

    It raises OSError if a write to that file system, since this was entered, could not be brought there.
    """
    # The kernel counts failures from when the folder is opened, so that must come before the first write.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    libc = ctypes.CDLL(None, use_errno=True)

    def flush() -> None:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))

    try:
        yield flush
    finally:
        os.close(descriptor)


@cache
def _sync_file_range() -> Any:
    found = getattr(ctypes.CDLL(None), "sync_file_range", None) if sys.platform == "linux" else None
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return found


def _kind(folder: Path) -> int | None:
    """What kind of file system a folder is on, as in linux/magic.h."""
    # struct statfs begins with it, a word; nothing else of it is read.
    status = ctypes.create_string_buffer(1024)
    if ctypes.CDLL(None).statfs(os.fsencode(folder), status) != 0:
        return None
    return ctypes.c_long.from_buffer(status).value
