"""Runs and their epochs in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, update

from sortline.db import upsert
from sortline.db.paging import BadCursor, Page, page
from sortline.db.session import Session
from sortline.training.run import Artefact, EpochRow, EpochTaken, Run, UnknownRun
from sortline.training.tables import run_epochs, runs

_ID = frozenset("0123456789abcdef")
_ID_LENGTH = 32


def add_run(
    session: Session,
    run_id: str,
    *,
    line_id: int,
    job_id: str,
    method: str,
    recipe: Mapping[str, Any],
    version_id: int | None,
    note: str,
    who: str,
) -> Run:
    """The run, known from now on."""
    row = {
        "id": run_id,
        "line_id": line_id,
        "job_id": job_id,
        "method": method,
        "recipe": dict(recipe),
        "version_id": version_id,
        "note": note,
        "who": who,
        "created_at": datetime.now(UTC),
        "data": {},
        "artefacts": {},
    }
    session.execute(insert(runs), row)
    return get_run(session, run_id)


def get_run(session: Session, run_id: str) -> Run:
    """The run of this id.

    Raises:
        UnknownRun: there is none.
    """
    row = None
    if is_id(run_id):
        row = session.execute(select(runs).where(runs.c.id == run_id)).mappings().one_or_none()
    if row is None:
        raise UnknownRun(run_id)
    return _run(row)


def list_runs(session: Session, line_id: int, *, limit: int = 50, cursor: str | None = None) -> Page[Run]:
    """The line's runs, newest first; the cursor is the id of a page's last.

    Raises:
        BadCursor: it is no id.
    """
    query = select(runs).where(runs.c.line_id == line_id)
    if cursor is not None:
        if not is_id(cursor):
            raise BadCursor(cursor)
        query = query.where(runs.c.id < cursor)
    rows = session.execute(query.order_by(runs.c.id.desc()).limit(limit + 1)).mappings()
    return page([_run(row) for row in rows], limit, lambda run: run.id)


def count_runs(session: Session, line_id: int) -> int:
    """How many runs the line has had."""
    return session.scalar(select(func.count()).select_from(runs).where(runs.c.line_id == line_id)) or 0


def run_of_bundle(session: Session, bundle_hash: str) -> Run | None:
    """The newest run that made this bundle; None where it came from elsewhere."""
    query = select(runs).where(runs.c.bundle_hash == bundle_hash).order_by(runs.c.id.desc()).limit(1)
    row = session.execute(query).mappings().one_or_none()
    return None if row is None else _run(row)


def set_version(session: Session, run_id: str, version_id: int) -> None:
    """The version that the run is to be made from exists by now."""
    session.execute(update(runs).where(runs.c.id == run_id).values(version_id=version_id))


def set_data(session: Session, run_id: str, data: Mapping[str, Any]) -> None:
    """What the run is made from is noted."""
    session.execute(update(runs).where(runs.c.id == run_id).values(data=dict(data)))


def set_outcome(
    session: Session,
    run_id: str,
    *,
    bundle_hash: str,
    live_hash: str | None,
    promote: bool,
    verdict: Mapping[str, Any],
    comparison: Mapping[str, Any],
) -> None:
    """The run has its candidate, compared and judged."""
    session.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(
            bundle_hash=bundle_hash,
            live_hash=live_hash,
            promote=promote,
            verdict=dict(verdict),
            comparison=dict(comparison),
            compared_at=datetime.now(UTC),
        )
    )


def set_artefacts(session: Session, run_id: str, artefacts: Mapping[str, Artefact]) -> None:
    """The files a run left are those named, and those it had before under other names."""
    kept = {
        name: asdict(one) for name, one in (*get_run(session, run_id).artefacts.items(), *artefacts.items())
    }
    session.execute(update(runs).where(runs.c.id == run_id).values(artefacts=kept))


def drop_artefact(session: Session, run_id: str, name: str) -> Artefact | None:
    """The file of that name is the run's no more: what it was, or None if there is none."""
    artefacts = dict(get_run(session, run_id).artefacts)
    gone = artefacts.pop(name, None)
    if gone is not None:
        kept = {name: asdict(one) for name, one in artefacts.items()}
        session.execute(update(runs).where(runs.c.id == run_id).values(artefacts=kept))
    return gone


def artefact_blobs(session: Session) -> list[str]:
    """The SHA-256 of every blob that a run holds."""
    found = session.scalars(select(runs.c.artefacts))
    return sorted({one["sha256"] for artefacts in found for one in artefacts.values()})


def add_epoch(session: Session, run_id: str, number: int, figures: Mapping[str, Any], worker: str) -> None:
    """The epoch is noted; the same worker may note it again, after it was interrupted.

    Raises:
        EpochTaken: another worker has noted it.
    """
    row = {
        "run_id": run_id,
        "number": number,
        "figures": dict(figures),
        "worker": worker,
        "at": datetime.now(UTC),
    }
    statement = upsert.insert(session.dialect.name, run_epochs)
    done = session.execute(
        statement.on_conflict_do_update(
            index_elements=["run_id", "number"],
            set_={"figures": statement.excluded.figures, "at": statement.excluded.at},
            where=run_epochs.c.worker == statement.excluded.worker,
        ),
        row,
    )
    if not done.rowcount:
        raise EpochTaken(number)


def list_epochs(session: Session, run_id: str, after: int = 0) -> list[EpochRow]:
    """The run's epochs behind a number, in order."""
    query = select(run_epochs).where(run_epochs.c.run_id == run_id, run_epochs.c.number > after)
    return [
        EpochRow(number=row.number, figures=row.figures, worker=row.worker, at=row.at)
        for row in session.execute(query.order_by(run_epochs.c.number))
    ]


def is_id(text: str) -> bool:
    """Whether it may be a run's id: 32 hex digits."""
    return len(text) == _ID_LENGTH and set(text) <= _ID


def _run(row: RowMapping) -> Run:
    values = dict(row)
    values["artefacts"] = {name: Artefact(**one) for name, one in values["artefacts"].items()}
    return Run(**values)
