"""How far a run is: phase, bar, time left and figures for a person at a terminal, lines for a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text
from sqlalchemy import Engine

from sortline.db.session import reading
from sortline.flows.runs import RunState, get_run
from sortline.jobs.job import LogLine, State
from sortline.jobs.store import log_after

# Seconds between looks.
LOOK_S = 0.2
_LINES = 500
# Of a job's progress what is no figure.
_NO_FIGURES = ("phase", "done", "total", "eta_s")

Show = Callable[[RunState, Sequence[LogLine]], None]


def follow_run(
    engine: Engine, line_id: int, run_id: str, stop: Event, *, check: Callable[[], None] = lambda: None
) -> RunState:
    """The run as it ended, or as it is when `stop` is set; shown meanwhile on stderr. Each look calls `check`."""
    after = 0
    with _showing() as show:
        while True:
            with reading(engine) as session:
                state = get_run(session, line_id, run_id)
                lines = log_after(session, state.job.id, after, _LINES)
            show(state, lines)
            after = lines[-1].number if lines else after
            if (state.job.ended and len(lines) < _LINES) or stop.wait(LOOK_S):
                return state
            check()


@contextmanager
def _showing() -> Iterator[Show]:
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _print_lines
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[left]}"),
        TextColumn("[dim]{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("waits for a worker", total=None, left="", figures="")

        def show(state: RunState, lines: Sequence[LogLine]) -> None:
            for line in lines:
                bar.console.print(Text(line.text))
            told = state.job.progress
            words = f"{told.get('phase', 'begins')}{_count(told)}"
            waits = "waits for a worker" if state.job.state is State.QUEUED else escape(words)
            bar.update(
                task,
                description=waits,
                completed=told.get("done", 0),
                total=told.get("total"),
                left=_left(told),
                figures=escape(_figures(told)),
            )

        yield show


def _print_lines(_: RunState, lines: Sequence[LogLine]) -> None:
    for line in lines:
        typer.echo(line.text, err=True)


def _count(told: Mapping[str, Any]) -> str:
    if "done" not in told:
        return ""
    return f" {told['done']} of {told['total']}" if "total" in told else f" {told['done']}"


def _left(told: Mapping[str, Any]) -> str:
    left = told.get("eta_s")
    if not isinstance(left, (int, float)):
        return ""
    return f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left"


def _figures(told: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4g}"
        for name, value in told.items()
        if name not in _NO_FIGURES and isinstance(value, (int, float))
    )
