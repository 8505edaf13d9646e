"""Versions in the database: found, made, activated. What is in one stands in `members`, what differs in `changes`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from sqlalchemy import RowMapping, func, or_, select

from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.tables import (
    active_versions,
    versions,
)
from sortline.catalogue.version import (
    Draft,
    NoVersion,
    UnknownVersion,
    Version,
    VersionState,
)
from sortline.db import upsert
from sortline.db.among import among
from sortline.db.paging import Page, id_of, page
from sortline.db.session import Session

# Rows in one query.
_ROWS = 500
# The greatest number a column takes has ten digits.
_DIGITS = 9


def get_version(session: Session, line_id: int, reference: int | str | None) -> Version:
    """The line's version of a number (3, "3", "v3") or name; None and "active": the active one.

    Raises:
        UnknownVersion: there is none, or it is not ready yet.
        NoVersion: none is active.
    """
    if reference is None or reference == "active":
        if (active := active_version(session, line_id)) is None:
            raise NoVersion
        return active
    number = _number(reference)
    known_as = versions.c.name == str(reference) if number is None else versions.c.number == number
    query = select(versions).where(versions.c.line_id == line_id, known_as, _READY)
    row = session.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownVersion(reference)
    return version_of(row)


def version_by_id(session: Session, version_id: int) -> Version:
    """The version, ready or not.

    Raises:
        UnknownVersion: there is none.
    """
    row = session.execute(select(versions).where(versions.c.id == version_id)).mappings().one_or_none()
    if row is None:
        raise UnknownVersion(version_id)
    return version_of(row)


def version_named(session: Session, line_id: int, name: str) -> Version | None:
    """The line's version of this very name, ready or not; None where there is none."""
    query = select(versions).where(versions.c.line_id == line_id, versions.c.name == name)
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else version_of(row)


def version_numbers(session: Session, version_ids: Iterable[int]) -> dict[int, int]:
    """The numbers of versions, by their ids."""
    found: dict[int, int] = {}
    ids = iter(version_ids)
    while chunk := list(islice(ids, _ROWS)):
        rows = session.execute(
            select(versions.c.id, versions.c.number).where(among(session, versions.c.id, chunk))
        )
        found.update({row.id: row.number for row in rows})
    return found


def list_versions(
    session: Session, line_id: int, *, limit: int = 100, cursor: str | None = None
) -> Page[Version]:
    """The line's versions that are ready, newest first; the cursor is the number of a page's last.

    Raises:
        BadCursor: it is no number.
    """
    query = select(versions).where(versions.c.line_id == line_id, _READY)
    if cursor is not None:
        query = query.where(versions.c.number < id_of(cursor))
    rows = session.execute(query.order_by(versions.c.number.desc()).limit(limit + 1)).mappings()
    return page([version_of(row) for row in rows], limit, lambda version: str(version.number))


def active_version(session: Session, line_id: int) -> Version | None:
    """The version the line works with; None before it has any."""
    query = select(versions).join_from(
        active_versions, versions, active_versions.c.version_id == versions.c.id
    )
    row = session.execute(query.where(active_versions.c.line_id == line_id)).mappings().one_or_none()
    return None if row is None else version_of(row)


def current_versions(session: Session) -> list[Version]:
    """Of every line the active version and the latest that is ready."""
    latest = select(func.max(versions.c.id)).where(_READY).group_by(versions.c.line_id)
    active = select(active_versions.c.version_id)
    query = select(versions).where(or_(versions.c.id.in_(latest), versions.c.id.in_(active)))
    return [version_of(row) for row in session.execute(query.order_by(versions.c.id)).mappings()]


def activate(session: Session, version: Version, who: str) -> None:
    """The line works with this version from now on."""
    at = lock_catalogue(session).at
    statement = upsert.insert(session.dialect.name, active_versions)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["line_id"], set_={"version_id": new.version_id, "who": new.who, "at": new.at}
        ),
        {"line_id": version.line_id, "version_id": version.id, "who": who, "at": at},
    )


def parent_of(session: Session, line_id: int, draft: Draft) -> Version | None:
    """The version a draft is to be a child of: the given one, else the active one; None for a line's first."""
    if draft.parent_id is None:
        return active_version(session, line_id)
    parent = version_by_id(session, draft.parent_id)
    if parent.line_id != line_id or parent.state is not VersionState.READY:
        raise UnknownVersion(draft.parent_id)
    return parent


_READY = versions.c.state == VersionState.READY


def version_of(row: RowMapping) -> Version:
    """The version in a row."""
    values = dict(row)
    return Version(**values | {"state": VersionState(values["state"])})


def _number(reference: int | str) -> int | None:
    if isinstance(reference, int):
        return reference
    digits = reference.removeprefix("v")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS else None
