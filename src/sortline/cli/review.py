"""`sortline review`: what waits for people, how that goes, out to a table and back with labels."""

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from sortline.cli.data_import import AsJson
from sortline.cli.data_versions import console
from sortline.cli.options import DataDir, OfLine, line_name, settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sortline.flows.review import Answers, Ask
    from sortline.flows.review_figures import ReviewFigures
    from sortline.review.item import ReviewItem
    from sortline.wiring import Installation

app = typer.Typer(help="Review: what people are to look at, and what they said.", no_args_is_help=True)

Who = Annotated[str, typer.Option(help="Whose decisions they are.")]


class Exported(StrEnum):
    """What an item can be; see `review.item.State`."""

    OPEN = "open"
    DISPUTED = "disputed"
    DONE = "done"
    UNUSABLE = "unusable"


# Columns of the table, in their order; `label` is empty for whoever fills it in.
COLUMNS = (
    "item",
    "sha256",
    "state",
    "reason",
    "class",
    "confidence",
    "ood_score",
    "source",
    "at",
    "cluster",
    "label",
)
_PAGE = 500


class BadTable(SortlineError):
    """A table that labels cannot be read from."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"cannot read the labels: {problem}; sortline review export writes a table that fits"
        )


@app.command("stats")
def stats(
    line: OfLine = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Of how many days, today included.")] = 30,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what waits, how fast people label and agree, and how right the accepted answers are."""
    from sortline.api.review_stats import stats_view
    from sortline.db.session import reading
    from sortline.flows.review_figures import review_figures
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        found = review_figures(session, get_line(session, line).id, days=days)
    if as_json:
        typer.echo(stats_view(found).model_dump_json(indent=1))
    else:
        _tell(found)


