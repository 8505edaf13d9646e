"""The classes of lines in the database. The registry only grows: names change, classes retire, none is deleted.

A name leads to a class for ever: a class's old names, and those of classes merged into it, stay its aliases until
another class is given the name anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from sortline.db import upsert
from sortline.db.among import among
from sortline.db.session import Session
from sortline.lines.line import (
    Class,
    ClassEvent,
    ClassExists,
    InvalidMerge,
    UnknownClass,
    valid_class_name,
)
from sortline.lines.tables import class_aliases, class_events, classes, lines

# SQLite takes 32,766 parameters.
_NAMES = 5000


def add_classes(session: Session, line_id: int, names: Iterable[str], *, who: str = "system") -> None:
    """The line knows these classes, in this order after those it knew; known ones, aliases too, stay as they are.

    Raises:
        InvalidClassName: a name is not printable or too long; none was added.
    """
    wanted = [valid_class_name(name) for name in dict.fromkeys(names)]
    _lock(session, line_id)
    known = class_ids(session, line_id, wanted)
    fresh = [name for name in wanted if name not in known]
    if not fresh:
        return
    now = datetime.now(UTC)
    count = session.scalar(select(func.count()).where(classes.c.line_id == line_id)) or 0
    rows = [
        {"line_id": line_id, "name": name, "position": place, "created_at": now}
        for place, name in enumerate(fresh, start=count)
    ]
    session.execute(insert(classes), rows)
    made = class_ids(session, line_id, fresh)
    for name in fresh:
        _note(session, made[name], "created", {"name": name}, who, now)


def list_classes(session: Session, line_id: int, *, retired: bool = True) -> list[Class]:
    """The line's classes in the order it learned them, with or without the retired ones."""
    found = [Class(**row._mapping) for row in session.execute(_OF_LINE, {"line": line_id})]
    return found if retired else [one for one in found if one.retired_at is None]


def current_classes(session: Session, line_id: int, names: Iterable[str]) -> dict[str, int]:
    """Those of up to 500 names that are a class's own today, of one that is not retired, with its id."""
    wanted = sorted(set(names))
    return dict(session.execute(_CURRENT, {"line": line_id, "names": wanted}).all()) if wanted else {}


def class_ids(session: Session, line_id: int, names: Iterable[str]) -> dict[str, int]:
    """The class each name leads to today, by name: itself, the one renamed since, the one it was merged into.

    Names that lead to none are left out. Retired classes count.
    """
    wanted = sorted(set(names))
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _NAMES):
        part = wanted[start : start + _NAMES]
        aliases = select(class_aliases.c.name, class_aliases.c.class_id).where(
            class_aliases.c.line_id == line_id, among(session, class_aliases.c.name, part)
        )
        own = select(classes.c.name, classes.c.id).where(
            classes.c.line_id == line_id, among(session, classes.c.name, part)
        )
        # A class's own name before another's alias.
        for query in (aliases, own):
            found.update(dict(session.execute(query).all()))
    merged = _merges(session, line_id) if found else {}
    return {name: _today(class_id, merged) for name, class_id in found.items()}


def resolve_class(session: Session, line_id: int, name: str) -> Class:
    """The class a name leads to today; it may be retired.

    Raises:
        UnknownClass: none; says which there are.
    """
    found = class_ids(session, line_id, [name])
    if not found:
        known = [known.name for known in list_classes(session, line_id, retired=False)]
        raise UnknownClass(name, known)
    return _get(session, found[name])


def rename_class(session: Session, line_id: int, name: str, to: str, *, who: str) -> Class:
    """The class under its new name; the old one becomes an alias.

    Two classes swap names by way of a third.

    Raises:
        UnknownClass: the line has no such class.
        InvalidClassName: the new name cannot name a class.
        ClassExists: the new name is another class's.
    """
    _lock(session, line_id)
    found, to = resolve_class(session, line_id, name), valid_class_name(to)
    if to == found.name:
        return found
    if session.scalar(select(classes.c.id).where(classes.c.line_id == line_id, classes.c.name == to)):
        raise ClassExists(to)
    # Whatever the new name led to: from now on it is this class.
    session.execute(
        delete(class_aliases).where(class_aliases.c.line_id == line_id, class_aliases.c.name == to)
    )
    session.execute(update(classes).where(classes.c.id == found.id).values(name=to))
    now = datetime.now(UTC)
    _alias(session, line_id, found.name, found.id, now)
    _note(session, found.id, "renamed", {"from": found.name, "to": to}, who, now)
    return _get(session, found.id)


def set_tip(session: Session, line_id: int, name: str, tip: str | None) -> Class:
    """The class with what is to be done with its things; None: nothing is said.

    Raises:
        UnknownClass: the line has no such class.
    """
    found = resolve_class(session, line_id, name)
    session.execute(update(classes).where(classes.c.id == found.id).values(tip=tip or None))
    return _get(session, found.id)


def retire_class(session: Session, line_id: int, name: str, *, who: str) -> Class:
    """The class, retired: it is given to no new pictures; those that have it keep it.

    Raises:
        UnknownClass: the line has no such class.
    """
    _lock(session, line_id)
    found, now = resolve_class(session, line_id, name), datetime.now(UTC)
    if found.retired_at is None:
        session.execute(update(classes).where(classes.c.id == found.id).values(retired_at=now))
        _note(session, found.id, "retired", {}, who, now)
    return _get(session, found.id)


