"""The queue: what a person is given next, what looks like a picture, and which kinds of things wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from sqlalchemy import Engine

from sortline.catalogue.store.images import embeddings_of
from sortline.db.session import Session, reading, writing
from sortline.engine.routing import Reason
from sortline.flows.bundles_of_line import backbone_of
from sortline.lines.store import list_lines
from sortline.registry import store as registry
from sortline.review import lease as leases
from sortline.review import order
from sortline.review.clusters import Vectors, join, packed, projected, unpacked
from sortline.review.item import ReviewItem
from sortline.review.store import clusters, items, queue
from sortline.review.store.queue import Wanted
from sortline.review.store.settings import get_settings

__all__ = ["Kind", "Leased", "Similar", "Wanted", "gather", "gather_next", "kinds", "lease_next", "similar"]

# Waiting items beyond these are not counted each time somebody is given some.
COUNTED = 10_000
# Items put into clusters in one transaction, which takes some 20 ms.
_AT_ONCE = 100
# Vectors looked at for what looks like a picture, of its nearest clusters; of one cluster so many, the newest.
_CANDIDATES, _OF_ONE = 1200, 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """Items that are the caller's `until` then; how many wait in all, counted up to `COUNTED`."""

    items: tuple[ReviewItem, ...]
    until: datetime
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """A waiting item, and how much it looks like the one asked about: the cosine of their embeddings."""

    item: ReviewItem
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Waiting items that look alike: how many there are, how many more come a day, the newest, and some of them."""

    id: int
    size: int
    growing: float
    newest: datetime
    examples: tuple[ReviewItem, ...]


def lease_next(
    engine: Engine,
    line_id: int,
    *,
    who: str,
    wanted: Wanted,
    limit: int,
    seconds: int = leases.SECONDS,
    chance: random.Random | None = None,
    beside: Callable[[Session], None] | None = None,
) -> Leased:
    """Up to `limit` items, the caller's for a while: those the caller holds already, then the next in the queue.

    Whoever asks for no reason, class or cluster is given a share of the control share as well. What is written `beside`
    is in the same transaction.
    """
    gather(engine, line_id)
    now = datetime.now(UTC)
    until = leases.lease_end(now, seconds)
    with writing(engine) as session:
        if beside is not None:
            beside(session)
        found = queue.held(session, line_id, who, now, wanted, limit)
        if len(found) < limit:
            found += _fresh(session, line_id, who, now, wanted, limit - len(found), chance or random.Random())  # noqa: S311  # no secret
        if found:
            queue.lease(session, [item.id for item in found], who, until)
        waiting = items.count_open(session, line_id, most=COUNTED)
    held = (replace(item, lease_by=who, lease_until=until) for item in found)
    return Leased(items=tuple(held), until=until, waiting=waiting)


def similar(engine: Engine, line_id: int, item_id: str, *, limit: int) -> list[Similar]:
    """The waiting items that look most like this one, the nearest first; itself is not among them.

    Looked for in the clusters nearest to it. Nothing for a picture that no bundle has seen. What was drawn by lot is in
    no cluster and keeps its turn.

    Raises:
        UnknownItem: the line has no such item.
    """
    gather(engine, line_id)
    with reading(engine) as session:
        item = items.get_item(session, line_id, item_id)
        place = _place(session, item)
        if place is None:
            return []
        space, vector = place
        near = _nearest(session, clusters.clusters_of(session, line_id, space), vector, limit + 1)
        found = items.get_items(session, line_id, [one for one, _ in near])
    alike = [
        Similar(item=found[one], similarity=likeness)
        for one, likeness in near
        if one != item.id and one in found and found[one].waiting
    ]
    return alike[:limit]


def kinds(engine: Engine, line_id: int, *, limit: int, days: int = 7, examples: int = 6) -> list[Kind]:
    """The kinds of things that wait, the most numerous first; growth is the mean of the last `days`."""
    gather(engine, line_id)
    since = datetime.now(UTC) - timedelta(days=days)
    with reading(engine) as session:
        counted = clusters.largest(session, line_id, since, limit)
        shown = {
            one.id: queue.first(session, line_id, Wanted(cluster_id=one.id), examples) for one in counted
        }
    return [
        Kind(
            id=one.id,
            size=one.waiting,
            growing=one.recent / days,
            newest=one.newest_at,
            examples=tuple(shown[one.id]),
        )
        for one in counted
    ]


def gather_next(engine: Engine, stop: Event) -> bool:
    """Whether a line had items in no cluster; some are in one now. Part of the worker's upkeep."""
    with reading(engine) as session:
        lines = [line.id for line in list_lines(session)]
        line_id = next((one for one in lines if clusters.any_loose(session, one)), None)
    if line_id is None:
        return False
    begun = time.perf_counter()
    gather(engine, line_id)
    stop.wait(time.perf_counter() - begun)  # as long as it wrote, others may
    return True


