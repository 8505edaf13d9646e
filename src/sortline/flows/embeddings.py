"""Embeddings: each picture's is computed once for a backbone, by the runtime that serves it, and found by every server.

They lie as float16 in immutable segments in the blob store; an index in the database says which row of which segment is
a picture's. A segment is stored before its rows, so a kill leaves at worst a blob that nobody names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.catalogue.store.images import kept_embeddings
from sortline.db.session import reading, writing
from sortline.engine.image import Preprocessing
from sortline.engine.runtime import Runtime
from sortline.flows.inferred import Pictures, chunks, inferred
from sortline.storage.blobs import Blobs
from sortline.storage.errors import UnknownBlob
from sortline.training.run import Place
from sortline.training.store import embeddings as store

Hashes = Sequence[str]
Half = NDArray[np.float16]


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
                for chunk in chunks(hashes, store.MOST):
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
        rows = self._kept(hashes)
        lacking = [one for one in hashes if one not in rows]
        done = len(rows)
        progress(done, len(hashes))
        source = Pictures(engine=self.engine, blobs=self.blobs)
        with inferred(source, self.backbone.runtime, self.backbone.preprocessing, lacking) as batches:
            for batch in batches:
                check()
                rows.update(zip(batch.hashes, batch.embedding.astype(np.float16), strict=True))
                missing.update(batch.missing)
                done += len(batch.hashes) + len(batch.missing)
                while len(rows) >= store.MOST:
                    segment = dict(islice(rows.items(), store.MOST))
                    rows = dict(islice(rows.items(), store.MOST, None))
                    self._keep(segment)
                    yield segment
                progress(done, len(hashes))
        while rows:
            segment = dict(islice(rows.items(), store.MOST))
            rows = dict(islice(rows.items(), store.MOST, None))
            self._keep(segment)
            yield segment

    def _keep(self, rows: dict[str, Half]) -> None:
        data = np.stack(list(rows.values())).astype("<f2")
        content = data.tobytes()
        sha256 = hashlib.sha256(content).hexdigest()
        self.blobs.put_many([(sha256, content)])
        with writing(self.engine) as session:
            store.add_segment(session, self.backbone.hash, sha256, list(rows), data.shape[1])

    def _kept(self, hashes: Hashes) -> dict[str, Half]:
        """Embeddings that were kept with predictions of the same backbone, by hash."""
        found: dict[str, Half] = {}
        with reading(self.engine) as session:
            for chunk in chunks(hashes, store.MOST):
                kept = kept_embeddings(session, chunk, self.backbone.bundles)
                found.update({sha256: np.frombuffer(data, "<f2") for sha256, data in kept.items()})
        return found