def restore_class(session: Session, line_id: int, name: str, *, who: str) -> Class:
    """The class of exactly this name, given to pictures again. One that was merged is a class of its own again.

    What was merged keeps its new label; undo the label events to take it back.

    Raises:
        UnknownClass: no class has this name.
    """
    _lock(session, line_id)
    found, now = _named(session, line_id, name), datetime.now(UTC)
    if found.retired_at is not None:
        back = {"retired_at": None, "merged_into": None}
        session.execute(update(classes).where(classes.c.id == found.id).values(back))
        session.execute(
            delete(class_aliases).where(class_aliases.c.line_id == line_id, class_aliases.c.name == name)
        )
        _note(session, found.id, "restored", {"from": found.merged_into}, who, now)
    return _get(session, found.id)


def merge_class(session: Session, line_id: int, name: str, into: str, *, who: str) -> tuple[Class, Class]:
    """The class that went, now retired, and the one that took its place: its name and aliases lead there.

    Pictures that have the old label are relabelled by `flows.classes`. Asked again, it changes nothing.

    Raises:
        UnknownClass: the line has no such class.
        InvalidMerge: into itself, into a retired one, or it went into another before.
    """
    _lock(session, line_id)
    gone, kept = _named(session, line_id, name), resolve_class(session, line_id, into)
    if gone.merged_into is not None and _today(gone.id, _merges(session, line_id)) == kept.id:
        return gone, kept
    if gone.merged_into is not None:
        raise InvalidMerge(name, into, "it was merged into another class before; restore it first")
    if gone.id == kept.id:
        raise InvalidMerge(name, into, "they are the same class")
    if kept.retired_at is not None:
        raise InvalidMerge(name, into, f"{kept.name!r} is retired; restore it first")
    now = datetime.now(UTC)
    session.execute(
        update(classes).where(classes.c.id == gone.id).values(retired_at=now, merged_into=kept.id)
    )
    _alias(session, line_id, gone.name, kept.id, now)
    _note(session, gone.id, "merged", {"into": kept.id, "name": kept.name}, who, now)
    _note(session, kept.id, "taken", {"class": gone.id, "name": gone.name}, who, now)
    return _get(session, gone.id), kept


def class_history(session: Session, class_id: int) -> list[ClassEvent]:
    """What happened to a class, oldest first."""
    query = select(class_events).where(class_events.c.class_id == class_id).order_by(class_events.c.id)
    return [ClassEvent(**row._mapping) for row in session.execute(query)]


def class_aliases_of(session: Session, line_id: int) -> dict[str, int]:
    """Former names of a line's classes, and the class each leads to today."""
    names = session.scalars(select(class_aliases.c.name).where(class_aliases.c.line_id == line_id))
    return class_ids(session, line_id, names.all())


_COLUMNS = (
    classes.c.id,
    classes.c.name,
    classes.c.position,
    classes.c.retired_at,
    classes.c.merged_into,
    classes.c.created_at,
    classes.c.tip,
)

# Made once: most of what is asked of a line asks this as well.
_OF_LINE = (
    select(*_COLUMNS).where(classes.c.line_id == bindparam("line")).order_by(classes.c.position, classes.c.id)
)
_CURRENT = select(classes.c.name, classes.c.id).where(
    classes.c.line_id == bindparam("line"),
    classes.c.name.in_(bindparam("names", expanding=True)),
    classes.c.retired_at.is_(None),
)


def _lock(session: Session, line_id: int) -> None:
    # One process at a time changes a line's classes (SQLite has one writer anyway), so that no two share a position.
    session.execute(select(lines.c.id).where(lines.c.id == line_id).with_for_update())


def _get(session: Session, class_id: int) -> Class:
    return Class(**session.execute(select(*_COLUMNS).where(classes.c.id == class_id)).one()._mapping)


def _named(session: Session, line_id: int, name: str) -> Class:
    """The class that has this name now, merged or not; else the one a former name leads to."""
    query = select(*_COLUMNS).where(classes.c.line_id == line_id, classes.c.name == name)
    row = session.execute(query).one_or_none()
    return Class(**row._mapping) if row is not None else resolve_class(session, line_id, name)


def _merges(session: Session, line_id: int) -> dict[int, int]:
    query = select(classes.c.id, classes.c.merged_into).where(
        classes.c.line_id == line_id, classes.c.merged_into.is_not(None)
    )
    return dict(session.execute(query).all())


def _today(class_id: int, merged: Mapping[int, int]) -> int:
    # Merges never form a ring: a class merges only into one that is not retired, and is retired by it.
    while class_id in merged:
        class_id = merged[class_id]
    return class_id


def _alias(session: Session, line_id: int, name: str, class_id: int, now: datetime) -> None:
    row = {"line_id": line_id, "name": name, "class_id": class_id, "since": now}
    statement = upsert.insert(session.dialect.name, class_aliases)
    excluded = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["line_id", "name"], set_={"class_id": excluded.class_id, "since": excluded.since}
        ),
        row,
    )


def _note(
    session: Session, class_id: int, action: str, detail: Mapping[str, object], who: str, at: datetime
) -> None:
    row = {"class_id": class_id, "action": action, "detail": dict(detail), "who": who, "at": at}
    session.execute(insert(class_events), row)
