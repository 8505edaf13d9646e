"""`sortline data fetch`: a well-known data set from its publisher, its licence first."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from sortline.cli.options import DataDir, settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.catalogue.publishers import Published, PublishedFile
    from sortline.flows.download import Received
    from sortline.flows.fetch import Fetched

# Seconds between lines in a log.
_LOG_S = 5.0


class NotAccepted(SortlineError):
    """Nobody was there to accept the licence."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"the licence of {name} was not accepted, and this is no terminal to ask at; if you accept it, "
            "add --yes"
        )


def fetch(
    name: Annotated[
        str | None,
        typer.Argument(help="realwaste, trashnet, fashion-mnist or cats-vs-dogs; none lists them."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the data set's licence.")] = False,
    import_: Annotated[
        str | None, typer.Option("--import", metavar="LINE", help="Import it into this line; made if needed.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A mirror that has the files by their names.", show_default="the publisher"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Download a public data set, or take the files put in its folder by hand, and check them."""
    from sortline.catalogue.publishers import published
    from sortline.flows.fetch import fetch as fetch_files
    from sortline.flows.fetch import missing

    if name is None:
        _list()
        return
    dataset = published(name)
    folder = settings(data_dir=data_dir).data_dir.absolute() / "downloads" / dataset.name
    _accept(dataset, missing(dataset, folder), yes=yes)
    folder.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # as the installation makes it
    with _showing() as progress:
        fetched = fetch_files(dataset, folder, base_url=url, progress=progress)
    for file in fetched:
        typer.echo(_told(file))
    _go_on(dataset, folder, import_, data_dir)


def _list() -> None:
    from sortline.catalogue.publishers import DATASETS

    table = Table("name", "what", "licence", "MiB", box=None, header_style="bold")
    for one in DATASETS.values():
        table.add_row(one.name, one.title, one.licence, f"{one.bytes / 2**20:,.0f}")
    Console().print(table)


def _accept(dataset: "Published", size: int, *, yes: bool) -> None:
    """Returns once the licence is accepted."""
    typer.echo(f"{dataset.title}\n  from     {dataset.homepage}\n  licence  {dataset.licence}")
    typer.echo(f"           {dataset.conditions}\n  cite     {dataset.cite}")
    if size:
        typer.echo(f"  size     {size / 2**20:,.0f} MiB to download")
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotAccepted(dataset.name)
    if not typer.confirm("Do you accept this licence?"):
        raise typer.Exit(1)


def _go_on(dataset: "Published", folder: Path, line: str | None, data_dir: Path | None) -> None:
    """The import, or how to start it."""
    location = str(dataset.location(folder))
    if line is None:
        quoted = f'"{location}"' if " " in location else location
        command = f"sortline data import {quoted} --kind {dataset.kind} --line {dataset.name} --create-line"
        typer.echo(f"Next: {command}")
        return
    from sortline.cli.data_import import import_

    import_(location, line=line, kind=dataset.kind, create_line=True, data_dir=data_dir)


def _told(file: "Fetched") -> str:
    how = "downloaded" if file.downloaded else "was there"
    checked = (
        "its checksum is the published one" if file.checked else "its publisher states no checksum; noted"
    )
    return f"{file.path.name}: {how}, {file.bytes / 2**20:,.1f} MiB, SHA-256 {file.sha256[:12]}…: {checked}"


@contextmanager
def _showing() -> "Iterator[Callable[[PublishedFile, Received], None]]":
    """What to call as bytes arrive; on stderr, a bar for a person and lines for a log."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        tasks: dict[str, int] = {}

        def update(file: "PublishedFile", far: "Received") -> None:
            if file.name not in tasks:
                tasks[file.name] = bar.add_task(file.name, total=far.total, completed=far.done)
            bar.update(bar.task_ids[tasks[file.name]], total=far.total, completed=far.done)

        yield update


def _lines() -> "Callable[[PublishedFile, Received], None]":
    last = time.monotonic()

    def update(file: "PublishedFile", far: "Received") -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_S:
            last = time.monotonic()
            of = "" if far.total is None else f" of {far.total >> 20:,}"
            typer.echo(f"{file.name}: {far.done >> 20:,}{of} MiB", err=True)

    return update
