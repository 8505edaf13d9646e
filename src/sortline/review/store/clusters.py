"""Clusters in the database, and the vectors of the items that wait in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, delete, func, insert, select, update

from sortline.db import upsert
from sortline.db.among import among
from sortline.db.bulk import insert_rows
from sortline.db.session import Session
from sortline.review.clusters import Joined, Vectors, packed, unpacked
from sortline.review.item import ReviewSettings
from sortline.review.tables import IS_WAITING, review_clusters, review_items, review_settings, review_vectors

_clusters, _items, _vectors = review_clusters.c, review_items.c, review_vectors.c


# What every decision or look asks is made once, as in `items`.
_VECTOR = select(_vectors.vector).where(
    _vectors.cluster_id == bindparam("cluster"), _vectors.item_id == bindparam("item")
)
_DROP = delete(review_vectors).where(
    _vectors.cluster_id == bindparam("cluster"), _vectors.item_id == bindparam("item")
)
_ANY_LOOSE = (
    select(_items.id)
    .where(_items.line_id == bindparam("line"), _items.cluster_id.is_(None), IS_WAITING)
    .limit(1)
)
_OF_SPACE = (
    select(_clusters.id, _clusters.centre, _clusters.size)
    .where(_clusters.line_id == bindparam("line"), _clusters.space == bindparam("space"))
    .order_by(_clusters.id)
)
_SPACE = select(_clusters.space).where(_clusters.id == bindparam("cluster"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose:
    """A waiting item that nobody has looked at for what it is like: what its order follows from."""

    id: str
    image_sha256: str
    at: datetime
    reason: str
    confidence: float
    ood_score: float
    control: bool
    skips: int
    state: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """The clusters of one line in one space: `ids` (K), `centres` (K, D), `sizes` (K,)."""

    ids: tuple[int, ...]
    centres: Vectors
    sizes: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCount:
    """How many items of a cluster wait, how many of those came since some moment, and when its newest came."""

    id: int
    waiting: int
    newest_at: datetime
    recent: int


def hold_clusters(session: Session, line_id: int) -> None:
    """Until this transaction ends, no other one that holds the line's clusters goes on (SQLite: no other writes)."""
    if session.dialect.name != "sqlite":
        session.execute(
            upsert.insert(session.dialect.name, review_settings)
            .values(line_id=line_id, **asdict(ReviewSettings()))
            .on_conflict_do_nothing()
        )
        session.execute(select(review_settings).where(review_settings.c.line_id == line_id).with_for_update())


def any_loose(session: Session, line_id: int) -> bool:
    """Whether a waiting item of the line is in no cluster yet."""
    return session.scalar(_ANY_LOOSE, {"line": line_id}) is not None


def loose_items(session: Session, line_id: int, limit: int, *, lock: bool = False) -> list[Loose]:
    """Waiting items of a line that are in no cluster yet, oldest first.

    With `lock` nobody else changes them until this transaction ends; what somebody changes just now is passed over.
    """
    columns = [_items[name] for name in Loose.__dataclass_fields__]
    query = select(*columns).where(_items.line_id == line_id, _items.cluster_id.is_(None), IS_WAITING)
    query = query.order_by(_items.id).limit(limit)
    if lock:
        query = query.with_for_update(skip_locked=True)
    return [Loose(**row._mapping) for row in session.execute(query)]


def clusters_of(session: Session, line_id: int, space: str) -> Clusters:
    """The clusters of a line in a space, oldest first."""
    rows = session.execute(_OF_SPACE, {"line": line_id, "space": space}).all()
    return Clusters(
        ids=tuple(row.id for row in rows),
        centres=unpacked([row.centre for row in rows]),
        sizes=np.array([row.size for row in rows], np.int64),
    )


