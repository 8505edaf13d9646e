"""`sortline data versions|create|activate|restore`: versions of a line's pictures, each as the change it was."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sortline.cli.data_import import AsJson, Contradiction
from sortline.cli.options import DataDir, OfLine, line_name, settings
from sortline.errors import SortlineError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from sortline.catalogue.entry import EntryFilter, Split
    from sortline.catalogue.version import Draft, Version
    from sortline.db.session import Session

Reference = Annotated[str, typer.Argument(help="A version's number or name, or `active`.")]
Name = Annotated[str | None, typer.Option(help="A name for the version.", show_default="v and its number")]
Notes = Annotated[str, typer.Option(help="What it is good for.")]
Parent = Annotated[
    str | None, typer.Option(help="The version it is to be a child of.", show_default="the active one")
]


class UnknownSplit(SortlineError):
    """There are four."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no split {name!r}; take train, validation, test or none")


class NoSuchImport(SortlineError):
    """No import of the line begins like this."""

    def __init__(self, start: str) -> None:
        self.start = start
        super().__init__(f"the line has no import {start}…; see: sortline data imports")


def versions(line: OfLine = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List a line's versions, newest first."""
    from sortline.catalogue.store.versions import active_version, list_versions
    from sortline.db.session import reading
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, reading(ready.engine) as session:
        line = line_name(ready.engine, line)
        line_id = get_line(session, line).id
        active = active_version(session, line_id)
        found = list(list_versions(session, line_id, limit=100_000).items)
    numbers = {one.id: one.number for one in found}
    if as_json:
        documents = [_document(one, numbers) | {"active": one == active} for one in found]
        sys.stdout.write(json.dumps(documents, indent=1) + "\n")
        return
    table = Table("version", "", "parent", "pictures", "changes", "made from", "when", "notes", box=None)
    for one in found:
        parents = [str(numbers[each]) for each in (one.parent_id, one.merged_id) if each in numbers]
        mark = "active" if one == active else ""
        made, when = str(one.plan.get("kind", "")), f"{one.created_at:%Y-%m-%d %H:%M}"
        name = one.name if one.name == f"v{one.number}" else f"v{one.number} {one.name}"
        table.add_row(
            Text(name), mark, " + ".join(parents), str(one.size), _changes(one), made, when, Text(one.notes)
        )
    console().print(table)


def create(
    line: OfLine = None,
    name: Name = None,
    notes: Notes = "",
    parent: Parent = None,
    of: Annotated[
        str | None, typer.Option(help="Take the pictures of this version that meet the filter.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Take all labelled pictures that meet the filter.")
    ] = False,
    class_: Annotated[str | None, typer.Option("--class", help="Filter: only this class.")] = None,
    split: Annotated[str | None, typer.Option(help="Filter: train, validation, test or none.")] = None,
    source: Annotated[str | None, typer.Option(help="Filter: where they come from, e.g. import.")] = None,
    text: Annotated[str | None, typer.Option(help="Filter: text in their names.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Filter: added then (UTC) or later.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Filter: added before then (UTC).")] = None,
    from_import: Annotated[
        str | None, typer.Option(help="Take in what this import brought (its id, or how that begins).")
    ] = None,
    merge: Annotated[str | None, typer.Option(help="Take in what this version changed.")] = None,
    prefer: Annotated[
        str | None, typer.Option(help="Merging, where both changed a picture: ours (the parent's) or theirs.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a version: of labels that wait for one, or of an import, a filter or a merge. Only a first one is active."""
    chosen = {
        "--of": of, "--everything": everything or None, "--from-import": from_import, "--merge": merge
    }  # fmt: skip
    given = [option for option, value in chosen.items() if value is not None]
    if len(given) > 1:
        raise Contradiction(given[0], given[1])
    from sortline.catalogue.entry import EntryFilter
    from sortline.catalogue.store.versions import get_version
    from sortline.db.session import reading
    from sortline.flows import versions as flow
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        engine = ready.engine
        with reading(engine) as session:
            line_id = get_line(session, line).id
            draft = _draft(session, line_id, name, notes, parent)
            wanted = _filter(session, line_id, class_, split, source, text, since, until)
            other = get_version(session, line_id, of or merge) if of or merge else None
            found = _import_id(session, line_id, from_import) if from_import else None
        if found is not None:
            made = flow.from_import(engine, line_id, draft, found)
        elif merge is not None and other is not None:
            made = flow.merge(engine, line_id, draft, other, prefer=_side(prefer))
        elif of is not None or everything or wanted != EntryFilter():
            made = flow.from_filter(engine, line_id, draft, wanted, of=other)
        else:
            made = flow.from_staged(engine, line_id, draft)
        _tell(engine, line, made, as_json=as_json)


def restore(
    version: Reference,
    line: OfLine = None,
    name: Name = None,
    notes: Notes = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a version that has just what an older one had, as a child of the active one. It is not made active."""
    from sortline.catalogue.store.versions import get_version
    from sortline.db.session import reading
    from sortline.flows import versions as flow
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready:
        line = line_name(ready.engine, line)
        with reading(ready.engine) as session:
            line_id = get_line(session, line).id
            draft = _draft(session, line_id, name, notes, None)
            old = get_version(session, line_id, version)
        _tell(ready.engine, line, flow.restore(ready.engine, line_id, draft, old), as_json=as_json)


def activate(version: Reference, line: OfLine = None, data_dir: DataDir = None) -> None:
    """Make a version the one the line works with."""
    from sortline.catalogue.store import versions as store
    from sortline.db.session import writing
    from sortline.lines.store import get_line
    from sortline.wiring import installation

    with installation(settings(data_dir=data_dir)) as ready, writing(ready.engine) as session:
        line = line_name(ready.engine, line)
        found = store.get_version(session, get_line(session, line).id, version)
        store.activate(session, found, "cli")
    typer.echo(f"{line} works with version {found.number} ({found.name}) now.")


def _tell(engine: "Engine", line: str, made: "Version", *, as_json: bool) -> None:
    from sortline.catalogue.store.versions import version_by_id
    from sortline.db.session import reading

    with reading(engine) as session:
        parents = [version_by_id(session, one) for one in (made.parent_id, made.merged_id) if one is not None]
    if as_json:
        sys.stdout.write(
            json.dumps(_document(made, {one.id: one.number for one in parents}), indent=1) + "\n"
        )
        return
    out = console()
    out.print(Text(f"{line}: version {made.number} ({made.name}), {made.size} pictures: {_changes(made)}."))
    if made.parent_id is not None:
        out.print(f"To work with it: sortline data activate {made.number} --line {line}")


def _changes(version: "Version") -> str:
    counts = {
        "added": version.added, "removed": version.removed,
        "relabelled": version.relabelled, "resplit": version.resplit,
    }  # fmt: skip
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "none"


def _document(version: "Version", numbers: Mapping[int, int]) -> dict[str, Any]:
    return {
        "number": version.number,
        "name": version.name,
        "parent": numbers.get(version.parent_id or 0),
        "merged": numbers.get(version.merged_id or 0),
        "size": version.size,
        "added": version.added,
        "removed": version.removed,
        "relabelled": version.relabelled,
        "resplit": version.resplit,
        "made_from": version.plan.get("kind"),
        "notes": version.notes,
        "author": version.author,
        "created_at": version.created_at.isoformat(),
    }


def _draft(session: "Session", line_id: int, name: str | None, notes: str, parent: str | None) -> "Draft":
    from sortline.catalogue.store.versions import get_version
    from sortline.catalogue.version import Draft

    parent_id = None if parent is None else get_version(session, line_id, parent).id
    return Draft(name=name, notes=notes, author="cli", parent_id=parent_id)


def _filter(
    session: "Session",
    line_id: int,
    class_: str | None,
    split: str | None,
    source: str | None,
    text: str | None,
    since: datetime | None,
    until: datetime | None,
) -> "EntryFilter":
    from sortline.catalogue.entry import EntryFilter
    from sortline.lines.classes import resolve_class

    return EntryFilter(
        class_id=None if class_ is None else resolve_class(session, line_id, class_).id,
        split=None if split is None else _split(split),
        source=source,
        text=text,
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
    )


def _split(name: str) -> "Split":
    from sortline.catalogue.entry import Split

    try:
        return Split[name.upper()]
    except KeyError:
        raise UnknownSplit(name) from None


def _side(prefer: str | None) -> Literal["ours", "theirs"] | None:
    if prefer in (None, "ours", "theirs"):
        return prefer  # type: ignore[return-value]  # one of the three
    raise typer.BadParameter("take ours or theirs", param_hint="--prefer")


def _import_id(session: "Session", line_id: int, start: str) -> str:
    from sortline.catalogue.store.imports import recent

    found = [one.id for one in recent(session, line_id=line_id, limit=10_000) if one.id.startswith(start)]
    if len(found) != 1:
        raise NoSuchImport(start)
    return found[0]


def console() -> Console:
    """Where text for people goes."""
    out = Console(highlight=False, soft_wrap=True)
    if not out.is_terminal:
        out.width = 10_000  # a pipe has no width
    return out
