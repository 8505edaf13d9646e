"""What tests of the review loop share: a line, real pictures that wait on it, and the tools of a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.entries import get_entry
from sortline.catalogue.store.images import add_images
from sortline.db.ids import new_id
from sortline.db.session import reading, writing
from sortline.flows.ingest import Tools
from sortline.flows.prepare import measured
from sortline.flows.review import Answers, Ask, decide
from sortline.flows.review_queue import Wanted, lease_next
from sortline.lines import store as lines
from sortline.lines.classes import list_classes
from sortline.review.item import ReviewItem, ReviewSettings, Sighting
from sortline.review.store import items
from sortline.review.store.settings import set_settings
from sortline.storage.objects import ObjectBlobs
from tests.pictures import photo

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
BUNDLE = "ab" * 32


@lru_cache(maxsize=64)
def _picture(seed: int) -> tuple[bytes, ImageRecord]:
    stored, record = measured(photo(96, 64, seed=seed), now=NOON, source="belt-1")
    return stored.data, replace(record, phash=None, format=None)


class Queue:
    """A line with two classes, and pictures that wait on it; `tools` give labels."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.tools = Tools(engine=engine, blobs=ObjectBlobs(), trained=lambda _: lambda _: None)
        with writing(engine) as session:
            name = f"line-{new_id()[-12:]}"
            self.line_id = lines.create_line(session, name, class_names=["Glass", "Metal"]).id

    def add(
        self, *seeds: int, embeddings: Sequence[np.ndarray] | None = None, **changes: object
    ) -> list[str]:
        """Ids of the items of these drawn pictures, one for each seed."""
        records, sightings = [], []
        for place, seed in enumerate(seeds):
            data, record = _picture(seed)
            self.tools.blobs.put_many([(record.sha256, data)])
            if embeddings is not None:
                row = np.ascontiguousarray(embeddings[place], "<f2").tobytes()
                record = replace(record, embedding=row, embedding_bundle=BUNDLE)
            records.append(record)
            sightings.append(_sighting(self.line_id, record, changes))
        with writing(self.engine) as session:
            add_images(session, records)
            return items.open_or_join(session, sightings)

    def item(self, item_id: str) -> ReviewItem:
        """The item as it is now."""
        with reading(self.engine) as session:
            return items.get_item(session, self.line_id, item_id)


def _sighting(line_id: int, record: ImageRecord, changes: dict[str, object]) -> Sighting:
    facts: dict[str, object] = {
        "line_id": line_id,
        "image_sha256": record.sha256,
        "prediction_id": new_id(),
        "reason": "unknown",
        "class_name": "Glass",
        "confidence": 0.4,
        "ood_score": 0.9,
        "source": "belt-1",
        "at": NOON,
        "width": record.width,
        "height": record.height,
        "bytes": record.bytes,
    }
    return Sighting(**{**facts, **changes})  # type: ignore[arg-type]  # the fields are the ones above


def take(waiting: Queue, who: str, limit: int = 20, **wanted: object) -> list[str]:
    """Ids of what a person is given."""
    found = lease_next(
        waiting.engine,
        waiting.line_id,
        who=who,
        wanted=Wanted(**wanted),
        limit=limit,  # type: ignore[arg-type]
    )
    return [item.id for item in found.items]


def say(waiting: Queue, who: str, item: str, label: str | None, **more: object) -> Answers:
    """One person's opinion about one item; None: unusable."""
    ask = Ask(item=item, action="unusable" if label is None else "label", class_name=label, **more)  # type: ignore[arg-type]
    return decide(waiting.tools, waiting.line_id, [ask], who=who)


def label_of(waiting: Queue, item: str) -> str | None:
    """The class of an item's picture in the catalogue; raises where it is in none."""
    with reading(waiting.engine) as session:
        names = {one.id: one.name for one in list_classes(session, waiting.line_id)}
        entry = get_entry(
            session, waiting.line_id, items.get_item(session, waiting.line_id, item).image_sha256
        )
    return None if entry.class_id is None else names[entry.class_id]


def second_opinions(waiting: Queue, share: float) -> None:
    """So many items get two."""
    with writing(waiting.engine) as session:
        set_settings(session, waiting.line_id, ReviewSettings(second_opinions=share))
