"""Logs on stderr: one JSON object a line for machines, plain lines for a person at a terminal."""

import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime

_NO_ID: Callable[[], str | None] = lambda: None  # noqa: E731  # a default that reads as what it gives
# What every record has; all else came in by `extra`.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "color_message",
    "taskName",
}


def configure(level: str, *, request_id: Callable[[], str | None] = _NO_ID) -> None:
    """From now on Sortline logs from `level` on, everything else warnings.

    Args:
        level: debug, info, warning or error.
        request_id: Gives the id of the request being served, if any; a record's own `request_id` goes before it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_RequestId(request_id))
    handler.setFormatter(Plain() if sys.stderr.isatty() else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    logging.getLogger("sortline").setLevel(level.upper())
    logging.captureWarnings(True)


class JsonLines(logging.Formatter):
    """`time`, `level`, `logger`, `message`, then `exception` and whatever `extra` gave; one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one JSON object."""
        entry: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


class Plain(logging.Formatter):
    """The same for a person: time of day, level, message, the request's id."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, and a traceback below where there is one."""
        clock = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        request = getattr(record, "request_id", None)
        line = f"{clock} {record.levelname.lower():7} {record.getMessage()}" + (
            f" [{request}]" if request else ""
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _RequestId(logging.Filter):
    """Gives every record the id of the request it belongs to."""

    def __init__(self, current: Callable[[], str | None]) -> None:
        super().__init__()
        self._current = current

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id") and (found := self._current()):
            record.request_id = found
        return True


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
