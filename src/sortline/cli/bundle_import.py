"""`sortline bundles import MODEL`: a network made elsewhere, with its way of reading pictures measured."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.engine.foreign.measuring import Observer
    from sortline.flows.import_model import Imported

# Seconds between lines in a log.
LOG_S = 5.0
# What is a network of somebody else's, not a bundle.
SUFFIXES = frozenset(
    {".onnx", ".keras", ".h5", ".hdf5", ".tflite", ".pb", ".xml", ".pt", ".pth", ".safetensors", ".ckpt"}
)


class ClassesNeeded(SortlineError):
    """A network does not say what its outputs mean."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} is a network, not a bundle: name the classes of its outputs, in their order, "
            "with --classes FILE (one a line) or --classes a,b,c"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignOptions:
    """What the command line says of a network; see `sortline.flows.import_model.Request`."""

    classes: str | None = None
    photos: Path | None = None
    preprocess: str = "auto"
    name: str | None = None
    size: int | None = None
    licence: str | None = None
    data_licence: str | None = None


def is_foreign(path: Path) -> bool:
    """Whether it is a network in a file of its own or a SavedModel folder, by its name alone."""
    return path.suffix.lower() in SUFFIXES or (path / "saved_model.pb").is_file()


def import_foreign(path: Path, options: ForeignOptions, folder: Path) -> None:
    """Write the network's bundle to `folder` and print what was measured and what a person must know.

    Raises:
        ClassesNeeded, ForeignModelError: nothing was written.
    """
    from sortline.engine.foreign.classes import read_classes
    from sortline.flows.import_model import Request, import_model

    if options.classes is None:
        raise ClassesNeeded(path)
    request = Request(
        path=path,
        classes=read_classes(options.classes),
        preprocess=options.preprocess,
        photos=options.photos,
        name=options.name,
        size=options.size,
        licence=options.licence,
        data_licence=options.data_licence,
    )
    with _showing() as observe:
        imported = import_model(request, folder, observe)
    _report(imported)


def _report(imported: Imported) -> None:
    if imported.tried:
        Console().print(_table(imported))
    typer.echo(f"It reads pictures as {imported.reading.name}: {imported.reading.words}.")
    for note in imported.notes:
        typer.echo(f"Mind: {note}")


def _table(imported: Imported) -> Table:
    table = Table("preprocessing", "right", "accuracy", "loss", "", box=None, header_style="bold")
    for column in table.columns[1:4]:
        column.justify = "right"
    for tried in imported.tried:
        taken = tried.reading == imported.reading
        table.add_row(
            tried.reading.name,
            f"{tried.right} of {tried.total}",
            f"{tried.accuracy:.1%}".replace("%", " %"),
            f"{tried.loss:.3f}",
            "taken" if taken else "",
            style="bold" if taken else None,
        )
    return table


@contextmanager
def _showing() -> Iterator[Observer]:
    """What to call as the import comes on; on stderr, so that stdout has the report alone."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("importing", total=None, count="")
        yield lambda what, done, total: bar.update(
            task, description=what, total=total or None, completed=done, count=_count(done, total)
        )


def _lines() -> Observer:
    """Into a log goes each step as it begins, and how far a long one is now and then."""
    step, told = "", 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal step, told
        if what != step or (total and time.monotonic() - told >= LOG_S):
            typer.echo(what if what != step else f"{what}: {_count(done, total)}", err=True)
            step, told = what, time.monotonic()

    return tell


def _count(done: int, total: int) -> str:
    return f"{done} of {total}" if total else ""
