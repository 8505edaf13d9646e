"""From what people say in review to labels in the catalogue: a picture becomes an entry, its label waits for a version.

A label that review gave is taken back by an event of its own, never deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sortline.catalogue.entry import NewPicture, UnknownEntry
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.label import Origin
from sortline.catalogue.store import labels
from sortline.catalogue.store.entries import add_pictures, get_entry
from sortline.catalogue.store.images import add_fingerprints
from sortline.catalogue.store.records import get_records
from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import Session, reading, writing
from sortline.errors import SortlineError
from sortline.flows.ingest import Tools
from sortline.flows.pictures import ErasedPicture, UnknownPicture, bytes_of
from sortline.flows.prepare import fingerprint_of
from sortline.storage.blobs import Blobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A picture, by its hash, and the class (an id) that people say it shows; `source` is where it came from."""

    sha256: str
    class_id: int
    source: str


def fingerprinted(blobs: Blobs, record: ImageRecord) -> ImageRecord:
    """The record with its fingerprint; what was noted at its first sight stays.

    Raises:
        ErasedPicture, ChangedPicture, MissingPicture, UnknownBlob, ImageError: its bytes cannot be had.
    """
    if record.phash is not None:
        return record
    phash, kind = fingerprint_of(bytes_of(blobs, record))
    return replace(record, phash=phash, format=kind)


def fingerprint_ahead(tools: Tools, hashes: Sequence[str]) -> None:
    """These pictures, up to 500, have their fingerprints, which whoever labels one would wait for.

    One that cannot be had now is left for its decision.
    """
    if not hashes:
        return
    with suppress(DatabaseUnavailable):
        with reading(tools.engine) as session:
            bare = [one for one in get_records(session, hashes).values() if one.phash is None]
        found = []
        for record in bare:
            with suppress(SortlineError):
                found.append(fingerprinted(tools.blobs, record))
        if found:
            with writing(tools.engine) as session:
                add_fingerprints(session, found)


def give_labels(
    session: Session,
    tools: Tools,
    line_id: int,
    given: Sequence[Given],
    records: Mapping[str, ImageRecord],
    *,
    origin: Origin,
    who: str,
) -> dict[str, str | None]:
    """Up to 500 pictures have these labels, which wait for a version; the event of each, by hash.

    None where the picture had the label before. `records` are those that were `fingerprinted` before.

    Raises:
        ErasedPicture, UnknownPicture: a picture is gone; nothing was given.
        UnknownClass: the class is gone.
    """
    pictures = [_picture(session, tools, one, records) for one in given]
    placed = add_pictures(
        session,
        line_id,
        pictures,
        origin=origin,
        who=who,
        trained=tools.trained(session),
        relabel=True,
        stage=True,
    )
    for one, place in zip(given, placed, strict=True):
        if place.outcome == "erased":
            raise ErasedPicture(one.sha256)
    return {one.sha256: place.event for one, place in zip(given, placed, strict=True)}


def take_label(session: Session, line_id: int, event: str | None, *, who: str) -> str | None:
    """The event by which a picture has the label again that it had before `event`; None where there is nothing to undo.

    Raises:
        NotNewestEvent: somebody has changed the label since.
    """
    return None if event is None else labels.undo(session, line_id, event, who=who).id


def entry_of(session: Session, line_id: int, sha256: str) -> int | None:
    """The number of a picture in the line's catalogue; None where it has none."""
    try:
        return get_entry(session, line_id, sha256).id
    except UnknownEntry:
        return None


def _picture(session: Session, tools: Tools, given: Given, records: Mapping[str, ImageRecord]) -> NewPicture:
    record = records.get(given.sha256) or get_records(session, [given.sha256]).get(given.sha256)
    if record is None:
        raise UnknownPicture(given.sha256)
    return NewPicture(
        image=fingerprinted(tools.blobs, record),
        class_id=given.class_id,
        declared=None,
        source=given.source,
        name=None,
    )
