"""Names of processes at work, by which others tell whether they still live."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil


def new_runner() -> str:
    """A name for a process at work: machine, process, when that began, and what tells its turns apart."""
    begun = psutil.Process().create_time()
    return f"{_machine()}/{os.getpid()}/{begun:.2f}/{uuid4().hex[:8]}"


def is_gone(runner: str) -> bool:
    """Whether the process is known to have ended: it ran on this machine and there is none like it now."""
    try:
        machine, pid, begun, _ = runner.rsplit("/", 3)
        if machine != _machine():
            return False
        found = psutil.Process(int(pid))
        # A zombie has ended; only its parent does not know yet.
        same = abs(found.create_time() - float(begun)) < 1
        return not same or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False


@cache
def _machine() -> str:
    """What process numbers mean something within: two containers of one host name do not see each other's."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        return f"{socket.gethostname()[:100]}-{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # only Linux has these
        return socket.gethostname()[:100]
