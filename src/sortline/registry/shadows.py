"""Bundles that see a line's traffic without answering, and how often each said something else than the live one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import delete, func, select

from sortline.db import upsert
from sortline.db.bulk import insert_rows
from sortline.db.session import Session
from sortline.registry.ledger import BundleRecord
from sortline.registry.store import get_bundle
from sortline.registry.tables import bundles, shadow_counts, shadows

_SHADOWS = select(shadows.c.line_id, shadows.c.who, shadows.c.since, bundles).join(
    bundles, shadows.c.bundle_hash == bundles.c.hash
)


class Pair(NamedTuple):
    """What a line's live bundle and its shadow said of a picture; both classes are '' where the shadow was spared."""

    line_id: int
    bundle_hash: str
    live_hash: str
    live_class: str
    shadow_class: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A line's shadow: which bundle, since when, by whom."""

    line_id: int
    bundle: BundleRecord
    who: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """How often the live bundle said one class and the shadow another."""

    live_class: str
    shadow_class: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a bundle saw as the shadow of another, `live_hash`; `pictures` without those it was spared, `dropped`."""

    live_hash: str
    pictures: int
    agreed: int
    dropped: int
    disagreements: tuple[Disagreement, ...]


def start_shadow(session: Session, line_id: int, bundle_hash: str, *, who: str) -> None:
    """The bundle is the line's shadow from now on, instead of any other.

    Raises:
        UnknownBundle: this installation knows none of this hash.
    """
    get_bundle(session, bundle_hash)
    row = {"line_id": line_id, "bundle_hash": bundle_hash, "who": who, "since": datetime.now(UTC)}
    statement = upsert.insert(session.dialect.name, shadows)
    changes = {name: statement.excluded[name] for name in ("bundle_hash", "who", "since")}
    session.execute(statement.on_conflict_do_update(index_elements=["line_id"], set_=changes), row)


def stop_shadow(session: Session, line_id: int, bundle_hash: str) -> bool:
    """Whether the bundle was the line's shadow; it is not any more. What it saw stays counted."""
    mine = (shadows.c.line_id == line_id) & (shadows.c.bundle_hash == bundle_hash)
    return session.execute(delete(shadows).where(mine)).rowcount > 0


def list_shadows(session: Session) -> dict[int, Shadow]:
    """Every line's shadow, by the line's id."""
    found = {}
    for line_id, who, since, *values in session.execute(_SHADOWS):
        row = dict(zip(bundles.c.keys(), values, strict=True))
        record = BundleRecord(**{**row, "classes": tuple(row["classes"])})
        found[line_id] = Shadow(line_id=line_id, bundle=record, who=who, since=since)
    return found


def count_pairs(session: Session, pairs: Mapping[Pair, int]) -> None:
    """So many more pictures of each pair; a few hundred at a time keep the transaction short."""
    # In the order of the key, so that two servers never wait for each other's rows.
    rows = [{**pair._asdict(), "n": n} for pair, n in sorted(pairs.items())]
    insert_rows(session, shadow_counts, rows, known="add")


def seen(session: Session, line_id: int, bundle_hash: str) -> list[Seen]:
    """What a bundle saw as a shadow on a line, for each bundle that was live meanwhile, most pictures first."""
    columns = shadow_counts.c
    query = (
        select(columns.live_hash, columns.live_class, columns.shadow_class, func.sum(columns.n))
        .where(columns.line_id == line_id, columns.bundle_hash == bundle_hash)
        .group_by(columns.live_hash, columns.live_class, columns.shadow_class)
    )
    by_live: dict[str, list[tuple[str, str, int]]] = {}
    for live_hash, live_class, shadow_class, n in session.execute(query):
        by_live.setdefault(live_hash, []).append((live_class, shadow_class, int(n)))
    found = [_seen(live_hash, rows) for live_hash, rows in by_live.items()]
    return sorted(found, key=lambda one: -one.pictures)


def _seen(live_hash: str, rows: Iterable[tuple[str, str, int]]) -> Seen:
    agreed = dropped = 0
    differing: list[Disagreement] = []
    for live_class, shadow_class, n in rows:
        if not live_class:
            dropped += n
        elif live_class == shadow_class:
            agreed += n
        else:
            differing.append(Disagreement(live_class=live_class, shadow_class=shadow_class, n=n))
    differing.sort(key=lambda one: (-one.n, one.live_class, one.shadow_class))
    return Seen(
        live_hash=live_hash,
        pictures=agreed + sum(one.n for one in differing),
        agreed=agreed,
        dropped=dropped,
        disagreements=tuple(differing),
    )
