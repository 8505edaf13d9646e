"""Some members of a version, drawn without reading the others."""

from __future__ import annotations

from itertools import chain
from random import Random

from sortline.catalogue.entry import Split
from sortline.catalogue.store.members import Sieve, resolve
from sortline.catalogue.store.paths import way_to
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
