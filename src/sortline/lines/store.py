"""Lines in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, select, update

from sortline.db import upsert
from sortline.db.session import Session
from sortline.lines.classes import add_classes, class_ids, list_classes
from sortline.lines.line import (
    Line,
    LineExists,
    NoDefaultLine,
    UnknownLine,
    valid_line_name,
)
from sortline.lines.tables import lines

__all__ = [
    "add_classes",
    "class_ids",
    "create_line",
    "default_line",
    "get_line",
    "hold_line",
    "line_by_id",
    "list_classes",
    "list_lines",
    "make_default",
    "set_auto_promote",
    "set_auto_version",
    "set_policy",
    "set_retention",
]

_BY_NAME = select(lines).order_by(lines.c.name)


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
        "auto_promote": False,
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


def line_by_id(session: Session, line_id: int) -> Line:
    """The line.

    Raises:
        UnknownLine: there is none of this id.
    """
    return _one(session, select(lines).where(lines.c.id == line_id), str(line_id))


def list_lines(session: Session) -> list[Line]:
    """Every line, by name."""
    return [Line(**row._mapping) for row in session.execute(_BY_NAME)]


def hold_line(session: Session, line_id: int) -> None:
    """Until this transaction ends, no other one that holds the line goes on. SQLite has one writer anyway."""
    if session.dialect.name != "sqlite":
        session.execute(select(lines.c.id).where(lines.c.id == line_id).with_for_update())


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


def set_auto_promote(session: Session, name: str, auto_promote: bool) -> Line:
    """The line; from now on candidates that pass their gates go live by themselves, or none does.

    Raises:
        UnknownLine: there is none of this name.
    """
    session.execute(update(lines).where(lines.c.name == name).values(auto_promote=auto_promote))
    return get_line(session, name)


def set_policy(session: Session, name: str, policy: Mapping[str, object]) -> Line:
    """The line under its new policy.

    Raises:
        UnknownLine: there is none of this name.
    """
    session.execute(update(lines).where(lines.c.name == name).values(policy=dict(policy)))
    return get_line(session, name)


def set_retention(session: Session, name: str, *, share: float, days: int | None) -> Line:
    """The line, which keeps this share of accepted pictures from now on, for so many days (None: for good).

    Raises:
        UnknownLine: there is none of this name.
    """
    values = {"keep_accepted": share, "keep_days": days}
    session.execute(update(lines).where(lines.c.name == name).values(values))
    return get_line(session, name)


def set_auto_version(session: Session, name: str, *, labels: int | None, probe: bool) -> Line:
    """The line, whose versions are made by themselves at so many staged labels (None: they are not).

    Raises:
        UnknownLine: there is none of this name.
    """
    values = {"auto_version_labels": labels, "auto_probe": probe}
    session.execute(update(lines).where(lines.c.name == name).values(values))
    return get_line(session, name)


def _one(session: Session, query: Select[tuple[object, ...]], name: str) -> Line:
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownLine(name, known=session.scalars(select(lines.c.name).order_by(lines.c.name)))
    return Line(**row._mapping)
