"""Keeping what was seen: the prediction and its count, for review the picture and its item, some accepted pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import add_images
from sortline.db.session import Session
from sortline.engine.canonical import Canonical
from sortline.engine.classifier import Prediction
from sortline.engine.routing import Verdict
from sortline.monitoring import store as monitoring
from sortline.monitoring.kept_store import keep_accepted
from sortline.monitoring.recorded import KeptPicture, RecordedPrediction
from sortline.review.item import Sighting
from sortline.review.store.items import open_or_join
from sortline.storage.blobs import Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One prediction to record; `picture` is there when it goes to review or is one that the line keeps."""

    recorded: RecordedPrediction
    prediction: Prediction
    picture: Canonical | None
    client: str | None


def keep_pictures(blobs: Blobs, sights: Sequence[Sight]) -> None:
    """Every picture to keep is on the disk for good. Comes before `record`: a row never names a missing picture."""
    blobs.put_many([(s.picture.sha256.hex(), s.picture.data) for s in sights if s.picture is not None])


def record(session: Session, sights: Sequence[Sight]) -> None:
    """The sights are counted, each picture for review has its item (its own, or the open one it joins), and accepted
    pictures that are kept are noted as such.
    """
    monitoring.record(session, [sight.recorded for sight in sights])
    shown = [(sight, sight.picture) for sight in sights if sight.picture is not None]
    add_images(session, [_image(sight, picture) for sight, picture in shown])
    open_or_join(session, [_sighting(s, picture) for s, picture in shown if _for_review(s)])
    keep_accepted(session, [_kept(s, picture) for s, picture in shown if not _for_review(s)])


def _for_review(sight: Sight) -> bool:
    return sight.recorded.verdict == Verdict.REVIEW


def _kept(sight: Sight, picture: Canonical) -> KeptPicture:
    recorded = sight.recorded
    return KeptPicture(
        line_id=recorded.line_id,
        prediction_id=recorded.id,
        image_sha256=picture.sha256.hex(),
        source=recorded.source,
    )


def _image(sight: Sight, picture: Canonical) -> ImageRecord:
    prediction = sight.prediction
    return ImageRecord(
        sha256=picture.sha256.hex(),
        media_type=picture.media_type,
        bytes=len(picture.data),
        width=prediction.width,
        height=prediction.height,
        brightness=prediction.brightness,
        sharpness=prediction.sharpness,
        source=sight.recorded.source,
        client=sight.client,
        first_seen=sight.recorded.at,
        embedding=np.ascontiguousarray(prediction.embedding, "<f2").tobytes(),
        embedding_bundle=sight.recorded.bundle_hash,
    )


def _sighting(sight: Sight, picture: Canonical) -> Sighting:
    recorded = sight.recorded
    return Sighting(
        line_id=recorded.line_id,
        image_sha256=picture.sha256.hex(),
        prediction_id=recorded.id,
        reason=recorded.reason or "",
        class_name=recorded.class_name,
        confidence=recorded.confidence,
        ood_score=recorded.ood_score,
        source=recorded.source,
        at=recorded.at,
        width=sight.prediction.width,
        height=sight.prediction.height,
        bytes=len(picture.data),
    )
