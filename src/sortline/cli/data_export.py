"""`sortline data export`: a version of a line's pictures, or all it has, as other programs read them."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from sortline.catalogue.layouts.layout import Format
from sortline.cli.data_import import AsJson, Contradiction
from sortline.cli.options import DataDir, OfLine, line_name, settings

if TYPE_CHECKING:
    from sortline.flows.export import Exported

# Seconds between lines in a log.
_LOG_S = 5.0


def export(
    target: Annotated[Path, typer.Argument(help="The folder to make; it must be new or empty.")],
    line: OfLine = None,
    as_: Annotated[
        Format,
        typer.Option(
            "--as",
            help="Class folders, COCO (one box a picture), a manifest, or what Hugging Face `imagefolder` reads.",
        ),
    ] = Format.FOLDERS,
    version: Annotated[
        str | None, typer.Option(help="A version's number or name.", show_default="the active one")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="All the line has, with current labels, in no version's order."),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Export labelled pictures with their splits; exit code 1 if some are lost. The folder is whole or not there."""
    if everything and version is not None:
        raise Contradiction("--everything", "--version")
    from sortline.catalogue.store.versions import get_version
    from sortline.db.session import reading
    from sortline.flows.export import export as write
    from sortline.flows.members import line_members, version_members
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        with reading(ready.engine) as session:
            line_id = get_line(session, line).id
            chosen = None if everything else get_version(session, line_id, version)
        members = line_members(ready.engine, line_id)
        if chosen is not None:
            members = version_members(ready.engine, chosen)
        facts = {"line": line, "version": chosen.number if chosen else None}
        with _showing(chosen.size if chosen else None) as progress:
            exported = write(ready.engine, ready.blobs, members, target, as_, facts=facts, progress=progress)
    _tell(exported, target, facts, as_json=as_json)
    if exported.lost:
        raise typer.Exit(1)


def _tell(exported: "Exported", target: Path, facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        document = {
            **facts,
            "folder": str(target),
            "format": exported.format,
            "written": exported.written,
            "bytes": exported.bytes,
            "classes": exported.classes,
            "splits": exported.splits,
            **_left_out(exported),
            "lost_examples": exported.lost_examples,
        }
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return
    console = Console(highlight=False, soft_wrap=True)
    splits = ", ".join(f"{count} {split}" for split, count in exported.splits.items()) or "none"
    console.print(Text(f"{exported.written} pictures in {target}: {splits}."))
    for kind, count in _left_out(exported).items():
        if count:
            console.print(
                Text(f"{count} left out: {_WORDS[kind]}.", style="red" if kind == "lost" else "yellow")
            )
    for sha256 in exported.lost_examples:
        console.print(Text(f"  {sha256}"))


_WORDS = {
    "erased": "erased for good",
    "lost": "their bytes are gone; see sortline data check",
    "unlabelled": "without a label",
    "unsplit": "in no split, which only a manifest can tell",
}


def _left_out(exported: "Exported") -> dict[str, int]:
    return {kind: getattr(exported, kind) for kind in _WORDS}


@contextmanager
def _showing(total: int | None) -> "Iterator[Callable[[Exported], None]]":
    """What to call as the export comes on; on stderr, so that stdout has the report alone."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("exporting", total=total)
        yield lambda so_far: bar.update(task, completed=so_far.seen)


def _lines() -> "Callable[[Exported], None]":
    last = time.monotonic()

    def update(so_far: "Exported") -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_S:
            last = time.monotonic()
            typer.echo(f"{so_far.seen} pictures, {so_far.written} written", err=True)

    return update
