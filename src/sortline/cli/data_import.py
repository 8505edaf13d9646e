"""`sortline data import` and `imports`: pictures of a source into a line, and what became of each."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortline.cli.options import DataDir, settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from types import FrameType

    from sortline.catalogue.importing import Import, Options
    from sortline.cli.data_report import Told
    from sortline.wiring import Installation

INTERRUPTED = 130  # 128 + SIGINT, as shells say it

OfLine = Annotated[str, typer.Option("--line", help="The line whose catalogue they join.")]
OnlyLine = Annotated[
    str | None, typer.Option("--line", help="Only those of this line.", show_default="all lines")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


class NoSuchLine(SortlineError):
    """The line to import into does not exist."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        super().__init__(
            f"there is no line {name!r} (known: {', '.join(known) or 'none'}); add --create-line to make it"
        )


class Contradiction(SortlineError):
    """Options that cannot both be meant."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second} cannot both be meant; leave one out")


def import_(
    location: Annotated[str, typer.Argument(help="Folder, ZIP, COCO export, manifest, idx file or URL.")],
    line: OfLine,
    kind: Annotated[
        str | None, typer.Option(help="folder, zip, coco, manifest, idx or prefix.", show_default="found out")
    ] = None,
    crops: Annotated[bool, typer.Option("--crops", help="COCO: one picture of each box.")] = False,
    label: Annotated[
        str | None, typer.Option(help="The class of pictures that have none by their place.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="idx: the classes' names in order, commas between.")
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="Folders: leave the pictures where they lie; nothing is copied."),
    ] = False,
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Where a picture has another label, this one becomes current.")
    ] = False,
    resplit: Annotated[
        bool, typer.Option("--resplit", help="Move pictures of leaking groups into one split.")
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Take pictures out of use that leak between splits.")
    ] = False,
    new_classes: Annotated[
        bool, typer.Option("--new-classes/--no-new-classes", help="Labels nobody knows become classes.")
    ] = True,
    version: Annotated[
        bool, typer.Option("--version/--no-version", help="Make a version of what was imported.")
    ] = True,
    name: Annotated[str | None, typer.Option(help="The version's name.", show_default="the source's")] = None,
    create_line: Annotated[
        bool, typer.Option("--create-line", help="Make the line if there is none.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write every file that was not taken as it stood to this CSV file.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Import labelled pictures. Run again after any end: it goes on where it was, and adds nothing twice."""
    if resplit and drop:
        raise Contradiction("--resplit", "--drop")
    from sortline.catalogue.importing import Options
    from sortline.wiring import installation

    options = Options(
        crops=crops,
        label=label,
        labels=tuple(part.strip() for part in labels.split(",")) if labels else None,
        in_place=in_place,
        relabel=relabel,
        new_classes=new_classes,
        leaks="resplit" if resplit else "drop" if drop else None,
        version=version,
        name=name,
        outside=True,  # whoever types the command may read these files anyway
    )
    with installation(settings(data_dir=data_dir)) as ready:
        line_id = _line(ready, line, create=create_line)
        told = _import(ready, line_id, _located(location), kind, options)
        _tell(ready, line, told, report, as_json=as_json)


def imports(line: OnlyLine = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List imports, newest first."""
    from sortline.catalogue.store.imports import recent
    from sortline.cli.data_report import listed
    from sortline.db.session import reading
    from sortline.lines import store as lines
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        names = {found.id: found.name for found in lines.list_lines(session)}
        only = lines.get_line(session, line).id if line is not None else None
        found = recent(session, line_id=only)
    if as_json:
        listed(found, names, sys.stdout)
        return
    table = Table("import", "line", "kind", "state", "files", "added", "refused", "source", box=None)
    for one in found:
        files = f"{one.done}" if one.total in (None, one.done) else f"{one.done} of {one.total}"
        added, refused = (str(one.outcomes.get(key, 0)) for key in ("added", "refused"))
        source = Text(one.location, overflow="fold")
        table.add_row(one.id[:13], names.get(one.line_id), one.kind, one.state, files, added, refused, source)
    console = Console(soft_wrap=True)
    if not console.is_terminal:  # a pipe has no width, and a path broken in two could not be used
        console.width = 10_000
    console.print(table)


def _located(location: str) -> str:
    """An absolute path, so that another process finds it too; URLs as they are."""
    return location if "://" in location else str(Path(location).expanduser().absolute())


def _line(ready: "Installation", name: str, *, create: bool) -> int:
    from sortline.db.session import writing
    from sortline.flows.lines import create_line
    from sortline.lines import store as lines
    from sortline.lines.line import UnknownLine

    with writing(ready.engine) as session:
        try:
            return lines.get_line(session, name).id
        except UnknownLine as error:
            if not create:
                raise NoSuchLine(name, error.known) from None
        return create_line(session, ready.bundles_dir, name, who="cli", reason="made for an import").id


def _import(
    ready: "Installation", line_id: int, location: str, kind: str | None, options: "Options"
) -> "Import":
    """The import as it ended here or, where another process is at work on it, there."""
    from sortline.catalogue.importing import ImportBusy, State
    from sortline.cli.progress import follow, showing
    from sortline.db.session import writing
    from sortline.flows.finish import finish_import
    from sortline.flows.ingest import Request, open_for, run_import, start_import
    from sortline.wiring import import_tools

    source = open_for(Request(location=location, kind=kind, options=options))
    with source, stopped_by_signals() as stop:
        for note in source.problems:
            typer.echo(note, err=True)
        with writing(ready.engine) as session:
            begun = start_import(session, line_id, source, options, who="cli")
        try:
            with showing(begun) as progress:
                return run_import(
                    import_tools(ready),
                    begun.id,
                    finish=finish_import,
                    progress=progress,
                    stop=stop,
                    stopped_as=State.CANCELLED,
                    source=source,
                )
        except ImportBusy as busy:
            typer.echo(f"Another process ({busy.runner}) is at work on this import; following it.", err=True)
            return follow(ready.engine, begun.id, stop)
        except SortlineError:
            typer.echo("What was taken so far is kept; the same command goes on from there.", err=True)
            raise


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends at once."""
    stop = threading.Event()

    def ask(_number: int, _frame: "FrameType | None") -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    handled: dict[signal.Signals, Callable[..., object] | int | None] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        handled[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, before in handled.items():
            signal.signal(number, before)


def _tell(ready: "Installation", line: str, found: "Import", report: Path | None, *, as_json: bool) -> None:
    from sortline.catalogue.importing import State
    from sortline.cli import data_report

    if report is not None:
        data_report.write_csv(ready.engine, found.id, report)
    told: Told = data_report.gather(ready.engine, line, found, report)
    (data_report.as_json if as_json else data_report.as_text)(told, sys.stdout)
    if found.state is not State.DONE:
        typer.echo(
            f"Stopped after {found.done} of {found.total} files; the same command goes on from there.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED if found.state is State.CANCELLED else 1)
    if not any(count for name, count in found.outcomes.items() if name not in ("refused", "ignored")):
        typer.echo("No picture was taken.", err=True)
        raise typer.Exit(1)
