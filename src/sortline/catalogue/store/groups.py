"""Groups of near-duplicates in the database: which there are, which conflict, which leak, and how leaks are mended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Select, bindparam, func, select, update

from sortline.catalogue.entry import Entry, Group, Split, TrainedLookup
from sortline.catalogue.store.clock import advance, lock_catalogue
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.labels import stage
from sortline.catalogue.store.summaries import update_line_summary
from sortline.catalogue.tables import entries
from sortline.db.paging import Page, id_of
from sortline.db.session import Session

# Entries in one transaction.
_CHUNK = 500
# Entries shown of one group; a camera over an empty belt makes thousands alike.
MOST_SHOWN = 100

_USED = entries.c.split != Split.NONE

log = logging.getLogger(__name__)


def duplicates(session: Session, line_id: int, *, limit: int = 50, cursor: str | None = None) -> Page[Group]:
    """The line's groups of near-duplicates, by their ids, the latest first; the cursor is a group's id.

    Raises:
        BadCursor: it is no id.
    """
    return _page(session, line_id, _groups(line_id), limit, cursor)


def label_conflicts(
    session: Session, line_id: int, *, limit: int = 50, cursor: str | None = None
) -> Page[Group]:
    """Those groups whose pictures have different labels; see `duplicates`."""
    classes = entries.c.class_id
    query = _groups(line_id).having(func.min(classes) != func.max(classes))
    return _page(session, line_id, query, limit, cursor)


def leaks(session: Session, line_id: int, *, limit: int = 50, cursor: str | None = None) -> Page[Group]:
    """Those groups whose pictures are in different splits; see `duplicates`."""
    return _page(session, line_id, _leaking(line_id), limit, cursor)


def resplit(session: Session, line_id: int, *, who: str, trained: TrainedLookup) -> int:
    """How many pictures have another split, up to 500; call again, in a transaction of its own, until 0.

    A leaking group as a whole takes the most frozen split in it. A picture that a bundle was trained on does not
    enter test: it is not used any more.
    """

    def mended(entry: Entry, target: Split) -> Entry:
        if target is Split.TEST and trained(entry.image_sha256) in {Split.TRAIN, Split.VALIDATION}:
            return replace(entry, split=Split.NONE, why="trained")
        return replace(entry, split=target)

    return _mend(session, line_id, mended, who, "resplit")


def drop(session: Session, line_id: int, *, who: str) -> int:
    """How many pictures have another split, up to 500; call again, in a transaction of its own, until 0.

    Pictures in the most frozen split of a leaking group stay, the others are not used any more.
    """

    def mended(entry: Entry, target: Split) -> Entry:
        return entry if entry.split is target else replace(entry, split=Split.NONE, why="dropped")

    return _mend(session, line_id, mended, who, "drop")


def set_groups(session: Session, line_id: int, merged: Mapping[int, int], joined: Mapping[int, int]) -> None:
    """Groups that became part of others (by id: theirs), and entries that were alone and are in a group now."""
    moves: list[tuple[ColumnElement[bool], Mapping[int, int]]] = [
        (entries.c.group_id == bindparam("before"), merged),
        (entries.c.id == bindparam("before"), joined),
    ]
    for where, groups in moves:
        if groups:
            statement = update(entries).where(entries.c.line_id == line_id, where)
            session.execute(
                statement.values(group_id=bindparam("after")),
                [{"before": before, "after": after} for before, after in sorted(groups.items())],
            )


def _groups(line_id: int) -> Select[int]:
    return (
        select(entries.c.group_id)
        .where(entries.c.line_id == line_id, entries.c.group_id.is_not(None))
        .group_by(entries.c.group_id)
    )


def _leaking(line_id: int) -> Select[int]:
    split = entries.c.split
    return _groups(line_id).where(_USED).having(func.min(split) != func.max(split))


def _page(session: Session, line_id: int, query: Select[int], limit: int, cursor: str | None) -> Page[Group]:
    if cursor is not None:
        query = query.where(entries.c.group_id < id_of(cursor))
    ids = [
        group_id
        for (group_id,) in session.execute(query.order_by(entries.c.group_id.desc()).limit(limit + 1))
    ]
    groups = [_group(session, line_id, group_id) for group_id in ids[:limit]]
    return Page(items=tuple(groups), next_cursor=str(groups[-1].id) if len(ids) > limit else None)


def _group(session: Session, line_id: int, group_id: int) -> Group:
    query = (
        select(entries)
        .where(entries.c.line_id == line_id, entries.c.group_id == group_id)
        .order_by(entries.c.id)
        .limit(MOST_SHOWN)
    )
    return Group(id=group_id, entries=tuple(Entry(**row._mapping) for row in session.execute(query)))


def _mend(session: Session, line_id: int, mended: Callable[[Entry, Split], Entry], who: str, how: str) -> int:
    """How many entries of leaking groups have another split now, up to 500."""
    tick = lock_catalogue(session)
    # Splits are numbered so that the greatest is the most frozen.
    leaking = _leaking(line_id).add_columns(func.max(entries.c.split).label("target")).subquery()
    query = (
        select(leaking.c.target, entries)
        .join_from(leaking, entries, entries.c.group_id == leaking.c.group_id)
        .where(entries.c.line_id == line_id, _USED, entries.c.split != leaking.c.target)
        .order_by(entries.c.id)
        .limit(_CHUNK)
    )
    after: list[Entry] = []
    for row in session.execute(query):
        values = dict(row._mapping)
        target = values.pop("target")
        after.append(mended(Entry(**values), target))
    if after:
        _write(session, line_id, after)
        stage(session, line_id, [entry.id for entry in after], how, tick.at)
        advance(session, tick, 0)
        log.info("%s of line %d: %d pictures have another split, by %s", how, line_id, len(after), who)
    return len(after)


def _write(session: Session, line_id: int, after: Sequence[Entry]) -> None:
    before = facts_of(session, [entry.id for entry in after])
    statement = update(entries).where(entries.c.id == bindparam("entry"))
    session.execute(
        statement.values(split=bindparam("to"), why=bindparam("reason")),
        [{"entry": entry.id, "to": entry.split, "reason": entry.why} for entry in after],
    )
    changed = [replace(before[entry.id], split=entry.split) for entry in after]
    update_line_summary(session, line_id, list(before.values()), changed)
