"""Erasing pictures for good: what shows them goes, what counts them stays.

The tombstone is committed first, then blob and thumbnails are deleted. A crash in between leaves files that nobody is
shown any more; erasing the picture again deletes them, and so does `sortline data check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine

from sortline.catalogue.store import erasing
from sortline.db.session import reading, writing
from sortline.flows.thumbnails import forget
from sortline.storage.blobs import Blobs
from sortline.training.store import embeddings

# Pictures a transaction: each takes its rows out of an index.
_CHUNK = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What came of it, by hash (64 hex characters).

    `erased` are gone now, `already` were before, of `unknown` nothing was ever kept. `places` are files outside the
    data folder in which erased pictures lay: whoever put them there must delete them.
    """

    erased: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


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
    """Every picture that came to a line from this source is gone for good, on every line; see `erase`."""
    hashes: list[str] = []
    after = 0
    while True:
        with reading(engine) as session:
            found = erasing.from_source(session, line_id, source, after=after)
        if not found:
            return erase(engine, blobs, thumbnails, hashes)
        hashes += [sha256 for _, sha256 in found]
        after = found[-1][0]
