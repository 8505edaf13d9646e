"""What is in a version: found without writing the version out, at the cost of what is returned.

Every question is put to the base and to each segment of the way from there; the answers are disjoint, so they merge.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, select

from sortline.catalogue.entry import UNLABELLED, EntryFilter, Split
from sortline.catalogue.store.entries import id_span
from sortline.catalogue.store.paths import Segment, Way, way_to
from sortline.catalogue.store.summaries import version_summary
from sortline.catalogue.tables import base_members, entries, import_entries, version_changes
from sortline.catalogue.version import Member, Place, Version
from sortline.db.among import among
from sortline.db.paging import Page, id_of, page
from sortline.db.session import Session

# Ids in one query.
_IDS = 500
# (class, split) pairs that are each looked up in their index; above, one scan in the order of ids is cheaper.
_PAIRS = 16


def members(
    session: Session, version: Version, wanted: EntryFilter, *, limit: int = 100, cursor: str | None = None
) -> Page[Member]:
    """The members that meet the filter, latest entries first; the cursor is the id of a page's last.

    Classes and splits are the version's own.

    Raises:
        BadCursor: it is no id.
    """
    below = None if cursor is None else id_of(cursor)
    way, sieve = way_to(session, version), _sieve(session, version, wanted)
    if sieve is None:
        return Page(items=(), next_cursor=None)
    rows = resolve(session, way, sieve.within(0, below), limit + 1, descending=True)
    return page(rows, limit, lambda member: str(member.entry_id))


def members_after(
    session: Session, version: Version, after: int, limit: int, wanted: EntryFilter | None = None
) -> list[Member]:
    """Up to `limit` members behind an entry id, by id: call it again with the last one's to read them all."""
    way = way_to(session, version)
    sieve = Sieve() if wanted is None else _sieve(session, version, wanted)
    return [] if sieve is None else resolve(session, way, sieve.within(after + 1, None), limit)


def members_outside(
    session: Session, version: Version, after: int, limit: int, unwanted: EntryFilter
) -> list[Member]:
    """Up to `limit` members behind an entry id that do not meet the filter, by id.

    One scan of the version at most, and what is found: a filter that few do not meet costs no more.
    """
    way = way_to(session, version)
    if unwanted.class_id == UNLABELLED:
        return resolve(session, way, Sieve(low=after + 1), limit)
    span = id_span(session, version.line_id, unwanted.since, unwanted.until)
    return resolve(session, way, Sieve(low=after + 1, unlike=unwanted, unlike_span=span), limit)


def places(session: Session, version: Version, entry_ids: Iterable[int]) -> dict[int, Place]:
    """Those of the entries that are in the version, with their class and split there."""
    way, ids = way_to(session, version), iter(entry_ids)
    found: dict[int, Place] = {}
    while chunk := list(islice(ids, _IDS)):
        found.update(_places(session, way, chunk))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """Which members: `low` ≤ entry id < `high`, of these (class, split) `pairs` or else of this split.

    None that meets `unlike`, whose dates are `unlike_span` in ids.
    """

    low: int = 0
    high: int | None = None
    pairs: tuple[tuple[int, Split], ...] | None = None
    split: Split | None = None
    source: str | None = None
    text: str | None = None
    import_id: str | None = None
    group: int | None = None
    unlike: EntryFilter | None = None
    unlike_span: tuple[int, int | None] = (0, None)

    def within(self, low: int, high: int | None) -> Sieve:
        """The same, of a narrower span of ids as well."""
        highs = [one for one in (self.high, high) if one is not None]
        return replace(self, low=max(self.low, low), high=min(highs, default=None))

    def apply(
        self, query: Select[tuple[int, int, Split]], rows: FromClause
    ) -> Select[tuple[int, int, Split]]:
        """The query over `rows`, narrowed, except by `pairs`."""
        query = query.where(rows.c.entry_id >= self.low)
        if self.high is not None:
            query = query.where(rows.c.entry_id < self.high)
        if self.split is not None:
            query = query.where(rows.c.split == self.split)
        if self.import_id is not None:
            query = query.join(import_entries, import_entries.c.entry_id == rows.c.entry_id)
            query = query.where(import_entries.c.import_id == self.import_id)
        if self.unlike is not None:
            query = query.where(~and_(*_meets(rows, self.unlike, self.unlike_span)))
        if conditions := _of_entries(self.source, self.text, self.group):
            query = query.join(entries, entries.c.id == rows.c.entry_id).where(*conditions)
        return query


