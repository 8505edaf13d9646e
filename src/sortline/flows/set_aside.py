"""A picture that comes without a class, outside any traffic: it waits for a person to say what it is."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from sqlalchemy import Engine

from sortline.catalogue.entry import UnknownEntry
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.entries import get_entry
from sortline.catalogue.store.images import add_images, erased
from sortline.db.ids import new_id
from sortline.db.session import Session, reading, writing
from sortline.engine.classifier import Prediction
from sortline.flows.pictures import ErasedPicture
from sortline.flows.prepare import measured
from sortline.review.item import UPLOADED, Sighting
from sortline.review.store.items import open_or_join
from sortline.serving.inference import Inference, Inferred, Job
from sortline.serving.live import LiveLine
from sortline.storage.blobs import Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What the live bundle, by its hash, says of the picture: what a reviewer is shown first."""

    prediction: Prediction
    bundle_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """The picture's hash, and what became of it: it waits for `review`, or was `labelled` before and does not."""

    sha256: str
    outcome: Literal["review", "labelled"]


def guess(inference: Inference, line: LiveLine, data: bytes) -> Guess | None:
    """What the line's live bundle says of a picture, recorded nowhere; None where there is none.

    Raises:
        ImageError: the picture cannot be read.
    """
    if line.classifier is None:
        return None
    answer: Future[Inferred] = Future()
    inference.submit(Job(line=line, data=data, done=answer.set_result, failed=answer.set_exception))
    try:
        return Guess(prediction=answer.result().prediction, bundle_hash=line.classifier.bundle.hash)
    finally:
        del answer  # an error's traceback holds all that is named here, so it must not hold the error


def set_aside(
    engine: Engine,
    blobs: Blobs,
    line_id: int,
    data: bytes,
    *,
    guessed: Guess | None,
    source: str,
    client: str | None = None,
) -> SetAside:
    """The picture is on the disk and has a review item, its own or the open one it joins. Nothing is counted as seen.

    Raises:
        ImageError: it cannot be taken.
        ErasedPicture: it was deleted for good, and is not taken again.
    """
    stored, record = measured(data, now=datetime.now(UTC), source=source, client=client)
    with reading(engine) as session:
        if erased(session, [record.sha256]):
            raise ErasedPicture(record.sha256)
        if _is_labelled(session, line_id, record.sha256):
            return SetAside(sha256=record.sha256, outcome="labelled")
    blobs.put_many([(record.sha256, stored.data)])
    with writing(engine) as session:
        add_images(session, [_with(record, guessed)])
        gone = bool(erased(session, [record.sha256]))
        if not gone:
            open_or_join(session, [_sighting(line_id, record, guessed)])
    if gone:  # in the moment between
        blobs.delete(record.sha256)
        raise ErasedPicture(record.sha256)
    return SetAside(sha256=record.sha256, outcome="review")


def _is_labelled(session: Session, line_id: int, sha256: str) -> bool:
    try:
        return get_entry(session, line_id, sha256).class_id is not None
    except UnknownEntry:
        return False


def _with(record: ImageRecord, guessed: Guess | None) -> ImageRecord:
    """The record as it is kept: its fingerprint comes when it joins a catalogue."""
    bare = replace(record, phash=None, format=None)
    if guessed is None:
        return bare
    embedding = np.ascontiguousarray(guessed.prediction.embedding, "<f2").tobytes()
    return replace(bare, embedding=embedding, embedding_bundle=guessed.bundle_hash)


def _sighting(line_id: int, record: ImageRecord, guessed: Guess | None) -> Sighting:
    prediction = guessed.prediction if guessed else None
    return Sighting(
        line_id=line_id,
        image_sha256=record.sha256,
        prediction_id=new_id(),
        reason=UPLOADED,
        class_name=prediction.class_name if prediction else "",
        confidence=prediction.confidence if prediction else 0.0,
        ood_score=prediction.ood_score if prediction else 0.0,
        source=record.source,
        at=record.first_seen,
        width=record.width,
        height=record.height,
        bytes=record.bytes,
    )