def keep_clusters(
    session: Session, line_id: int, space: str, before: Clusters, after: Joined, at: datetime
) -> list[int]:
    """The ids of the clusters as they are after some joined, which they have now."""
    centres, known = packed(after.centres), len(before.ids)
    fresh = [
        {
            "line_id": line_id,
            "space": space,
            "centre": centres[place],
            "size": int(after.sizes[place]),
            "made_at": at,
            "newest_at": at,
        }
        for place in range(known, len(after.sizes))
    ]
    made = [
        session.execute(insert(review_clusters).returning(_clusters.id), row).scalar_one() for row in fresh
    ]
    grown = [place for place in range(known) if after.sizes[place] != before.sizes[place]]
    if grown:
        statement = update(review_clusters).where(_clusters.id == bindparam("cluster"))
        session.execute(
            statement.values(
                centre=bindparam("new_centre"), size=bindparam("new_size"), newest_at=bindparam("moment")
            ),
            [
                {
                    "cluster": before.ids[place],
                    "new_centre": centres[place],
                    "new_size": int(after.sizes[place]),
                    "moment": at,
                }
                for place in grown
            ],
        )
    return [*before.ids, *made]


def add_vectors(session: Session, rows: Sequence[tuple[int, str, bytes]]) -> None:
    """These items, each by cluster, id and packed vector, are found by what looks like them."""
    insert_rows(
        session,
        review_vectors,
        [{"cluster_id": cluster, "item_id": item, "vector": vector} for cluster, item, vector in rows],
        known="keep",
    )


def drop_vectors(session: Session, clusters: Mapping[str, int]) -> None:
    """These items, each with its cluster, are found no more."""
    rows = [{"cluster": cluster, "item": item} for item, cluster in clusters.items()]
    if rows:
        session.execute(_DROP, rows)


def vector_of(session: Session, cluster_id: int, item_id: str) -> bytes | None:
    """The packed vector of a waiting item; None where it has none."""
    return session.scalar(_VECTOR, {"cluster": cluster_id, "item": item_id})


def vectors_of(session: Session, cluster_ids: Sequence[int], limit: int) -> tuple[list[str], list[bytes]]:
    """Ids and packed vectors of items in some clusters, up to `limit`; of one cluster the newest."""
    query = select(review_vectors.c.item_id, review_vectors.c.vector)
    if len(cluster_ids) == 1:
        query = query.where(review_vectors.c.cluster_id == cluster_ids[0])
        query = query.order_by(review_vectors.c.item_id.desc())
    else:
        query = query.where(among(session, review_vectors.c.cluster_id, cluster_ids))
    rows = session.execute(query.limit(limit)).all()
    return [row.item_id for row in rows], [row.vector for row in rows]


def space_of(session: Session, cluster_id: int) -> str | None:
    """The space a cluster lies in; None where there is no such cluster."""
    return session.scalar(_SPACE, {"cluster": cluster_id})


def largest(session: Session, line_id: int, since: datetime, limit: int) -> list[ClusterCount]:
    """The clusters of a line in which most items wait, largest first, and how many of them came since a moment."""
    waiting = func.count().label("waiting")
    query = (
        select(_items.cluster_id, waiting)
        .where(_items.line_id == line_id, IS_WAITING, _items.cluster_id > 0)
        .group_by(_items.cluster_id)
        .order_by(waiting.desc(), _items.cluster_id.desc())
        .limit(limit)
    )
    sizes: dict[int, int] = dict(session.execute(query).all())
    newest = dict(
        session.execute(
            select(_clusters.id, _clusters.newest_at).where(among(session, _clusters.id, sizes))
        ).all()
    )
    recent = _recent(session, line_id, list(sizes), since)
    return [
        ClusterCount(id=one, waiting=size, newest_at=newest[one], recent=recent.get(one, 0))
        for one, size in sizes.items()
        if one in newest
    ]


def _recent(session: Session, line_id: int, ids: Sequence[int], since: datetime) -> dict[int, int]:
    query = (
        select(_items.cluster_id, func.count())
        .where(
            _items.line_id == line_id, IS_WAITING, among(session, _items.cluster_id, ids), _items.at >= since
        )
        .group_by(_items.cluster_id)
    )
    return dict(session.execute(query).all())
