"""Logs: one JSON object a line, with the request they belong to."""

import json
import logging
from collections.abc import Iterator

import pytest

from sortline.cli import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The test's logging does not outlive it."""
    root, own = logging.getLogger(), logging.getLogger("sortline")
    before = root.handlers[:], root.level, own.level
    yield
    root.handlers[:], root.level, own.level = before
    logging.captureWarnings(False)


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Time in UTC, level, logger, message, the request's id, and what `extra` gave."""
    logs.configure("info", request_id=lambda: "r1")
    logging.getLogger("sortline.requests").info("GET %s", "/\n", extra={"duration_ms": 1.5})
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "logger": "sortline.requests",
        "message": "GET /\n",
        "duration_ms": 1.5,
        "request_id": "r1",
    }


def test_a_records_own_request_id_goes_first(capsys: pytest.CaptureFixture[str]) -> None:
    """A thread that works for a request names it itself."""
    logs.configure("info", request_id=lambda: "of the loop")
    logging.getLogger("sortline").info("done", extra={"request_id": "own"})
    assert json.loads(capsys.readouterr().err)["request_id"] == "own"


def test_an_exception_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback is a field, not more lines."""
    logs.configure("info")
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("sortline").exception("failed")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "ValueError: no" in json.loads(line)["exception"]


def test_level_is_sortlines_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Debug shows what Sortline does, not what every library under it does."""
    logs.configure("debug")
    logging.getLogger("httpx").info("chatter")
    logging.getLogger("sortline").debug("seen")
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["seen"]
