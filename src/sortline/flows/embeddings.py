"""Embeddings: each picture's is computed once for a backbone, by the runtime that serves it, and found by every server.

They lie as float16 in immutable segments in the blob store; an index in the database says which row of which segment is
a picture's. A segment is stored before its rows, so a kill leaves at worst a blob that nobody names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import kept_embeddings
from sortline.catalogue.store.records import get_records
from sortline.db.session import reading, writing
from sortline.engine.image import Preprocessing, read
from sortline.engine.runtime import BATCH_SIZES, Runtime
from sortline.errors import SortlineError
from sortline.flows.pictures import bytes_of
from sortline.flows.prepare import Ahead
from sortline.settings import available_cores
from sortline.storage.blobs import Blobs
from sortline.storage.errors import UnknownBlob
from sortline.training.run import Place
from sortline.training.store import embeddings as store

Hashes = Sequence[str]
Half = NDArray[np.float16]

_BATCH = BATCH_SIZES[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A network as it serves: what runs it, how it reads pictures, and its hash (64 hex digits).

    `bundles` are those of whose predictions an embedding may have been kept: they share the backbone.
    """

    hash: str
    runtime: Runtime
    preprocessing: Preprocessing
    bundles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Embeddings (N, D), float16, of the pictures `hashes`, and why others have none, by hash; `fresh` were computed
    now.
    """

    hashes: tuple[str, ...]
    embeddings: Half
    missing: dict[str, str]
    fresh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedder:
    """Gives pictures' embeddings by one backbone: those it finds, and those it then computes and keeps."""

    engine: Engine
    blobs: Blobs
    backbone: Backbone

    def __call__(
        self,
        hashes: Hashes,
        *,
        check: Callable[[], object] = lambda: None,
        progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> Embedded:
        """The embeddings of the pictures, in their order; each picture is named once.

        Args:
            hashes: SHA-256 of canonical pictures, 64 hex digits each.
            check: Called often; what it raises ends the work, with what was computed kept.
            progress: Told how many of the pictures that lacked an embedding have one, of how many.

        Raises:
            StorageUnavailable, DatabaseUnavailable: what was computed until then is kept.
        """
        found = self._known(hashes)
        lacking = [one for one in hashes if one not in found]
        missing: dict[str, str] = {}
        for segment in self._computed(lacking, missing, check, progress):
            found.update(segment)
        kept = tuple(one for one in hashes if one in found)
        rows = np.stack([found[one] for one in kept]) if kept else np.zeros((0, 0), np.float16)
        return Embedded(hashes=kept, embeddings=rows, missing=missing, fresh=len(lacking) - len(missing))

    def _known(self, hashes: Hashes) -> dict[str, Half]:
        """What is kept, by hash. A segment whose blob is gone counts as never computed."""
        places: dict[str, Place] = {}
        with reading(self.engine) as session:
            number = store.backbone_id(session, self.backbone.hash)
            if number is not None:
                for chunk in _chunks(hashes, store.MOST):
                    places.update(store.places(session, number, chunk))
        segments: dict[str, Half] = {}
        for place in places.values():
            if place.sha256 not in segments:
                segments[place.sha256] = self._segment(place)
        return {
            image: segments[place.sha256][place.position]
            for image, place in places.items()
            if len(segments[place.sha256])
        }

    def _segment(self, place: Place) -> Half:
        try:
            data = self.blobs.get(place.sha256)
        except UnknownBlob:
            return np.zeros((0, place.width), np.float16)
        return np.frombuffer(data, "<f2").reshape(place.length, place.width)

    def _computed(
        self,
        hashes: Hashes,
        missing: dict[str, str],
        check: Callable[[], object],
        progress: Callable[[int, int], object],
    ) -> Iterator[dict[str, Half]]:
        """Segments of embeddings as they are computed and kept. Why others have none goes into `missing`."""
        if not hashes:
            return
        done, rows = 0, dict[str, Half]()
        progress(0, len(hashes))
        with _Batches(self, hashes) as batches:
            for batch in batches:
                check()
                rows.update(batch.rows)
                missing.update(batch.missing)
                done += len(batch.rows) + len(batch.missing)
                while len(rows) >= store.MOST:
                    segment = dict(islice(rows.items(), store.MOST))
                    rows = dict(islice(rows.items(), store.MOST, None))
                    self._keep(segment)
                    yield segment
                progress(done, len(hashes))
        if rows:
            self._keep(rows)
            yield rows

    def _keep(self, rows: dict[str, Half]) -> None:
        data = np.stack(list(rows.values())).astype("<f2")
        content = data.tobytes()
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs.put_many([(sha256, content)])
        with writing(self.engine) as session:
            store.add_segment(session, self.backbone.hash, sha256, list(rows), data.shape[1])

    def batch(self, hashes: Hashes) -> _Batch:
        """The embeddings of a few pictures, from their predictions or computed."""
        with reading(self.engine) as session:
            records = get_records(session, hashes)
            kept = kept_embeddings(session, hashes, self.backbone.bundles)
        rows = {sha256: np.frombuffer(data, "<f2") for sha256, data in kept.items()}
        missing, readable, pixels = dict[str, str](), list[str](), list[NDArray[np.uint8]]()
        for sha256 in hashes:
            if sha256 in rows:
                continue
            try:
                pixels.append(self._pixels(records.get(sha256)))
            except SortlineError as error:
                missing[sha256] = str(error)
            else:
                readable.append(sha256)
        if readable:
            embedding = self.backbone.runtime.infer(np.stack(pixels)).embedding.astype(np.float16)
            rows.update(zip(readable, embedding, strict=True))
        return _Batch(rows, missing)

    def _pixels(self, record: ImageRecord | None) -> NDArray[np.uint8]:
        if record is None:
            raise PictureGone
        return read(bytes_of(self.blobs, record), self.backbone.preprocessing).pixels


class PictureGone(SortlineError):
    """Nothing is known of a picture any more."""

    def __init__(self) -> None:
        super().__init__("the picture is not known here any more")


@dataclass(frozen=True, slots=True)
class _Batch:
    """Embeddings (D,) by hash, and why others have none."""

    rows: dict[str, Half]
    missing: dict[str, str]
    error: Exception | None = None


def _chunks(hashes: Hashes, most: int) -> Iterator[Hashes]:
    return (hashes[start : start + most] for start in range(0, len(hashes), most))


class _Batches:
    """Batches computed in order by a thread for each core, each of which decodes and infers outside the GIL."""

    def __init__(self, embedder: Embedder, hashes: Hashes) -> None:
        self._embedder, self._hashes = embedder, hashes

    def __enter__(self) -> Iterable[_Batch]:
        items: Iterator[Hashes] = _chunks(self._hashes, _BATCH)
        self._ahead = Ahead(items, self._work, threads=available_cores(), size=lambda batch: 0, most=64)
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._ahead.close()

    def _taken(self) -> Iterator[_Batch]:
        while not self._ahead.finished:
            for batch in self._ahead.take(8, seconds=0.2):
                if batch.error is not None:
                    raise batch.error
                yield batch

    def _work(self, hashes: Hashes) -> _Batch:
        try:
            return self._embedder.batch(hashes)
        except Exception as error:  # noqa: BLE001  # raised again on the thread that takes the batches
            return _Batch({}, {}, error)
