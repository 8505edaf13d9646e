"""Lines in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, insert, select, update

from sortline.db import upsert
from sortline.db.session import Session
from sortline.lines.line import (
    Class,
    Line,
    LineExists,
    NoDefaultLine,
    UnknownLine,
    valid_class_name,
    valid_line_name,
)
from sortline.lines.tables import classes, lines


def create_line(
    session: Session,
    name: str,
    *,
    title: str | None = None,
    policy: Mapping[str, object] | None = None,
    class_names: Sequence[str] = (),
) -> Line:
    """A new line with its first classes; the first line of an installation is the default.

    Raises:
        InvalidLineName: the name is no slug.
        InvalidClassName: a class's name is not printable or too long.
        LineExists: the name is taken.
    """
    row = {
        "name": valid_line_name(name),
        "title": title or name,
        "policy": dict(policy or {}),
        "is_default": session.scalar(select(lines.c.id).limit(1)) is None,
        "created_at": datetime.now(UTC),
    }
    statement = (
        upsert.insert(session.dialect.name, lines)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(lines.c.id)
    )
    line_id = session.execute(statement, row).scalar()
    if line_id is None:
        raise LineExists(name)
    add_classes(session, line_id, class_names)
    return _one(session, select(lines).where(lines.c.id == line_id), name)


def get_line(session: Session, name: str) -> Line:
    """The line of this name.

    Raises:
        UnknownLine: there is none; says which there are.
    """
    return _one(session, select(lines).where(lines.c.name == name), name)


def default_line(session: Session) -> Line:
    """The line that stands behind routes that name none.

    Raises:
        NoDefaultLine: there is no line yet.
    """
    row = session.execute(select(lines).where(lines.c.is_default)).one_or_none()
    if row is None:
        raise NoDefaultLine
    return Line(**row._mapping)


def list_lines(session: Session) -> list[Line]:
    """Every line, by name."""
    return [Line(**row._mapping) for row in session.execute(select(lines).order_by(lines.c.name))]


def make_default(session: Session, name: str) -> Line:
    """The line, now the default.

    Raises:
        UnknownLine: there is none of this name.
    """
    line = get_line(session, name)
    # Off before on: the partial unique index never sees two.
    session.execute(update(lines).where(lines.c.is_default).values(is_default=False))
    session.execute(update(lines).where(lines.c.id == line.id).values(is_default=True))
    return get_line(session, name)


def set_policy(session: Session, name: str, policy: Mapping[str, object]) -> Line:
    """The line under its new policy.

    Raises:
        UnknownLine: there is none of this name.
    """
    session.execute(update(lines).where(lines.c.name == name).values(policy=dict(policy)))
    return get_line(session, name)


def add_classes(session: Session, line_id: int, names: Iterable[str]) -> None:
    """The line knows these classes, in this order after those it knew; known ones stay as they are.

    Raises:
        InvalidClassName: a name is not printable or too long; none was added.
    """
    wanted = [valid_class_name(name) for name in dict.fromkeys(names)]
    # One process at a time adds to a line (SQLite has one writer anyway), so that no two share a position.
    session.execute(select(lines.c.id).where(lines.c.id == line_id).with_for_update())
    known = set(session.scalars(select(classes.c.name).where(classes.c.line_id == line_id)))
    fresh = [name for name in wanted if name not in known]
    if not fresh:
        return
    now = datetime.now(UTC)
    rows = [
        {"line_id": line_id, "name": name, "position": place, "created_at": now}
        for place, name in enumerate(fresh, start=len(known))
    ]
    session.execute(insert(classes), rows)


def list_classes(session: Session, line_id: int, *, retired: bool = True) -> list[Class]:
    """The line's classes in the order it learned them, with or without the retired ones."""
    columns = (classes.c.name, classes.c.position, classes.c.retired_at, classes.c.created_at)
    query = select(*columns).where(classes.c.line_id == line_id).order_by(classes.c.position, classes.c.id)
    if not retired:
        query = query.where(classes.c.retired_at.is_(None))
    return [Class(**row._mapping) for row in session.execute(query)]


def _one(session: Session, query: Select[tuple[object, ...]], name: str) -> Line:
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownLine(name, known=session.scalars(select(lines.c.name).order_by(lines.c.name)))
    return Line(**row._mapping)
