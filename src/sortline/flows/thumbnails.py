"""Thumbnails: made when somebody first asks, or beforehand by a job; kept beside the pictures.

They are derived: any may be lost and is made again, so they are not flushed to the disk. Each lies under its picture's
hash, in the namespace of its size.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.records import newest_pictures
from sortline.db.session import reading
from sortline.engine import thumbnail as small
from sortline.engine.image import ImageError
from sortline.errors import SortlineError
from sortline.flows.pictures import ChangedPicture, ErasedPicture, MissingPicture, bytes_of
from sortline.storage.blobs import Blobs
from sortline.storage.errors import UnknownBlob

log = logging.getLogger(__name__)

_PAGE = 500
_GONE = (ChangedPicture, ErasedPicture, ImageError, MissingPicture, UnknownBlob)


def thumbnail(blobs: Blobs, thumbnails: Mapping[int, Blobs], image: ImageRecord, size: int) -> bytes:
    """A picture's thumbnail as WebP, longest side `size` px; made and kept if this is the first to ask.

    `thumbnails` has a namespace for each size there is.

    Raises:
        UnknownSize: there are no thumbnails of this size.
        ErasedPicture: the picture was deleted for good.
        ChangedPicture, MissingPicture, UnknownBlob: its bytes are gone.
        ImageError: they cannot be read.
    """
    if size not in thumbnails:
        raise UnknownSize(size, known=tuple(thumbnails))
    if image.erased_at is not None:
        raise ErasedPicture(image.sha256)
    try:
        return thumbnails[size].get(image.sha256)
    except UnknownBlob:
        return _make(blobs, thumbnails, image, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a job did: thumbnails it made, pictures it could not read, and how far it came.

    `newest` is the newest entry it began with: the next job needs to look only after it, if this one is `complete`.
    `before` is the oldest entry it finished: where to go on if it is not. Both None when there was nothing.
    """

    made: int
    failed: int
    newest: int | None
    before: int | None
    complete: bool


def make_missing(
    engine: Engine,
    blobs: Blobs,
    thumbnails: Mapping[int, Blobs],
    *,
    after: int = 0,
    before: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Made:
    """Thumbnails of all sizes for the catalogue's pictures that lack them, newest first.

    Looks at entries with `after` < id < `before`, and asks `stopped` before each picture. The transaction of a page is
    over before its pictures are read. A picture that cannot be read is logged and left out.

    Raises:
        StorageUnavailable: thumbnails cannot be kept now.
    """
    made = failed = 0
    newest: int | None = None
    while True:
        with reading(engine) as session:
            page = newest_pictures(session, before=before, after=after, limit=_PAGE)
        for entry_id, image in page:
            newest = newest or entry_id
            if stopped():
                return Made(made=made, failed=failed, newest=newest, before=before, complete=False)
            try:
                made += _make_all(blobs, thumbnails, image)
            except _GONE as error:
                failed += 1
                log.warning("no thumbnail of %s: %s", image.sha256, error)
            before = entry_id
        if len(page) < _PAGE:
            return Made(made=made, failed=failed, newest=newest, before=before, complete=True)


def forget(thumbnails: Mapping[int, Blobs], sha256: str) -> None:
    """A picture has no thumbnails any more. Erase the picture's own blob first: see `_make`."""
    for kept in thumbnails.values():
        kept.delete(sha256)


class UnknownSize(SortlineError):
    """There are no thumbnails of this size."""

    def __init__(self, size: int, *, known: tuple[int, ...]) -> None:
        self.size = size
        self.known = known
        super().__init__(f"no thumbnails of {size} px; ask for {' or '.join(map(str, known))}")


def _make_all(blobs: Blobs, thumbnails: Mapping[int, Blobs], image: ImageRecord) -> int:
    if image.erased_at is not None:
        return 0
    missing = [size for size, kept in thumbnails.items() if not kept.exists(image.sha256)]
    for size in missing:
        _make(blobs, thumbnails, image, size)
    return len(missing)


def _make(blobs: Blobs, thumbnails: Mapping[int, Blobs], image: ImageRecord, size: int) -> bytes:
    data = small.thumbnail(bytes_of(blobs, image), size)
    thumbnails[size].put_many([(image.sha256, data)])
    # Erased while it was made: whoever erases deletes the blob before the thumbnails, so one of the two sees the other.
    if image.place is None and not blobs.exists(image.sha256):
        thumbnails[size].delete(image.sha256)
        raise ErasedPicture(image.sha256)
    return data
