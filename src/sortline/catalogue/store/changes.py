"""What differs between versions: read from the changes on the ways between them, never from their members."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice

from sqlalchemy import select

from sortline.catalogue.store.paths import Meeting, Segment, meet
from sortline.catalogue.tables import version_changes
from sortline.catalogue.version import Change, ChangeKind, Conflict, Diff, Place, Version
from sortline.db.paging import id_of
from sortline.db.session import Session

# Entries looked at together, so that a diff of millions takes no more memory than one of thousands.
_ENTRIES = 500

Steps = Mapping[int, tuple[Place | None, Place | None]]


def diff(
    session: Session, before: Version, after: Version, *, limit: int = 100, cursor: str | None = None
) -> Diff:
    """How `after` differs from `before`: all counts, and `limit` changes by entry id from behind the cursor on.

    Costs the changes on both ways from where the two part.

    Raises:
        BadCursor: it is no id.
    """
    behind = 0 if cursor is None else id_of(cursor)
    meeting = meet(session, before, after)
    counts = dict.fromkeys(ChangeKind, 0)
    counts |= Counter(change.kind for change in _differences(session, meeting, 0))
    changes = list(islice(_differences(session, meeting, behind), limit + 1))
    more, changes = len(changes) > limit, changes[:limit]
    last = changes[-1].entry_id if changes else behind
    return Diff(counts=counts, changes=changes, next_cursor=str(last) if more else None)


def differences(session: Session, before: Version, after: Version, behind: int, limit: int) -> list[Change]:
    """Up to `limit` changes from `before` to `after`, by entry id, from behind an id on."""
    return list(islice(_differences(session, meet(session, before, after), behind), limit))


def conflicts(session: Session, ours: Version, theirs: Version) -> Iterator[Conflict]:
    """Entries that both versions changed since they parted, each to something else."""
    meeting = meet(session, ours, theirs)
    for mine, other in _steps(session, meeting, 0):
        for entry_id in sorted(mine.keys() & other.keys()):
            (base, ours_now), (_, theirs_now) = mine[entry_id], other[entry_id]
            if ours_now != theirs_now and base not in (ours_now, theirs_now):
                yield Conflict(entry_id=entry_id, base=base, ours=ours_now, theirs=theirs_now)


def merged(
    session: Session, ours: Version, theirs: Version, prefer_theirs: bool, behind: int, limit: int
) -> list[Change]:
    """Up to `limit` changes that bring `theirs` into `ours`, by entry id, from behind an id on."""

    def found() -> Iterator[Change]:
        for mine, other in _steps(session, meet(session, ours, theirs), behind):
            for entry_id in sorted(other):
                base, wanted = other[entry_id]
                now = mine[entry_id][1] if entry_id in mine else base
                # What we left as it was becomes theirs; what both changed becomes theirs where that is preferred.
                if wanted not in (now, base) and (now == base or prefer_theirs):
                    yield Change(entry_id, now, wanted)

    return list(islice(found(), limit))


def _differences(session: Session, meeting: Meeting, behind: int) -> Iterator[Change]:
    for mine, other in _steps(session, meeting, behind):
        for entry_id in sorted(mine.keys() | other.keys()):
            # What only one side changed stands on the other as it was where they parted.
            before = mine[entry_id][1] if entry_id in mine else other[entry_id][0]
            after = other[entry_id][1] if entry_id in other else mine[entry_id][0]
            if before != after:
                yield Change(entry_id, before, after)


def _steps(session: Session, meeting: Meeting, behind: int) -> Iterator[tuple[Steps, Steps]]:
    """For spans of entries, by id: what each side made of them, (at the parting, now)."""
    while ids := _changed(session, (*meeting.ours, *meeting.theirs), behind):
        first, last = ids[0], ids[-1]
        yield (
            _fold(session, meeting.ours, first, last),
            _fold(session, meeting.theirs, first, last),
        )
        behind = last


def _changed(session: Session, segments: Sequence[Segment], behind: int) -> list[int]:
    """The next entries that versions on the segments changed."""
    change = version_changes.c
    found: list[list[int]] = []
    for segment in segments:
        query = (
            select(change.entry_id)
            .where(segment.holds(version_changes), change.entry_id > behind)
            .distinct()
            .order_by(change.entry_id)
            .limit(_ENTRIES)
        )
        found.append(list(session.scalars(query)))
    ordered = (entry_id for entry_id, _ in groupby(heapq.merge(*found)))
    return list(islice(ordered, _ENTRIES))


def _fold(session: Session, segments: Sequence[Segment], first: int, last: int) -> Steps:
    change = version_changes.c
    folded: dict[int, tuple[Place | None, Place | None]] = {}
    # From the oldest on: the first change tells what was before, the last what is now.
    for segment in reversed(segments):
        query = (
            select(change.entry_id, change.before_class, change.before_split, change.class_id, change.split)
            .where(segment.holds(version_changes), change.entry_id.between(first, last))
            .order_by(change.entry_id, change.version_id)
        )
        for entry_id, before_class, before_split, class_id, split in session.execute(query):
            before = None if before_class is None else Place(before_class, before_split)
            after = None if class_id is None else Place(class_id, split)
            folded[entry_id] = (folded[entry_id][0] if entry_id in folded else before, after)
    return folded
