"""Some members of a version, drawn without reading the others."""

from __future__ import annotations

from itertools import chain
from random import Random

from sqlalchemy import select

from sortline.catalogue.entry import Split
from sortline.catalogue.store.members import Sieve, resolve, unchanged
from sortline.catalogue.store.paths import Way, way_to
from sortline.catalogue.tables import base_members
from sortline.catalogue.version import Member, Version
from sortline.db.session import Session


def sample(
    session: Session,
    version: Version,
    class_id: int,
    count: int,
    *,
    split: Split | None = None,
    seed: int = 0,
) -> list[Member]:
    """Up to `count` members of a class, drawn anywhere between its first and its last; the same for the same seed.

    What is drawn is the next member behind a point, so one after a gap in the ids comes more often.
    """
    way = way_to(session, version)
    sieve = Sieve(pairs=tuple((class_id, one) for one in (Split if split is None else (split,))))
    ends = [*resolve(session, way, sieve, 1), *resolve(session, way, sieve, 1, descending=True)]
    if not ends:
        return []
    random, (first, last) = Random(f"{seed} {class_id}"), ends  # noqa: S311 - a sample, no secret
    found: dict[int, Member] = {}
    for _ in range(count):
        point = random.randint(first.entry_id, last.entry_id)
        found |= {one.entry_id: one for one in resolve(session, way, sieve.within(point, None), 1)}
    if len(found) < count:
        # What was drawn twice is replaced by members around another point.
        point = random.randint(first.entry_id, last.entry_id)
        around = chain(
            resolve(session, way, sieve.within(point, None), 2 * count),
            resolve(session, way, sieve.within(0, point), 2 * count, descending=True),
        )
        for member in around:
            if len(found) == count:
                break
            found.setdefault(member.entry_id, member)
    return sorted(found.values())


def glance(session: Session, version: Version, class_id: int, split: Split, count: int) -> list[int]:
    """Up to `count` members of a class in a split, from all over its time: the same every time, and found fast.

    Most are told by the base alone; only where that has too few are later changes asked.
    """
    way = way_to(session, version)
    span = _span(session, way, class_id, split)
    found = dict.fromkeys(
        entry_id
        for number in range(count if span else 0)
        if span
        and (entry_id := _next(session, way, class_id, split, _point(span, number, count))) is not None
    )
    if len(found) < count:
        sieve = Sieve(pairs=((class_id, split),))
        found |= dict.fromkeys(one.entry_id for one in resolve(session, way, sieve, count, descending=True))
    return sorted(found)[:count]


def _point(span: tuple[int, int], number: int, count: int) -> int:
    first, last = span
    return first + (last - first) * (2 * number + 1) // (2 * count)


def _span(session: Session, way: Way, class_id: int, split: Split) -> tuple[int, int] | None:
    base = base_members.c
    query = select(base.entry_id).where(
        base.base_id == way.base_id, base.class_id == class_id, base.split == split
    )
    first = session.scalar(query.order_by(base.entry_id).limit(1))
    last = session.scalar(query.order_by(base.entry_id.desc()).limit(1))
    return None if first is None or last is None else (first, last)


def _next(session: Session, way: Way, class_id: int, split: Split, point: int) -> int | None:
    base = base_members
    query = (
        select(base.c.entry_id)
        .where(
            base.c.base_id == way.base_id,
            base.c.class_id == class_id,
            base.c.split == split,
            base.c.entry_id >= point,
            *(unchanged(segment, base) for segment in way.segments),
        )
        .order_by(base.c.entry_id)
        .limit(1)
    )
    found: int | None = session.scalar(query)
    return found
