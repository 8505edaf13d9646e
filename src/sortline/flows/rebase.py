"""Versions that lie far from their base are written out in full, so that resolving them costs no more with time."""

from __future__ import annotations

import time
from threading import Event

from sqlalchemy import Engine

from sortline.catalogue.store import bases
from sortline.catalogue.store.members import members_after
from sortline.catalogue.store.versions import version_by_id
from sortline.db.session import Session, writing

WRITE_S = 0.020
_FIRST_ROWS, _MOST_ROWS = 200, 4000


def rebase_due(session: Session) -> int | None:
    """The id of the version most in need of a base of its own; None if none is."""
    version = bases.rebase_due(session)
    return None if version is None else version.id


def rebase(engine: Engine, version_id: int, stop: Event | None = None) -> bool:
    """Whether the version is a base now; False when told to stop, with what is done kept. Answers stay the same."""
    stop = stop or Event()
    with writing(engine) as session:
        version = version_by_id(session, version_id)
        base_id = bases.begin_base(session, version)
    rows = _FIRST_ROWS
    while not stop.is_set():
        begun = time.perf_counter()
        with writing(engine) as session:
            members = members_after(session, version, bases.copied(session, base_id), rows)
            if not members:
                bases.finish_base(session, version, base_id)
                return True
            bases.copy_members(session, base_id, members)
        took = time.perf_counter() - begun
        rows = max(8, min(_MOST_ROWS, 2 * rows, round(len(members) * WRITE_S / max(took, 1e-4))))
        if engine.dialect.name == "sqlite":
            # Others had to wait as long for SQLite's one write lock.
            stop.wait(min(took, 1.0))
    return False
