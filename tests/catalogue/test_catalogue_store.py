"""Stored pictures' records, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store import images as store
from sortline.db.session import writing

PHOTO = ImageRecord(
    sha256="1" * 64,
    media_type="image/jpeg",
    bytes=34567,
    width=524,
    height=524,
    brightness=121.5,
    sharpness=310.25,
    source="api",
    client=None,
    first_seen=datetime(2026, 5, 1, 12, 0, tzinfo=UTC),
    embedding=bytes(range(256)),
    embedding_bundle="ab" * 32,
)


def test_a_picture_is_kept_once_as_first_seen(engine: Engine) -> None:
    """The same picture twice, in one group or later, changes nothing."""
    later = replace(PHOTO, source="batch", client="camera 7")
    plain = replace(PHOTO, sha256="2" * 64, embedding=None, embedding_bundle=None)
    with writing(engine) as session:
        store.add_images(session, [PHOTO, later, plain])
        store.add_images(session, [later])
        store.add_images(session, [])
        assert store.get_image(session, PHOTO.sha256) == PHOTO
        assert store.get_image(session, plain.sha256) == plain
        assert store.get_image(session, "3" * 64) is None
