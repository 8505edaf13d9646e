"""Erasing pictures for good: what shows them goes, what counts them stays.

The tombstone is committed first, then blob and thumbnails are deleted. A crash in between leaves files that nobody is
shown any more; erasing the picture again deletes them, and so does `sortline data check`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from sortline.catalogue.store import erasing
from sortline.db.session import reading, writing
from sortline.flows.thumbnails import forget
from sortline.monitoring.kept_store import forget_source, kept_from, let_go_of
from sortline.review.store.items import erase_items
from sortline.review.store.pictures import set_aside_from
from sortline.storage.blobs import Blobs
from sortline.training.store import embeddings

# Pictures a transaction: each takes its rows out of an index.
_CHUNK = 100
# Rows read at a time while looking for a source.
_LOOKED_AT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What came of it, by hash (64 hex characters).

    `erased` are gone now, `already` were before, of `unknown` nothing was ever kept. `places` are files outside the
    data folder in which erased pictures lay: whoever put them there must delete them. `predictions` of a source were
    forgotten; what they counted stays counted.
    """

    erased: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    predictions: int = 0


def erase(engine: Engine, blobs: Blobs, thumbnails: Mapping[int, Blobs], hashes: Iterable[str]) -> Erased:
    """These pictures are gone for good, on every line; again changes nothing.

    Raises:
        InvalidBlobName: one is no SHA-256.
        StorageUnavailable: files could not be deleted; their tombstones stand, do it again.
    """
    wanted = sorted(set(hashes))
    total = Erased()
    for start in range(0, len(wanted), _CHUNK):
        part = wanted[start : start + _CHUNK]
        with writing(engine) as session:
            found = erasing.bury(session, part)
            embeddings.forget(session, part)
            erase_items(session, part)
            let_go_of(session, part)
        gone = (*found.buried, *found.already)
        for sha256 in gone:
            blobs.delete(sha256)
            forget(thumbnails, sha256)
        total = Erased(
            erased=total.erased + found.buried,
            already=total.already + found.already,
            unknown=total.unknown + tuple(sha256 for sha256 in part if sha256 not in gone),
            places=total.places + found.places,
        )
    return total


def erase_source(
    engine: Engine, blobs: Blobs, thumbnails: Mapping[int, Blobs], line_id: int, source: str
) -> Erased:
    """Every picture that came to a line from this source is gone for good, on every line; see `erase`.

    Those of its catalogue, those that were set aside, accepted ones that were kept. The line's single predictions of
    the source are forgotten.
    """
    hashes = {*_catalogued(engine, line_id, source), *_set_aside(engine, line_id, source)}
    hashes |= set(_kept(engine, line_id, source))
    done = erase(engine, blobs, thumbnails, hashes)
    return replace(done, predictions=_forget_predictions(engine, line_id, source))


def _catalogued(engine: Engine, line_id: int, source: str) -> Iterator[str]:
    after = 0
    while True:
        with reading(engine) as session:
            found = erasing.from_source(session, line_id, source, after=after)
        if not found:
            return
        yield from (sha256 for _, sha256 in found)
        after = found[-1][0]


def _set_aside(engine: Engine, line_id: int, source: str) -> Iterator[str]:
    after = ""
    while True:
        with reading(engine) as session:
            found = set_aside_from(session, line_id, source, after, _LOOKED_AT)
        if not found:
            return
        yield from (sha256 for _, sha256 in found)
        after = found[-1][0]


def _kept(engine: Engine, line_id: int, source: str) -> Iterator[str]:
    after = ""
    while True:
        with reading(engine) as session:
            found = kept_from(session, line_id, source, after, _LOOKED_AT)
        if not found:
            return
        yield from (picture.image_sha256 for picture in found)
        after = found[-1].prediction_id


def _forget_predictions(engine: Engine, line_id: int, source: str) -> int:
    total, after = 0, ""
    while True:
        begun = time.perf_counter()
        with writing(engine) as session:
            forgotten, last = forget_source(session, line_id, source, after, _LOOKED_AT)
        total += forgotten
        if last is None:
            return total
        after = last
        if engine.dialect.name == "sqlite":
            # Others had to wait as long for SQLite's one write lock.
            time.sleep(time.perf_counter() - begun)
