"""What a network says of many catalogued pictures: decoded and inferred by a thread for each core, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.records import get_records
from sortline.db.session import reading
from sortline.engine.image import Preprocessing, read
from sortline.engine.runtime import BATCH_SIZES, Runtime
from sortline.errors import SortlineError
from sortline.flows.pictures import bytes_of
from sortline.flows.prepare import Ahead
from sortline.settings import available_cores
from sortline.storage.blobs import Blobs

_BATCH = BATCH_SIZES[-1]
# Records in one query: a batch for each would cost a query for 8 pictures.
_RECORDS = 25 * _BATCH


class PictureGone(SortlineError):
    """Nothing is known of a picture any more."""

    def __init__(self) -> None:
        super().__init__("the picture is not known here any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Where pictures come from, by the SHA-256 of their canonical bytes."""

    engine: Engine
    blobs: Blobs

    def records(self, hashes: Sequence[str]) -> dict[str, ImageRecord]:
        """What is known of up to 500 pictures, by hash."""
        with reading(self.engine) as session:
            return get_records(session, hashes)

    def bytes(self, record: ImageRecord | None) -> bytes:
        """A picture's canonical bytes.

        Raises:
            SortlineError: it is gone; says why.
        """
        if record is None:
            raise PictureGone
        return bytes_of(self.blobs, record)

    def pixels(self, hashes: Sequence[str], how: Preprocessing) -> NDArray[np.uint8]:
        """Up to 500 pictures as a network reads them, (n, S, S, 3); those that cannot be read are left out."""
        records, found = self.records(hashes), list[NDArray[np.uint8]]()
        for sha256 in hashes:
            with suppress(SortlineError):
                found.append(read(self.bytes(records.get(sha256)), how).pixels)
        return np.stack(found) if found else np.zeros((0, how.size, how.size, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the network says of n pictures: logits (n, C), embedding (n, D); why others could not be read, by hash."""

    hashes: tuple[str, ...]
    logits: NDArray[np.float32]
    embedding: NDArray[np.float32]
    missing: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None


_NOTHING = np.zeros((0, 0), np.float32)
_Found = list[tuple[str, ImageRecord | None]]


@contextmanager
def inferred(
    pictures: Pictures, runtime: Runtime, how: Preprocessing, hashes: Sequence[str]
) -> Iterator[Iterator[Batch]]:
    """Batches of answers in the order of `hashes`; threads are a bounded amount ahead until the block is left."""

    def work(found: _Found) -> Batch:
        try:
            return _batch(pictures, runtime, how, found)
        except Exception as error:  # noqa: BLE001  # raised again on the thread that takes the batches
            return Batch(hashes=(), logits=_NOTHING, embedding=_NOTHING, error=error)

    ahead = Ahead(_found(pictures, hashes), work, threads=available_cores(), size=lambda batch: 0, most=64)
    try:
        yield _taken(ahead)
    finally:
        ahead.close()


def chunks(hashes: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """The hashes, at most so many at a time."""
    return (hashes[start : start + most] for start in range(0, len(hashes), most))


def _found(pictures: Pictures, hashes: Sequence[str]) -> Iterator[_Found]:
    for chunk in chunks(hashes, _RECORDS):
        records = pictures.records(chunk)
        for batch in chunks(chunk, _BATCH):
            yield [(sha256, records.get(sha256)) for sha256 in batch]


def _taken(ahead: Ahead[_Found, Batch]) -> Iterator[Batch]:
    while not ahead.finished:
        for batch in ahead.take(4, seconds=0.2):
            if batch.error is not None:
                raise batch.error
            yield batch


def _batch(pictures: Pictures, runtime: Runtime, how: Preprocessing, found: _Found) -> Batch:
    readable: list[str] = []
    missing: dict[str, str] = {}
    pixels = np.empty((len(found), how.size, how.size, 3), np.uint8)
    for sha256, record in found:
        try:
            read(pictures.bytes(record), how, out=pixels[len(readable)])
        except SortlineError as error:
            missing[sha256] = str(error)
        else:
            readable.append(sha256)
    if not readable:
        return Batch(hashes=(), logits=_NOTHING, embedding=_NOTHING, missing=missing)
    outputs = runtime.infer(pixels[: len(readable)])
    return Batch(hashes=tuple(readable), logits=outputs.logits, embedding=outputs.embedding, missing=missing)
