"""A summary's lists that too many pictures have left are filled again, after a look at every member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Event

from sqlalchemy import Engine

from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.making import clear_short, short_version
from sortline.catalogue.store.members import members_after
from sortline.catalogue.store.summaries import set_version_summary, version_summary
from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.summary import Facts
from sortline.catalogue.version import Version
from sortline.db.session import Session, reading, writing

_ROWS = 500


class _Stopped(Exception):
    """Told to stop; nothing was written."""


def extremes_due(session: Session) -> int | None:
    """The id of a version whose lists are shorter than they should be (`Summary.short`); None if there is none."""
    return short_version(session)


def refill_extremes(engine: Engine, version_id: int, stop: Event | None = None) -> bool:
    """Whether the version's lists are full again; False when told to stop, and then nothing was done."""
    with reading(engine) as session:
        version = version_by_id(session, version_id)
        summary = version_summary(session, version_id)
    try:
        summary.list_anew(_facts(engine, version, stop or Event()))
    except _Stopped:
        return False
    with writing(engine) as session:
        # Its pictures are the same still, but their groups may have been counted meanwhile.
        summary.groups = version_summary(session, version_id, lock=True).groups
        set_version_summary(session, version_id, summary)
        clear_short(session, version_id)
    return True


def _facts(engine: Engine, version: Version, stop: Event) -> Iterator[Facts]:
    after = 0
    while True:
        if stop.is_set():
            raise _Stopped
        with reading(engine) as session:
            chunk = members_after(session, version, after, _ROWS)
            found = facts_of(session, [member.entry_id for member in chunk]) if chunk else {}
        if not chunk:
            return
        for entry_id, class_id, split in chunk:
            yield replace(found[entry_id], class_id=class_id, split=split)
        after = chunk[-1].entry_id
