"""How far an import is: a bar for a person at a terminal, a line now and then for a log."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from sortline.catalogue.importing import Import, State
from sortline.catalogue.store import imports
from sortline.db.session import reading

# Seconds between lines in a log, and between looks at another process's import.
LOG_S, LOOK_S = 5.0, 0.5


@contextmanager
def showing(begun: Import) -> Iterator[Callable[[Import], None]]:
    """What to call with the import as it comes on; on stderr, so that stdout has the report alone."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("importing", total=begun.total, completed=begun.done)

        def update(found: Import) -> None:
            refused = found.outcomes.get("refused", 0)
            words = f"importing, {refused} refused" if refused else "importing"
            bar.update(task, total=found.total, completed=found.done, description=words)

        yield update


def follow(engine: Engine, import_id: str, stop: threading.Event) -> Import:
    """The import that another process is at work on, once that has ended or this one is told to stop."""
    found = _look(engine, import_id)
    with showing(found) as progress:
        while found.state in (State.QUEUED, State.RUNNING) and not stop.wait(LOOK_S):
            found = _look(engine, import_id)
            progress(found)
    return found


def _look(engine: Engine, import_id: str) -> Import:
    with reading(engine) as session:
        return imports.get(session, import_id)


def _lines() -> Callable[[Import], None]:
    last = time.monotonic()

    def update(found: Import) -> None:
        nonlocal last
        if time.monotonic() - last >= LOG_S:
            last = time.monotonic()
            typer.echo(
                f"{found.done} of {found.total} files, {found.outcomes.get('added', 0)} added", err=True
            )

    return update
