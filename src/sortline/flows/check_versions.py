"""Whether the summaries of a line's versions say what the versions hold.

A version's summary is its parent's and its changes, so each is counted at the cost of its changes, parents first, and
only the line's first by all its pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from sortline.catalogue.store import building, summaries
from sortline.catalogue.store.versions import list_versions
from sortline.catalogue.summary import Summary
from sortline.catalogue.version import Version
from sortline.db.session import reading, writing
from sortline.flows.extremes import refill_extremes


def check_versions(engine: Engine, line_id: int, *, repair: bool = False) -> list[Version]:
    """The versions of a line whose summaries are wrong, oldest first; with `repair`, they are right now."""
    wrong: list[Version] = []
    # Of those alone, as bytes: what their children are counted from.
    right: dict[int, bytes] = {}
    for version in _versions(engine, line_id):
        counted = _counted(engine, version, right)
        with reading(engine) as session:
            kept = summaries.version_summary(session, version.id)
        if kept != counted:
            wrong.append(version)
            right[version.id] = counted.to_bytes()
            if repair:
                _write(engine, version, counted)
    return wrong


def _versions(engine: Engine, line_id: int) -> Sequence[Version]:
    found: list[Version] = []
    cursor: str | None = None
    while True:
        with reading(engine) as session:
            page = list_versions(session, line_id, cursor=cursor)
        found += page.items
        if (cursor := page.next_cursor) is None:
            # Ids rise from parent to child.
            return sorted(found, key=lambda version: version.id)


def _counted(engine: Engine, version: Version, right: dict[int, bytes]) -> Summary:
    with reading(engine) as session:
        counting = building.resumed(session, version)
    if version.parent_id in right:
        counting.summary = Summary.from_bytes(right[version.parent_id])
    after: int | None = 0
    while after is not None:
        with reading(engine) as session:
            after = building.recount(session, counting, after)
    return counting.summary


def _write(engine: Engine, version: Version, summary: Summary) -> None:
    with writing(engine) as session:
        # A version never changes, so nothing that was true is lost.
        summaries.set_version_summary(session, version.id, summary)
    if summary.short:
        refill_extremes(engine, version.id)
