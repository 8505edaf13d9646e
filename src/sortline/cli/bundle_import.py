"""`sortline bundles import MODEL`: a network made elsewhere, with its way of reading pictures measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.flows.import_model import Imported, Observer

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
        yield _line
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bar:
        task = bar.add_task("importing", total=None)
        yield lambda what, done, total: bar.update(
            task, description=what, total=max(total, done) or None, completed=done
        )


def _line(what: str, done: int, total: int) -> None:
    """Into a log only the steps go, not each trial."""
    if done <= 1:
        typer.echo(what if total == 0 else f"trying {total} ways of reading pictures", err=True)
