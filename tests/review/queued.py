"""What tests of the review loop share: a line, real pictures that wait on it, and the tools of a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import add_images
from sortline.db.ids import new_id
from sortline.db.session import reading, writing
from sortline.flows.ingest import Tools
from sortline.flows.prepare import measured
from sortline.lines import store as lines
from sortline.review.item import ReviewItem, Sighting
from sortline.review.store import items
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
        self.tools = Tools(engine=engine, blobs=ObjectBlobs(), trained=lambda _: None)
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
