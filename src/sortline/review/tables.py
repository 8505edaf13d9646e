"""The tables of review: what waits, what was decided, what looks alike.

review_items ◀── review_decisions (append-only; state and label of an item follow from them)
     ▲
     └── review_vectors ──▶ review_clusters
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    TextClause,
    false,
    text,
)

from sortline.db.base import Hex, UtcDateTime, metadata

# What the list filters on and shows is copied onto the row, so that no query crosses domains. From `control` on it is
# derived: the order from `order`, what became of the item from its decisions (`outcome`), the cluster from `clusters`.
review_items = Table(
    "review_items",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("image_sha256", Hex, nullable=False),
    Column("prediction_id", Hex, nullable=False),
    Column("state", String(20), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("class_name", String(200), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("ood_score", Float, nullable=False),
    Column("source", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
    Column("lease_by", String(200)),
    Column("control", Boolean, nullable=False, server_default=false()),
    Column("priority", Float, nullable=False, server_default="0"),
    Column("crowd", Integer, nullable=False, server_default="0"),
    Column("skips", Integer, nullable=False, server_default="0"),
    Column("cluster_id", Integer),
    Column("needed", Integer, nullable=False, server_default="1"),
    Column("opinions", Integer, nullable=False, server_default="0"),
    Column("deferred_until", UtcDateTime),
    Column("class_id", Integer),
    Column("label_event", Hex),
    Column("decided_at", UtcDateTime),
)
# Both databases use a partial index only where the query says its condition in the same words.
IS_WAITING = text("state IN ('open', 'disputed')")


def _partial(name: str, condition: TextClause, *columns: Column[object], unique: bool = False) -> None:
    Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


_items = review_items.c
# One waiting item per picture and line: a second sight joins it.
_partial("uq_review_items_waiting", IS_WAITING, _items.line_id, _items.image_sha256, unique=True)
# Lists, newest first, whole and by one facet.
Index("ix_review_items_line_id_state_at_id", _items.line_id, _items.state, _items.at, _items.id)
for _facet in (_items.reason, _items.class_name, _items.source):
    Index(
        f"ix_review_items_line_id_state_{_facet.name}_at_id",
        _items.line_id,
        _items.state,
        _facet,
        _items.at,
        _items.id,
    )
# What is next, of the control share or not, and of one reason, class or cluster.
for _facet in (_items.control, _items.reason, _items.class_name, _items.cluster_id):
    _partial(
        f"ix_review_items_next_{_facet.name}", IS_WAITING, _items.line_id, _facet, _items.priority, _items.id
    )
_partial("ix_review_items_held", text("lease_by IS NOT NULL"), _items.line_id, _items.lease_by)
_partial("ix_review_items_decided", text("decided_at IS NOT NULL"), _items.line_id, _items.decided_at)
_loose = text(f"cluster_id IS NULL AND {IS_WAITING.text}")
_partial("ix_review_items_loose", _loose, _items.line_id, _items.id)
Index("ix_review_items_prediction_id", _items.prediction_id)
Index("ix_review_items_image_sha256", _items.image_sha256)

# Who decided what about which item, or about which accepted prediction, when. `undone` is derived from later undos;
# `label_event` is the label that a corrected prediction's picture was given.
review_decisions = Table(
    "review_decisions",
    metadata,
    Column("id", Hex, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("item_id", Hex),
    Column("prediction_id", Hex),
    Column("who", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("action", String(20), nullable=False),
    Column("class_id", ForeignKey("classes.id")),
    Column("predicted", String(200)),
    Column("until", UtcDateTime),
    Column("undoes", Hex),
    Column("undone", Boolean, nullable=False, server_default=false()),
    Column("ms", Integer),
    Column("key", String(64)),
    Column("label_event", Hex),
    sqlite_with_rowid=False,
)
_decisions = review_decisions.c
Index("ix_review_decisions_item_id_id", _decisions.item_id, _decisions.id)
Index("ix_review_decisions_line_id_id", _decisions.line_id, _decisions.id)
Index("ix_review_decisions_line_id_who_id", _decisions.line_id, _decisions.who, _decisions.id)
Index("ix_review_decisions_prediction_id", _decisions.prediction_id)
# A decision sent twice under one key is one decision.
_partial(
    "uq_review_decisions_key",
    text("key IS NOT NULL"),
    _decisions.line_id,
    _decisions.who,
    _decisions.key,
    unique=True,
)

# What looks alike. `space` names the network whose embeddings compare; `size` counts all that ever joined.
review_clusters = Table(
    "review_clusters",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("line_id", ForeignKey("lines.id"), nullable=False),
    Column("space", Hex, nullable=False),
    Column("centre", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("newest_at", UtcDateTime, nullable=False),
)
Index(None, review_clusters.c.line_id, review_clusters.c.space)

# The vectors of items that wait, one cluster's side by side on the disk.
review_vectors = Table(
    "review_vectors",
    metadata,
    Column("cluster_id", Integer, primary_key=True),
    Column("item_id", Hex, primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# How many items were opened on a day (since 1970, UTC), by reason; on the day -1, below nothing, how many wait no more.
# Their sum waits. Derived from the items, of which there may be millions.
review_tallies = Table(
    "review_tallies",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("reason", String(20), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

review_settings = Table(
    "review_settings",
    metadata,
    Column("line_id", ForeignKey("lines.id"), primary_key=True),
    Column("second_opinions", Float, nullable=False),
    Column("control_share", Float, nullable=False),
)
