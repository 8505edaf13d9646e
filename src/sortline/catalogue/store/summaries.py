"""Summaries in the database: one of everything a line has, one of each version."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, insert, select, update

from sortline.catalogue.summary import Facts, Summary
from sortline.catalogue.tables import line_summaries, version_summaries
from sortline.db.bulk import insert_rows
from sortline.db.session import Session

_DATA = select(line_summaries.c.data).where(line_summaries.c.line_id == bindparam("line"))
_LOCKED = _DATA.with_for_update()


def line_summary(session: Session, line_id: int) -> Summary:
    """The summary of everything a line has."""
    return _read(session.scalar(_DATA, {"line": line_id}))


def update_line_summary(
    session: Session,
    line_id: int,
    removed: Sequence[Facts],
    added: Sequence[Facts],
    *,
    summary: Summary | None = None,
) -> Summary:
    """The summary of everything a line has, after these facts gave way to those; locked until the end.

    A picture whose facts change is in both. `summary` spares reading it where the caller has, under the catalogue's
    lock.
    """
    if summary is None:
        summary = _locked(session, line_id)
    for facts in removed:
        summary.remove(facts)
    for facts in added:
        summary.add(facts)
    set_line_summary(session, line_id, summary)
    return summary


def set_line_summary(session: Session, line_id: int, summary: Summary) -> None:
    """The line's summary is this one."""
    row = {"line_id": line_id, "data": summary.to_bytes()}
    insert_rows(session, line_summaries, [row], known="replace")


def version_summary(session: Session, version_id: int, *, lock: bool = False) -> Summary:
    """The summary of a version's members; with `lock` nobody else changes it until the end."""
    query = select(version_summaries.c.data).where(version_summaries.c.version_id == version_id)
    if lock:
        query = query.with_for_update()
    return _read(session.scalar(query))


def add_version_summary(session: Session, version_id: int, summary: Summary) -> None:
    """A new version's summary is this one."""
    session.execute(insert(version_summaries), {"version_id": version_id, "data": summary.to_bytes()})


def set_version_summary(session: Session, version_id: int, summary: Summary) -> None:
    """A version's summary, which it has already, is this one."""
    session.execute(
        update(version_summaries)
        .where(version_summaries.c.version_id == version_id)
        .values(data=summary.to_bytes())
    )


def _locked(session: Session, line_id: int) -> Summary:
    if (data := session.scalar(_LOCKED, {"line": line_id})) is not None:
        return Summary.from_bytes(data)
    # Two may make the first row at once: then the second waits here and finds what the first wrote.
    row = {"line_id": line_id, "data": Summary().to_bytes()}
    insert_rows(session, line_summaries, [row], known="keep")
    return _read(session.scalar(_LOCKED, {"line": line_id}))


def _read(data: bytes | None) -> Summary:
    return Summary() if data is None else Summary.from_bytes(data)
