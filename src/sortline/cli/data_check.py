"""`sortline data check`: whether pictures, rows and summaries agree, and what leaks between splits."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer
from rich.console import Console
from rich.text import Text

from sortline.cli.data_import import AsJson, Contradiction, OnlyLine
from sortline.cli.options import DataDir, settings

if TYPE_CHECKING:
    from sortline.flows.check import BlobReport, Found
    from sortline.flows.check_line import LineReport


def check(
    line: OnlyLine = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read every picture and compare its hash.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what no row names, and write summaries anew.")
    ] = False,
    resplit: Annotated[bool, typer.Option("--resplit", help="Give every leaking group one split.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Take pictures that leak out of use.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check that pictures and database agree; exit code 1 if something is wrong and was not mended."""
    if resplit and drop:
        raise Contradiction("--resplit", "--drop")
    from sortline.db.session import reading
    from sortline.flows.check import check_blobs
    from sortline.flows.check_line import check_line
    from sortline.lines import store as lines
    from sortline.wiring import import_tools, installation

    with installation(settings(data_dir=data_dir)) as ready:
        with reading(ready.engine) as session:
            chosen = [lines.get_line(session, line)] if line is not None else lines.list_lines(session)
        blobs = check_blobs(ready.engine, ready.blobs, deep=deep, repair=repair)
        leaks: Mending = "resplit" if resplit else "drop" if drop else None
        trained = import_tools(ready).trained
        found = [check_line(ready.engine, one, repair=repair, leaks=leaks, trained=trained) for one in chosen]
    if as_json:
        sys.stdout.write(json.dumps(_document(blobs, found), indent=1) + "\n")
    else:
        _print(blobs, found)
    if not (blobs.sound and all(one.sound for one in found)):
        raise typer.Exit(1)


Mending: TypeAlias = Literal["resplit", "drop"] | None
FAULTS = {
    "missing": "blobs whose bytes are gone; put the file back from a backup, or erase the picture",
    "damaged": "blobs whose bytes are not theirs; put the file back from a backup",
    "orphans": "blobs that no row names; --repair removes them",
    "undead": "erased pictures whose bytes are still there; --repair removes them",
}


def _print(blobs: "BlobReport", lines: "list[LineReport]") -> None:
    console = Console(highlight=False, soft_wrap=True)
    files = f", and {blobs.files} files of bundles, runs and embeddings" if blobs.files else ""
    stored = blobs.blobs - blobs.files
    console.print(f"{blobs.pictures} pictures in the database, {stored} in the blob store{files}.")
    for kind, words in FAULTS.items():
        found: Found = getattr(blobs, kind)
        if found.count:
            console.print(Text(f"✗ {found.count} {words}", style="red"))
            for fault in found.examples:
                used = f"; used in {', '.join(fault.used)}" if fault.used else ""
                console.print(Text(f"    {fault.sha256}: {fault.detail}{used}"))
    if blobs.removed:
        console.print(f"Removed {blobs.removed}.")
    if blobs.young:
        console.print(f"{blobs.young} blobs are too new to say: an import is running.")
    for one in lines:
        _print_line(console, one)
    if blobs.sound and all(one.sound for one in lines):
        console.print("[green]✓[/] Everything agrees.")


def _print_line(console: Console, found: "LineReport") -> None:
    if found.summary_wrong:
        now = "written anew" if found.repaired else "wrong; --repair writes it anew"
        console.print(
            Text(f"{found.line}: its summary was {now}", style="yellow" if found.repaired else "red")
        )
    if found.wrong_versions:
        now = "written anew" if found.repaired else "wrong; --repair writes them anew"
        numbers = ", ".join(f"v{number}" for number in found.wrong_versions)
        console.print(
            Text(
                f"{found.line}: the summaries of {numbers} were {now}",
                style="yellow" if found.repaired else "red",
            )
        )
    if found.mended:
        console.print(f"{found.line}: {found.mended} leaking groups mended.")
    if found.leaks:
        more = "more than " if found.more_leaks else ""
        console.print(
            Text(
                f"{found.line}: {more}{len(found.leaks)} groups of near-duplicates lie in several splits; "
                "--resplit or --drop mends them",
                style="yellow",
            )
        )
        for group in found.leaks:
            names = ", ".join(
                f"{one.name or one.image_sha256[:12]} ({one.split.name.lower()})" for one in group.entries
            )
            console.print(Text(f"    {names}"))


def _document(blobs: "BlobReport", lines: "list[LineReport]") -> dict[str, Any]:
    counted = {
        "pictures": blobs.pictures,
        "blobs": blobs.blobs,
        "files": blobs.files,
        "young": blobs.young,
        "removed": blobs.removed,
    }
    faults = {
        kind: {
            "count": getattr(blobs, kind).count,
            "examples": [
                {"sha256": fault.sha256, "detail": fault.detail, "used": list(fault.used)}
                for fault in getattr(blobs, kind).examples
            ],
        }
        for kind in FAULTS
    }
    return {
        "sound": blobs.sound and all(one.sound for one in lines),
        "blobs": counted | faults,
        "lines": [
            {
                "line": one.line,
                "pictures": one.pictures,
                "summary_wrong": one.summary_wrong,
                "wrong_versions": list(one.wrong_versions),
                "repaired": one.repaired,
                "leaks": len(one.leaks),
                "more_leaks": one.more_leaks,
                "mended": one.mended,
            }
            for one in lines
        ],
    }