def gather(engine: Engine, line_id: int, *, most: int = _AT_ONCE) -> int:
    """How many of a line's waiting items of which it was not known have their cluster now, or none; at most `most`.

    Done a little whenever somebody asks for the queue, so that what is new is in order without a worker, too.
    """
    with reading(engine) as session:
        if not clusters.any_loose(session, line_id):
            return 0
    with writing(engine) as session:
        clusters.hold_clusters(session, line_id)
        loose = clusters.loose_items(session, line_id, most, lock=True)
        seen = embeddings_of(session, [item.image_sha256 for item in loose])
        spaces = _spaces(session, {bundle for bundle, _ in seen.values()})
        # What was drawn by lot is of no kind: labelled for its looks it would no longer tell how good the answers are.
        alike = [item for item in loose if item.image_sha256 in seen and item.reason != Reason.SAMPLED]
        by_space: dict[tuple[str, int], list[clusters.Loose]] = {}
        for item in alike:
            bundle, data = seen[item.image_sha256]
            by_space.setdefault((spaces[bundle], len(data)), []).append(item)
        for (space, _), together in by_space.items():
            _join(session, line_id, space, together, {sha: data for sha, (_, data) in seen.items()})
        joined = {item.id for item in alike}
        items.change_items(
            session, [{"id": one.id, "cluster_id": 0} for one in loose if one.id not in joined]
        )
    return len(loose)


def _fresh(
    session: Session,
    line_id: int,
    who: str,
    now: datetime,
    wanted: Wanted,
    n: int,
    chance: random.Random,
) -> list[ReviewItem]:
    """Up to `n` items for a person, nobody else's: in order, with the control share's places among them."""
    if wanted.narrow:
        return queue.free(session, line_id, who, now, wanted, n)
    places = order.control_places(n, get_settings(session, line_id).control_share, chance)
    drawn, ordered = replace(wanted, control=True), replace(wanted, control=False)
    control = queue.free(session, line_id, who, now, drawn, places) if places else []
    first = queue.free(session, line_id, who, now, ordered, n - len(control))
    if (missing := n - len(control) - len(first)) > 0:
        more = queue.free(session, line_id, who, now, drawn, len(control) + missing)
        known = {item.id for item in control}
        control += [item for item in more if item.id not in known][:missing]
    return order.mixed(first, control)


def _join(
    session: Session, line_id: int, space: str, loose: Sequence[clusters.Loose], data: dict[str, bytes]
) -> None:
    """The items are in clusters of the space, in the order in which they came, each behind others of its kind."""
    vectors = projected(_rows([data[item.image_sha256] for item in loose]))
    before = clusters.clusters_of(session, line_id, space)
    joined = join(vectors, before.centres, before.sizes)
    ids = clusters.keep_clusters(session, line_id, space, before, joined, loose[-1].at)
    places = [ids[place] for place in joined.places]
    rows = [(place, item.id, row) for place, item, row in zip(places, loose, packed(vectors), strict=True)]
    clusters.add_vectors(session, rows)
    changes = [
        {"id": item.id, "cluster_id": place, "crowd": int(crowd), "priority": _priority(item, int(crowd))}
        for place, item, crowd in zip(places, loose, joined.crowds, strict=True)
    ]
    items.change_items(session, changes)


def _priority(item: clusters.Loose, crowd: int) -> float:
    return order.priority(
        item.id,
        reason=item.reason,
        confidence=item.confidence,
        ood_score=item.ood_score,
        control=item.control,
        crowd=crowd,
        skips=item.skips,
        state=item.state,
    )


def _place(session: Session, item: ReviewItem) -> tuple[str, Vectors] | None:
    """The space an item's embedding lies in, and its vector (D,) there; None where it has none."""
    if item.cluster_id:
        space = clusters.space_of(session, item.cluster_id)
        kept = clusters.vector_of(session, item.cluster_id, item.id)
        if space is not None and kept is not None:
            return space, unpacked([kept])[0]
    seen = embeddings_of(session, [item.image_sha256]).get(item.image_sha256)
    if seen is None:
        return None
    bundle, data = seen
    return _spaces(session, {bundle})[bundle], projected(_rows([data]))[0]


def _nearest(
    session: Session, known: clusters.Clusters, vector: Vectors, limit: int
) -> list[tuple[str, float]]:
    """Ids of items and their likeness to a vector (D,), the nearest first, out of the nearest clusters."""
    ids: list[str] = []
    rows: list[bytes] = []
    for together in _portions(known, np.argsort(-(known.centres @ vector)) if known.ids else ()):
        most = _OF_ONE if len(together) == 1 else _CANDIDATES
        more, theirs = clusters.vectors_of(session, together, most)
        ids += more
        rows += theirs
        if len(ids) >= _CANDIDATES:
            break
    if not ids:
        return []
    likeness = unpacked(rows) @ vector
    best = np.argsort(-likeness, kind="stable")[:limit]
    return [(ids[one], float(likeness[one])) for one in best]


def _portions(known: clusters.Clusters, nearest: Iterable[int]) -> Iterator[list[int]]:
    """Ids of clusters, the nearest first, to be looked at together: a large one alone, small ones some at a time."""
    together: list[int] = []
    total = 0
    for place in nearest:
        size = int(known.sizes[place])
        if together and total + size > _OF_ONE:
            yield together
            together, total = [], 0
        together.append(known.ids[place])
        total += size
    if together:
        yield together


def _spaces(session: Session, bundles: set[str]) -> dict[str, str]:
    """The space of each bundle's embeddings: its backbone, or itself where it is not known what that was."""
    found = registry.get_bundles(session, bundles) if bundles else {}
    spaces = {one: one for one in bundles}
    for bundle_hash, record in found.items():
        if (document := record.document) is not None:
            try:
                spaces[bundle_hash] = backbone_of(document)
            except ValidationError:  # of a newer Sortline: its embeddings compare with its own
                continue
    return spaces


def _rows(data: Sequence[bytes]) -> NDArray[np.float16]:
    return np.stack([np.frombuffer(row, "<f2") for row in data])
