"""What is told of a run: its outcome with every check, and what to do next; or everything, as the API tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.text import Text

from sortline.cli.data_versions import console

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sortline.api.run_views import RunDetail
    from sortline.flows.runs import RunState

# How an artefact that people read first is called.
REPORT = "report.html"


def detail_of(engine: Engine, line: str, state: RunState) -> RunDetail:
    """Everything that is known of the run, the same document that the API gives."""
    from sortline.api.run_views import run_detail
    from sortline.db.session import reading

    with reading(engine) as session:
        return run_detail(session, line, state)


def tell(run: RunDetail) -> None:
    """The run for people, on stdout."""
    out = console()
    out.print(Text(f"{run.line}: run {run.id} ({run.method}{_version(run)}) {_state(run)}"))
    for words in (*_data(run), *_candidate(run)):
        out.print(Text(words))
    for check in (run.verdict or {}).get("checks", ()):
        mark, style = ("✓", "green") if check["passed"] else ("✗", "red")
        out.print(Text.assemble((f"  {mark} ", style), f"{check['name']}: {check['detail']}"))
    if run.verdict is not None:
        out.print(Text(f"Verdict: {run.verdict['text']}"))
    for words in _next(run):
        out.print(Text(words))


def _version(run: RunDetail) -> str:
    return "" if run.version is None else f" on version {run.version}"


def _state(run: RunDetail) -> str:
    if run.state == "failed":
        return f"failed: {run.error}"
    return "is being cancelled" if run.cancelling and run.state == "running" else run.state


def _data(run: RunDetail) -> Iterator[str]:
    for words, kind in (
        ("Pictures of the version", "pictures"),
        ("Remembered by the live bundle", "remembered"),
    ):
        parts = run.data.get(kind)
        if parts and any(parts.values()):
            yield f"{words}: {', '.join(f'{count:,} {part}' for part, count in parts.items())}"


def _candidate(run: RunDetail) -> Iterator[str]:
    if run.bundle is None:
        return
    beside = f", beside {run.live.name} {run.live.hash[:12]}" if run.live else ", with nothing live beside it"
    yield f"Candidate: {run.bundle.name} {run.bundle.hash[:12]}{beside}"


def _next(run: RunDetail) -> Iterator[str]:
    """What can be done now."""
    promote = f"sortline models promote {run.bundle.hash[:12]} --line {run.line}" if run.bundle else ""
    if run.serving:
        yield "It is live."
    elif run.promote:
        yield f"To make it live: {promote}"
    elif run.verdict is not None:
        yield f"What is live stays. To make it live all the same: {promote} --force --reason WHY"
    if REPORT in run.artefacts:
        yield f"To read more: sortline runs report {run.id} --line {run.line}"
    elif run.state == "failed":
        yield f"To read more: sortline runs log {run.id} --line {run.line}"
