"""What a version is to be made of, read bit by bit: each plan tells which entries the version has in which way.

{"kind": "staged"}                                       what waits for a version
{"kind": "import", "import": id}                         what an import brought
{"kind": "filter", "of": version id | null, …}           what meets a filter, and nothing else
{"kind": "merge", "version": id, "prefer": …}            what another version changed
{"kind": "restore", "version": id}                       what an older version had
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Select, select

from sortline.catalogue.entry import EntryFilter, Split
from sortline.catalogue.store.changes import differences, merged
from sortline.catalogue.store.entries import labelled_after
from sortline.catalogue.store.members import members_after, members_outside
from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.tables import entries, import_entries, staged
from sortline.catalogue.version import Place, Version
from sortline.db.session import Session

Plan = Mapping[str, object]
Wanted = Sequence[tuple[int, Place | None]]


def staged_plan() -> Plan:
    """What waits for a version, as it is now."""
    return {"kind": "staged"}


def import_plan(import_id: str) -> Plan:
    """The labelled pictures an import brought or met, as they are now."""
    return {"kind": "import", "import": import_id}


def filter_plan(wanted: EntryFilter, of: Version | None, upto: int) -> Plan:
    """Exactly what meets a filter: of a version, or of all labelled pictures the line has up to an entry id."""
    conditions = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(wanted).items()
        if value is not None
    }
    return {"kind": "filter", "of": of.id if of else None, "upto": upto, "filter": conditions}


def merge_plan(theirs: Version, prefer: Literal["ours", "theirs"] | None) -> Plan:
    """What another version changed since the two parted; `prefer` says whose change counts where both did."""
    return {"kind": "merge", "version": theirs.id, "prefer": prefer}


def restore_plan(old: Version) -> Plan:
    """What an older version had."""
    return {"kind": "restore", "version": old.id}


def wanted_after(
    session: Session, line_id: int, parent: Version | None, plan: Plan, after: int, limit: int
) -> Wanted:
    """The next up to `limit` entries, by id, and how the version has them (None: not at all); none at the end."""
    match plan:
        case {"kind": "staged"}:
            return _staged(session, line_id, after, limit)
        case {"kind": "import", "import": str(import_id)}:
            return _imported(session, line_id, import_id, after, limit)
        case {"kind": "filter", "of": None, "upto": int(upto), "filter": dict(conditions)}:
            rows = labelled_after(session, line_id, _filter(conditions), after, limit, upto=upto)
            return _replacing(
                session,
                parent,
                [(entry_id, Place(class_id, split)) for entry_id, class_id, split in rows],
                after,
                limit,
            )
        case {"kind": "filter", "of": int(of), "filter": dict(conditions)} if parent and of == parent.id:
            gone = members_outside(session, parent, after, limit, _filter(conditions))
            return [(member.entry_id, None) for member in gone]
        case {"kind": "filter", "of": int(of), "filter": dict(conditions)}:
            source = version_by_id(session, of)
            members = members_after(session, source, after, limit, _filter(conditions))
            return _replacing(
                session, parent, [(one.entry_id, Place(*one[1:])) for one in members], after, limit
            )
        case {"kind": "merge", "version": int(version_id), "prefer": prefer} if parent:
            theirs = version_by_id(session, version_id)
            changes = merged(session, parent, theirs, prefer == "theirs", after, limit)
            return [(change.entry_id, change.after) for change in changes]
        case {"kind": "restore", "version": int(version_id)} if parent:
            changes = differences(session, parent, version_by_id(session, version_id), after, limit)
            return [(change.entry_id, change.after) for change in changes]
        case _:
            raise ValueError(f"no plan for a version: {plan}")


def _staged(session: Session, line_id: int, after: int, limit: int) -> Wanted:
    query = _as_now(line_id, after, limit).join(staged, staged.c.entry_id == entries.c.id)
    return _places(session, query.where(staged.c.line_id == line_id))


def _imported(session: Session, line_id: int, import_id: str, after: int, limit: int) -> Wanted:
    query = _as_now(line_id, after, limit).join(import_entries, import_entries.c.entry_id == entries.c.id)
    return _places(
        session, query.where(import_entries.c.import_id == import_id, entries.c.class_id.is_not(None))
    )


def _as_now(line_id: int, after: int, limit: int) -> Select[Any]:
    return (
        select(entries.c.id, entries.c.class_id, entries.c.split)
        .where(entries.c.line_id == line_id, entries.c.id > after)
        .order_by(entries.c.id)
        .limit(limit)
    )


def _places(session: Session, query: Select[Any]) -> Wanted:
    return [
        (entry_id, None if class_id is None else Place(class_id, split))
        for entry_id, class_id, split in session.execute(query)
    ]


def _replacing(session: Session, parent: Version | None, found: Wanted, after: int, limit: int) -> Wanted:
    """What was found, and that everything else the parent has is not there: up to where both are known."""
    before = members_after(session, parent, after, limit) if parent else []
    ends = [some[-1][0] for some in (found, before) if len(some) == limit]
    wanted: dict[int, Place | None] = {member.entry_id: None for member in before}
    wanted.update(found)
    end = min(ends, default=None)
    return [(entry_id, wanted[entry_id]) for entry_id in sorted(wanted) if end is None or entry_id <= end]


def _filter(conditions: Mapping[str, Any]) -> EntryFilter:
    read = dict(conditions)
    if "split" in read:
        read["split"] = Split(read["split"])
    for name in ("since", "until"):
        if name in read:
            read[name] = datetime.fromisoformat(read[name])
    return EntryFilter(**read)
