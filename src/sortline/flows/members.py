"""What an export takes: all a line has, or one of its versions, with names for classes."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from sortline.catalogue.entry import EntryFilter
from sortline.catalogue.layouts.layout import ExportMember
from sortline.catalogue.store.entries import get_entries, list_entries
from sortline.catalogue.store.members import members_after
from sortline.catalogue.version import Version
from sortline.db.session import Session, reading
from sortline.lines.store import list_classes

_CHUNK = 500


def line_members(engine: Engine, line_id: int) -> Iterator[ExportMember]:
    """Everything a line has, newest first, with current labels and splits; a short transaction every 500."""
    cursor: str | None = None
    while True:
        with reading(engine) as session:
            names = _class_names(session, line_id)
            found = list_entries(session, line_id, EntryFilter(), limit=_CHUNK, cursor=cursor)
        for entry in found.items:
            yield ExportMember(
                sha256=entry.image_sha256,
                class_name=None if entry.class_id is None else names[entry.class_id],
                split=entry.split,
                name=entry.name,
            )
        if (cursor := found.next_cursor) is None:
            return


def version_members(engine: Engine, version: Version) -> Iterator[ExportMember]:
    """A version's pictures in the order they joined the line; a short transaction every 500.

    Labels and splits are the version's own, whatever was said of the pictures since. Classes have the names they
    have today.
    """
    after = 0
    while True:
        with reading(engine) as session:
            chunk = members_after(session, version, after, _CHUNK)
            names = _class_names(session, version.line_id)
            known = get_entries(session, version.line_id, [member.entry_id for member in chunk])
        for member in chunk:
            entry = known[member.entry_id]
            yield ExportMember(
                sha256=entry.image_sha256,
                class_name=names[member.class_id],
                split=member.split,
                name=entry.name,
            )
        if len(chunk) < _CHUNK:
            return
        after = chunk[-1].entry_id


def _class_names(session: Session, line_id: int) -> dict[int, str]:
    return {each.id: each.name for each in list_classes(session, line_id)}
