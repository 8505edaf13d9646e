"""`sortline data diff`: how one version of a line's pictures differs from another."""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sortline.cli.data_import import AsJson
from sortline.cli.data_versions import Reference, console
from sortline.cli.options import DataDir, OfLine, line_name, settings

if TYPE_CHECKING:
    from sortline.catalogue.version import Change, Diff

# Changes that are listed for a person.
SHOWN = 20


def diff(
    before: Reference,
    after: Reference,
    line: OfLine = None,
    limit: Annotated[int, typer.Option(min=0, help="Changes to list.")] = SHOWN,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Tell how one version differs from another: counts, and the first changes."""
    from sortline.catalogue.store import changes
    from sortline.catalogue.store.entries import get_entries
    from sortline.catalogue.store.versions import get_version
    from sortline.db.session import reading
    from sortline.lines.store import get_line, list_classes
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        line_id = get_line(session, line).id
        ends = [get_version(session, line_id, one) for one in (before, after)]
        found = changes.diff(session, ends[0], ends[1], limit=limit)
        classes = {each.id: each.name for each in list_classes(session, line_id)}
        names: dict[int, str] = {}
        for start in range(0, len(found.changes), 500):
            ids = [change.entry_id for change in found.changes[start : start + 500]]
            names |= {
                one.id: one.name or one.image_sha256 for one in get_entries(session, line_id, ids).values()
            }
    _tell_diff(found, names, classes, as_json=as_json)


def _tell_diff(found: "Diff", names: Mapping[int, str], classes: Mapping[int, str], *, as_json: bool) -> None:
    if as_json:
        document = {
            "counts": {str(kind): count for kind, count in found.counts.items()},
            "changes": [_change(one, names, classes) for one in found.changes],
            "complete": found.next_cursor is None,
        }
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return
    out = console()
    out.print(", ".join(f"{count} {kind}" for kind, count in found.counts.items()))
    table = Table("picture", "change", "before", "after", box=None)
    for one in found.changes:
        told = _change(one, names, classes)
        table.add_row(
            Text(told["name"]), told["kind"], Text(_place(told["before"])), Text(_place(told["after"]))
        )
    if found.changes:
        out.print(table)
    if found.next_cursor is not None:
        out.print("and more: --limit shows them")


def _change(change: "Change", names: Mapping[int, str], classes: Mapping[int, str]) -> dict[str, Any]:
    before, after = (
        None if place is None else {"class": classes[place.class_id], "split": place.split.name.lower()}
        for place in (change.before, change.after)
    )
    return {
        "entry": change.entry_id,
        "name": names.get(change.entry_id, str(change.entry_id)),
        "kind": str(change.kind),
        "before": before,
        "after": after,
    }


def _place(place: Mapping[str, str] | None) -> str:
    return "-" if place is None else f"{place['class']} ({place['split']})"
