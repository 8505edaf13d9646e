"""Pictures and their thumbnails: from blobs, from where they lie, after erasure. On both databases."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine, insert

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import add_images
from sortline.catalogue.tables import entries
from sortline.db.session import reading, writing
from sortline.engine.canonical import canonical
from sortline.flows.pictures import (
    ChangedPicture,
    ErasedPicture,
    MissingPicture,
    UnknownPicture,
    picture,
)
from sortline.flows.thumbnails import UnknownSize, forget, make_missing, thumbnail
from sortline.lines.tables import lines
from sortline.storage.errors import UnknownBlob
from sortline.storage.local import LocalBlobs
from sortline.storage.objects import ObjectBlobs
from tests.pictures import exif_with, photo

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def thumbnails(tmp_path: Path) -> Iterator[dict[int, LocalBlobs]]:
    """A folder for each size."""
    kept = {size: LocalBlobs(tmp_path / str(size)) for size in (128, 384)}
    yield kept
    for blobs in kept.values():
        blobs.close()


def test_a_picture_comes_with_its_type(engine: Engine) -> None:
    """Its canonical bytes are served, whichever names are made up are unknown."""
    blobs = ObjectBlobs()
    record = _kept(blobs, photo())
    with writing(engine) as session:
        add_images(session, [record])
        assert picture(session, blobs, record.sha256) == (blobs.get(record.sha256), "image/jpeg")
        for name in ("0" * 64, "../../etc/passwd", ""):
            with pytest.raises(UnknownPicture):
                picture(session, blobs, name)


def test_a_picture_registered_in_place_is_read_where_it_lies(engine: Engine, tmp_path: Path) -> None:
    """Without its metadata, checked by its hash; another file in its place is not served as it."""
    blobs = ObjectBlobs()
    with_metadata = _with_exif(photo(seed=1))
    record, file = _in_place(with_metadata, tmp_path / "photo.jpg")
    with writing(engine) as session:
        add_images(session, [record])
    with reading(engine) as session:
        data, _ = picture(session, blobs, record.sha256)
        assert data == canonical(with_metadata).data != with_metadata
        for other in (photo(seed=2), b"no picture", b""):
            file.write_bytes(other)
            with pytest.raises(ChangedPicture):
                picture(session, blobs, record.sha256)
        file.unlink()
        with pytest.raises(MissingPicture):
            picture(session, blobs, record.sha256)


def test_an_erased_picture_says_so(engine: Engine, thumbnails: dict[int, LocalBlobs]) -> None:
    """Neither the picture nor a thumbnail comes back, though bytes were left behind."""
    blobs = ObjectBlobs()
    record = replace(_kept(blobs, photo()), erased_at=NOW)
    with writing(engine) as session:
        add_images(session, [record])
        with pytest.raises(ErasedPicture):
            picture(session, blobs, record.sha256)
    with pytest.raises(ErasedPicture):
        thumbnail(blobs, thumbnails, record, 128)


def test_a_thumbnail_is_made_once(thumbnails: dict[int, LocalBlobs]) -> None:
    """The second request is answered from what the first made, without the picture."""
    blobs = ObjectBlobs()
    record = _kept(blobs, photo(400, 300))
    first = thumbnail(blobs, thumbnails, record, 128)
    assert Image.open(io.BytesIO(first)).size == (128, 96)
    blobs.delete(record.sha256)
    assert thumbnail(blobs, thumbnails, record, 128) == first
    with pytest.raises(UnknownBlob):
        thumbnail(blobs, thumbnails, record, 384)
    with pytest.raises(UnknownSize):
        thumbnail(blobs, thumbnails, record, 4000)


def test_a_picture_erased_meanwhile_leaves_no_thumbnail(thumbnails: dict[int, LocalBlobs]) -> None:
    """The blob goes between reading it and keeping the thumbnail: the thumbnail goes too."""

    class ErasedWhileRead(ObjectBlobs):
        def get(self, sha256: str) -> bytes:
            data = super().get(sha256)
            self.delete(sha256)
            forget(thumbnails, sha256)
            return data

    blobs = ErasedWhileRead()
    record = _kept(blobs, photo(400, 300))
    with pytest.raises(ErasedPicture):
        thumbnail(blobs, thumbnails, record, 128)
    assert not thumbnails[128].exists(record.sha256)


def test_the_job_makes_what_is_missing_newest_first(
    engine: Engine, thumbnails: dict[int, LocalBlobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across pages; stopped, it says where to go on; complete, what the next need not look at again."""
    monkeypatch.setattr("sortline.flows.thumbnails._PAGE", 3)
    blobs = ObjectBlobs()
    records = [_kept(blobs, photo(200, 150, seed)) for seed in range(8)]
    records[2] = replace(records[2], erased_at=NOW)
    blobs.delete(records[5].sha256)
    _add(engine, records)
    thumbnails[128].put_many([(records[7].sha256, b"already there")])

    asked = iter(range(100))
    first = make_missing(engine, blobs, thumbnails, stopped=lambda: next(asked) == 4)
    # 7 lacks one size, 6 and 4 both; 5 is gone.
    assert (first.made, first.failed, first.complete) == (5, 1, False)
    assert (first.newest, first.before) == (8, 5)
    rest = make_missing(engine, blobs, thumbnails, before=first.before)
    assert (rest.made, rest.failed, rest.complete) == (6, 0, True)
    assert [thumbnails[384].exists(record.sha256) for record in records] == [
        number not in (2, 5) for number in range(8)
    ]
    again = make_missing(engine, blobs, thumbnails, after=8)
    assert (again.made, again.newest, again.complete) == (0, None, True)


def _kept(blobs: ObjectBlobs, data: bytes) -> ImageRecord:
    stored = canonical(data)
    blobs.put_many([(stored.sha256.hex(), stored.data)])
    return ImageRecord(
        sha256=stored.sha256.hex(),
        media_type=stored.media_type,
        bytes=len(stored.data),
        width=1,
        height=1,
        brightness=0.0,
        sharpness=0.0,
        source="import",
        client=None,
        first_seen=NOW,
    )


def _in_place(data: bytes, file: Path) -> tuple[ImageRecord, Path]:
    file.write_bytes(data)
    return replace(_kept(ObjectBlobs(), data), place=str(file)), file


def _with_exif(data: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).save(file, "JPEG", exif=exif_with(1))
    return file.getvalue()


def _add(engine: Engine, records: list[ImageRecord]) -> None:
    with writing(engine) as session:
        session.execute(
            insert(lines),
            {"id": 1, "name": "waste", "title": "Waste", "policy": {}, "is_default": True, "created_at": NOW},
        )
        add_images(session, records)
        rows = [
            {
                "id": number,
                "line_id": 1,
                "image_sha256": record.sha256,
                "split": 0,
                "declared": False,
                "source": "import",
                "added_at": NOW,
            }
            for number, record in enumerate(records, start=1)
        ]
        session.execute(insert(entries), rows)
