"""A review queue of drawn pictures that are really there, opened as predictions open them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from PIL import Image
from sqlalchemy import Engine

from sortline.catalogue.store.images import add_images
from sortline.db.ids import new_id
from sortline.db.session import writing
from sortline.flows.prepare import measured
from sortline.review.item import Sighting
from sortline.review.store.items import open_or_join
from sortline.storage.blobs import Blobs


def drawn(seed: int, *, grain: int, size: int) -> bytes:
    """A square JPEG of so many px, made of `grain` × `grain` random colours."""
    pixels = np.random.default_rng(seed).integers(0, 255, (grain, grain, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((size, size)).save(file, "JPEG", quality=90)
    return file.getvalue()


def open_items(
    engine: Engine, blobs: Blobs, line_id: int, jpegs: Iterable[bytes], *, class_name: str
) -> list[str]:
    """Ids of the items by which these pictures wait as unknown; each was taken for the class."""
    now = datetime.now(UTC)
    records, sightings = [], []
    for jpeg in jpegs:
        stored, record = measured(jpeg, now=now, source="belt-0")
        blobs.put_many([(record.sha256, stored.data)])
        records.append(replace(record, phash=None, format=None))
        sightings.append(
            Sighting(
                line_id=line_id,
                image_sha256=record.sha256,
                prediction_id=new_id(),
                reason="unknown",
                class_name=class_name,
                confidence=0.4,
                ood_score=0.5,
                source="belt-0",
                at=now,
                width=record.width,
                height=record.height,
                bytes=record.bytes,
            )
        )
    with writing(engine) as session:
        add_images(session, records)
        return open_or_join(session, sightings)