def _of_entries(source: str | None, text: str | None, group: int | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if source is not None:
        found.append(entries.c.source == source)
    if text is not None:
        found.append(func.lower(entries.c.name).contains(text.lower(), autoescape=True))
    if group is not None:
        found.append(entries.c.group_id == group)
    return found


def _meets(rows: FromClause, wanted: EntryFilter, span: tuple[int, int | None]) -> list[ColumnElement[bool]]:
    """Under which conditions a row meets a filter: each true or false, never unknown, so that it can be denied."""
    low, high = span
    found = [rows.c.entry_id >= low]
    if high is not None:
        found.append(rows.c.entry_id < high)
    if wanted.class_id is not None:
        found.append(rows.c.class_id == wanted.class_id)
    if wanted.split is not None:
        found.append(rows.c.split == wanted.split)
    if wanted.import_id is not None:
        brought = import_entries.c.import_id == wanted.import_id
        found.append(exists().where(brought, import_entries.c.entry_id == rows.c.entry_id))
    if conditions := _of_entries(wanted.source, wanted.text, wanted.group):
        found.append(exists().where(entries.c.id == rows.c.entry_id, *conditions))
    return found


def _sieve(session: Session, version: Version, wanted: EntryFilter) -> Sieve | None:
    """The filter as the version's rows are asked; None where no member can meet it."""
    if wanted.class_id == UNLABELLED:
        return None
    low, high = id_span(session, version.line_id, wanted.since, wanted.until)
    pairs, split = _pairs(session, version, wanted)
    if pairs == ():
        return None
    return Sieve(
        low=low, high=high, pairs=pairs, split=split,
        source=wanted.source, text=wanted.text, import_id=wanted.import_id, group=wanted.group,
    )  # fmt: skip


def _pairs(
    session: Session, version: Version, wanted: EntryFilter
) -> tuple[tuple[tuple[int, Split], ...] | None, Split | None]:
    """The (class, split) pairs to look up, or None and the split to look for in all."""
    class_id, split = wanted.class_id, wanted.split
    if class_id is not None:
        return tuple((class_id, one) for one in (Split if split is None else (split,))), None
    if split is None:
        return None, None
    counts = version_summary(session, version.id).counts
    pairs = [(one, part) for one, part in counts if one is not None and part is split]
    # A rare split in a scan would cost the whole version.
    return (tuple(pairs), None) if len(pairs) <= _PAIRS else (None, split)


def resolve(
    session: Session, way: Way, sieve: Sieve, limit: int, *, descending: bool = False
) -> list[Member]:
    """The first `limit` members through the sieve, in the order of ids."""
    found: list[list[Member]] = []
    pairs: Sequence[tuple[int, Split] | None] = (None,) if sieve.pairs is None else sieve.pairs
    for query, rows in _parts(way):
        narrowed = sieve.apply(query, rows)
        order = rows.c.entry_id.desc() if descending else rows.c.entry_id
        for pair in pairs:
            one = (
                narrowed
                if pair is None
                else narrowed.where(rows.c.class_id == pair[0], rows.c.split == pair[1])
            )
            answer = session.execute(one.order_by(order).limit(limit))
            found.append([Member._make(row) for row in answer])
    return list(islice(heapq.merge(*found, reverse=descending), limit))


def _parts(way: Way) -> Iterator[tuple[Select[tuple[int, int, Split]], FromClause]]:
    """A query for each place where members are written, and the rows it reads: base first, then newest first."""
    base = base_members.alias("base")
    query = select(base.c.entry_id, base.c.class_id, base.c.split).where(base.c.base_id == way.base_id)
    yield query.where(*(_unchanged(segment, base) for segment in way.segments)), base
    for number, segment in enumerate(way.segments):
        row = version_changes.alias("row")
        later = version_changes.alias("later")
        again = exists().where(
            later.c.branch_id == segment.branch_id,
            later.c.entry_id == row.c.entry_id,
            later.c.version_id > row.c.version_id,
            later.c.version_id <= segment.high,
        )
        query = select(row.c.entry_id, row.c.class_id, row.c.split).where(
            segment.holds(row), row.c.class_id.is_not(None), ~again
        )
        yield query.where(*(_unchanged(newer, row) for newer in way.segments[:number])), row


def _unchanged(segment: Segment, row: FromClause) -> ColumnElement[bool]:
    change = version_changes.alias(f"change_{segment.branch_id}")
    return ~exists().where(segment.holds(change), change.c.entry_id == row.c.entry_id)


def _places(session: Session, way: Way, ids: Sequence[int]) -> dict[int, Place]:
    found: dict[int, Place | None] = {}
    row = version_changes
    for segment in way.segments:
        # In two steps, each by an index: SQLite would rather read all a branch changed from one that has every column.
        latest = (
            select(row.c.entry_id, func.max(row.c.version_id).label("version_id"))
            .where(segment.holds(row), among(session, row.c.entry_id, ids))
            .group_by(row.c.entry_id)
            .subquery()
        )
        query = select(row.c.entry_id, row.c.class_id, row.c.split).join_from(
            latest,
            row,
            and_(row.c.version_id == latest.c.version_id, row.c.entry_id == latest.c.entry_id),
        )
        for entry_id, class_id, split in session.execute(query):
            found.setdefault(entry_id, None if class_id is None else Place(class_id, split))
    rest = [entry_id for entry_id in ids if entry_id not in found]
    base = base_members
    query = select(base.c.entry_id, base.c.class_id, base.c.split).where(
        base.c.base_id == way.base_id, among(session, base.c.entry_id, rest)
    )
    found.update({entry: Place(class_id, split) for entry, class_id, split in session.execute(query)})
    return {entry_id: place for entry_id, place in found.items() if place is not None}
