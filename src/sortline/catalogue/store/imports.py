"""Imports in the database: their state, how far they have come, what was not taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, delete, func, or_, select, update

from sortline.catalogue.entry import Split
from sortline.catalogue.importing import LEASE, Import, ImportLost, Options, Problem, State, UnknownImport
from sortline.catalogue.tables import entries, import_entries, import_problems, imports, versions
from sortline.catalogue.version import VersionNameTaken, valid_version_name
from sortline.db.bulk import insert_rows
from sortline.db.ids import new_id
from sortline.db.rows import row_of
from sortline.db.session import Session

# Rows a transaction may delete: a tick for whoever waits to write.
_CHUNK = 500


def create(session: Session, line_id: int, *, kind: str, location: str, options: Options, who: str) -> Import:
    """A new import, queued."""
    now, import_id = datetime.now(UTC), new_id()
    row = {
        "id": import_id,
        "line_id": line_id,
        "kind": kind,
        "location": location,
        "options": options.document(),
        "state": State.QUEUED,
        "done": 0,
        "counts": {},
        "who": who,
        "created_at": now,
        "heartbeat_at": now,
    }
    session.execute(imports.insert(), row)
    return get(session, import_id)


def get(session: Session, import_id: str) -> Import:
    """The import.

    Raises:
        UnknownImport: there is none of this id.
    """
    row = session.execute(select(imports).where(imports.c.id == import_id)).mappings().one_or_none()
    if row is None:
        raise UnknownImport(import_id)
    return _import(row)


def recent(
    session: Session, *, line_id: int | None = None, limit: int = 50, before: str | None = None
) -> list[Import]:
    """The newest imports, of one line or of all; those older than the one of id `before`, where it is given."""
    query = select(imports).order_by(imports.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(imports.c.id < before)
    if line_id is not None:
        query = query.where(imports.c.line_id == line_id)
    return [_import(row) for row in session.execute(query).mappings()]


def unfinished(session: Session, line_id: int, *, kind: str, location: str) -> list[Import]:
    """A line's imports of this source that are not done, newest first."""
    query = (
        select(imports)
        .where(
            imports.c.line_id == line_id,
            imports.c.kind == kind,
            imports.c.location == location,
            imports.c.state != State.DONE,
        )
        .order_by(imports.c.id.desc())
    )
    return [_import(row) for row in session.execute(query).mappings()]


def of_location(session: Session, location: str) -> list[Import]:
    """The imports of one source, of all lines."""
    query = select(imports).where(imports.c.location == location)
    return [_import(row) for row in session.execute(query).mappings()]


def waiting(session: Session) -> list[Import]:
    """Imports that are queued or that somebody is said to be at work on, oldest first."""
    query = select(imports).where(imports.c.state.in_((State.QUEUED, State.RUNNING))).order_by(imports.c.id)
    return [_import(row) for row in session.execute(query).mappings()]


def any_running(session: Session, now: datetime) -> bool:
    """Whether some process is at work on an import, or died so lately that it may be."""
    query = select(imports).where(imports.c.state == State.RUNNING)
    return any(not _import(row).abandoned(now) for row in session.execute(query).mappings())


def take(session: Session, found: Import, runner: str) -> bool:
    """Whether the import is now this runner's. Of several that try at once, one gets it."""
    now = datetime.now(UTC)
    free = or_(imports.c.state != State.RUNNING, imports.c.heartbeat_at < now - LEASE)
    if found.abandoned(now):
        # Its process is known to be dead: nobody else has taken it since it was read.
        free = or_(free, imports.c.runner == found.runner)
    statement = (
        update(imports)
        .where(imports.c.id == found.id, imports.c.state != State.DONE, free)
        .values(state=State.RUNNING, runner=runner, heartbeat_at=now, error=None, finished_at=None)
    )
    return session.execute(statement).rowcount == 1


def write(session: Session, import_id: str, mine: str, /, **values: object) -> None:
    """The import has these values, and a heartbeat now, where its runner is `mine`.

    Raises:
        ImportLost: it is another's by now; the transaction must not be committed.
    """
    statement = (
        update(imports)
        .where(imports.c.id == import_id, imports.c.state == State.RUNNING, imports.c.runner == mine)
        .values(heartbeat_at=datetime.now(UTC), **values)
    )
    if session.execute(statement).rowcount != 1:
        raise ImportLost(import_id, get(session, import_id).state)