@app.command("export")
def export(
    line: OfLine = None,
    state: Annotated[Exported, typer.Option(help="open, disputed, done or unusable.")] = Exported.OPEN,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The CSV file.", show_default="standard output")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="A folder for the pictures, each named by its item.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Write review items as CSV; with labels filled in, `sortline review label --from` takes it back."""
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        out = nullcontext(sys.stdout) if output is None else output.open("w", encoding="utf-8", newline="")
        with out as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            for names, items in _pages(ready, line, state):
                table.writerows(_row(item, names) for item in items)
                if pictures is not None:
                    _write_pictures(ready, items, pictures)


@app.command("label")
def label(
    line: OfLine = None,
    table: Annotated[
        Path | None,
        typer.Option("--from", help="A CSV file with `item` and `label`.", show_default="asks, key by key"),
    ] = None,
    new_classes: Annotated[
        bool, typer.Option("--new-classes", help="Labels nobody knows become classes.")
    ] = False,
    who: Who = "cli",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Label what waits: from a table, or picture by picture with one key each."""
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        if table is None:
            from sortline.cli.review_keys import by_keys

            by_keys(ready, line, who)
            return
        decided, refused = 0, list[tuple[str, str]]()
        for answers in _label(ready, line, table, who, new_classes=new_classes):
            decided += len(answers.decided)
            refused += [(one.item, str(one.error)) for one in answers.refused]
    if as_json:
        rows = [{"item": item, "detail": why} for item, why in refused]
        typer.echo(json.dumps({"decided": decided, "refused": rows}, indent=1))
    else:
        typer.echo(f"{decided} labelled, {len(refused)} refused.")
        for item, why in refused:
            typer.echo(f"{item}: {why}", err=True)
    if refused:
        raise typer.Exit(1)


def _label(
    ready: "Installation", line: str, table: Path, who: str, *, new_classes: bool
) -> "Iterator[Answers]":
    """What came of the table's labels, some hundred at a time: rows without a label are left out."""
    from sortline.db.session import reading
    from sortline.flows.review import MOST, decide
    from sortline.lines.store import get_line
    from sortline.wiring import import_tools

    asks = list(_asks(table, new_classes=new_classes))
    tools = import_tools(ready)
    with reading(ready.engine) as session:
        line_id = get_line(session, line).id
    for start in range(0, len(asks), MOST // 5):
        yield decide(tools, line_id, asks[start : start + MOST // 5], who=who)


def _asks(table: Path, *, new_classes: bool) -> "Iterator[Ask]":
    from sortline.flows.review import Ask

    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"item", "label"} <= set(rows.fieldnames or ()):
                raise BadTable("it needs the columns item and label")
            for number, row in enumerate(rows, start=2):
                item, name = (row["item"] or "").strip(), (row["label"] or "").strip()
                if not name:
                    continue
                if len(item) != 32 or not set(item) <= set("0123456789abcdef"):
                    raise BadTable(f"line {number} names no item")
                yield Ask(item=item, action="label", class_name=name, new_class=new_classes)
    except OSError as error:
        raise BadTable(f"{table}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadTable(f"{table} is not UTF-8") from error


def _pages(
    ready: "Installation", line: str, state: Exported
) -> "Iterator[tuple[dict[int, str], list[ReviewItem]]]":
    """The line's items in a state, newest first, and the names of its classes."""
    from sortline.db.session import reading
    from sortline.lines.classes import list_classes
    from sortline.lines.store import get_line
    from sortline.review.item import ItemFilter
    from sortline.review.store.items import list_items

    cursor = None
    while True:
        with reading(ready.engine) as session:
            line_id = get_line(session, line).id
            names = {one.id: one.name for one in list_classes(session, line_id)}
            page = list_items(session, line_id, ItemFilter(state=state.value), limit=_PAGE, cursor=cursor)
        yield names, list(page.items)
        if (cursor := page.next_cursor) is None:
            return


def _row(item: "ReviewItem", names: dict[int, str]) -> dict[str, object]:
    said = "" if item.class_id is None or item.state != "done" else names[item.class_id]
    return {
        "item": item.id,
        "sha256": item.image_sha256,
        "state": item.state,
        "reason": item.reason,
        "class": item.class_name,
        "confidence": f"{item.confidence:.4f}",
        "ood_score": f"{item.ood_score:.4f}",
        "source": item.source,
        "at": item.at.isoformat(),
        "cluster": item.cluster_id or "",
        "label": said,
    }


def _write_pictures(ready: "Installation", items: "list[ReviewItem]", folder: Path) -> None:
    from sortline.db.session import reading
    from sortline.flows.pictures import picture

    folder.mkdir(parents=True, exist_ok=True)
    with reading(ready.engine) as session:
        for item in items:
            try:
                data, media_type = picture(session, ready.blobs, item.image_sha256)
            except SortlineError as error:
                typer.echo(str(error), err=True)
                continue
            (folder / f"{item.id}.{media_type.rpartition('/')[2]}").write_bytes(data)


def _tell(found: "ReviewFigures") -> None:
    waiting = ", ".join(f"{n} {reason}" for reason, n in found.waiting.items()) or "nothing"
    since = "" if found.oldest is None else f", the oldest since {found.oldest.astimezone():%Y-%m-%d %H:%M}"
    typer.echo(f"Waiting: {waiting}{since}; {found.leased} being looked at.")
    if found.accuracy is None:
        typer.echo("Accuracy of accepted answers: unknown until some of the control share are labelled.")
    else:
        value = f"{found.accuracy.value:.1%} ({found.accuracy.low:.1%} to {found.accuracy.high:.1%})"
        typer.echo(f"Accuracy of accepted answers: {value}, from {found.accuracy.n} pictures drawn by lot.")
    if found.agreement is not None:
        typer.echo(f"Agreement: kappa {found.agreement.kappa:.2f} over {found.agreement.pairs} pairs.")
    people = Table("who", "labels", "an hour", "seconds each", box=None)
    for one in found.people:
        people.add_row(Text(one.who), str(one.labels), _number(one.per_hour), _number(one.seconds))
    confusions = Table("taken for", "is", "times", box=None)
    for pair in found.confusions:
        confusions.add_row(Text(pair.predicted), Text(pair.label), str(pair.n))
    for shown in (people, confusions):
        if shown.row_count:
            console().print(shown)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