def end(session: Session, import_id: str, runner: str, state: State, error: str | None = None) -> None:
    """The runner lets go of the import, in this state."""
    write(session, import_id, runner, state=state, error=error, runner=None, finished_at=datetime.now(UTC))


def cancel(session: Session, import_id: str) -> bool:
    """Whether the import was under way; whoever runs it stops at its next chunk."""
    under_way = imports.c.state.in_((State.QUEUED, State.RUNNING))
    statement = (
        update(imports)
        .where(imports.c.id == import_id, under_way)
        .values(state=State.CANCELLED, runner=None, finished_at=datetime.now(UTC))
    )
    return session.execute(statement).rowcount == 1


def check_name(session: Session, line_id: int, options: Options, *, own: int | None = None) -> None:
    """Nothing, where the version that is to be made of an import can have its name; `own` is that version by now.

    Raises:
        InvalidVersionName, VersionNameTaken: it cannot.
    """
    if not options.version or options.name is None:
        return
    taken = versions.c.name == valid_version_name(options.name)
    query = select(versions.c.id).where(versions.c.line_id == line_id, taken)
    if session.scalar(query) not in (None, own):
        raise VersionNameTaken(options.name)


def set_version(session: Session, import_id: str, version_id: int) -> None:
    """A version was made of the import."""
    session.execute(update(imports).where(imports.c.id == import_id).values(version_id=version_id))


def add_problems(session: Session, import_id: str, problems: Sequence[Problem]) -> None:
    """The problems stand in the import's report; one noted before stays as it is."""
    rows = [{"import_id": import_id, **row_of(problem)} for problem in problems]
    insert_rows(session, import_problems, rows, known="keep")


def add_entries(session: Session, import_id: str, entry_ids: Sequence[int]) -> None:
    """The entries came with the import."""
    rows = [{"import_id": import_id, "entry_id": entry_id} for entry_id in sorted(set(entry_ids))]
    insert_rows(session, import_entries, rows, known="keep")


def forget_some(session: Session, import_id: str) -> bool:
    """Whether there is more of an import's report and entries to take away; some of it is gone."""
    problems, members = import_problems.c, import_entries.c
    positions = select(problems.position).where(problems.import_id == import_id).limit(_CHUNK)
    ids = select(members.entry_id).where(members.import_id == import_id).limit(_CHUNK)
    gone = session.execute(
        delete(import_problems).where(
            problems.import_id == import_id, problems.position.in_(positions.scalar_subquery())
        )
    ).rowcount
    gone += session.execute(
        delete(import_entries).where(
            members.import_id == import_id, members.entry_id.in_(ids.scalar_subquery())
        )
    ).rowcount
    return gone > 0


def problems_after(
    session: Session,
    import_id: str,
    *,
    after: tuple[int, str] = (-1, ""),
    code: str | None = None,
    limit: int = 500,
) -> list[Problem]:
    """An import's problems in the source's order, from behind a (position, code) on."""
    position, found_code = import_problems.c.position, import_problems.c.code
    query = (
        select(position, import_problems.c.name, found_code, import_problems.c.detail)
        .where(import_problems.c.import_id == import_id)
        .where(or_(position > after[0], (position == after[0]) & (found_code > after[1])))
        .order_by(position, found_code)
        .limit(limit)
    )
    if code is not None:
        query = query.where(found_code == code)
    return [Problem(**row._mapping) for row in session.execute(query)]


def class_splits(session: Session, import_id: str) -> dict[tuple[int | None, Split], int]:
    """How many of an import's pictures each class and split has now."""
    query = (
        select(entries.c.class_id, entries.c.split, func.count())
        .join_from(import_entries, entries, import_entries.c.entry_id == entries.c.id)
        .where(import_entries.c.import_id == import_id)
        .group_by(entries.c.class_id, entries.c.split)
    )
    return {(class_id, split): count for class_id, split, count in session.execute(query)}


def _import(row: RowMapping) -> Import:
    values: dict[str, Any] = {str(name): value for name, value in row.items()}
    values["options"] = Options.read(values["options"])
    values["state"] = State(values["state"])
    return Import(**values)
