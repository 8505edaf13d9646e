"""A picture that comes alone, with its class: from its bytes to a label that is on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from sortline.catalogue.entry import NewPicture, Placed, Split
from sortline.catalogue.store.entries import add_pictures
from sortline.catalogue.store.images import erased
from sortline.db.session import Session, reading, writing
from sortline.flows.ingest import Tools
from sortline.flows.labels import resolve_labels
from sortline.flows.pictures import ErasedPicture
from sortline.flows.prepare import measured
from sortline.lines.classes import class_ids, resolve_class
from sortline.lines.line import RetiredClass, valid_class_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What to add: the picture's bytes, its class, and where it comes from.

    `new_class`: a class nobody knows becomes one. `relabel`: where the picture has another label, this one becomes the
    current. `split` is the one it came with, None where the catalogue chooses.
    """

    data: bytes | memoryview
    label: str
    source: str
    who: str
    client: str | None = None
    name: str | None = None
    split: Split | None = None
    new_class: bool = False
    relabel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """The picture's hash, and what became of it."""

    sha256: str
    placed: Placed


def upload(tools: Tools, line_id: int, given: Upload) -> Uploaded:
    """The picture is in the line's catalogue, its bytes and its label on the disk, waiting for a version.

    Raises:
        ImageError: it cannot be taken.
        UnknownClass, RetiredClass, InvalidClassName: its label cannot be given.
        ErasedPicture: it was deleted for good, and is not taken again.
    """
    # Before the picture is decoded: a label that cannot be given costs nothing.
    check_label(tools.engine, line_id, given.label, new_class=given.new_class)
    stored, record = measured(given.data, now=datetime.now(UTC), source=given.source, client=given.client)
    with reading(tools.engine) as session:
        if erased(session, [record.sha256]):
            raise ErasedPicture(record.sha256)
    tools.blobs.put_many([(record.sha256, stored.data)])
    with writing(tools.engine) as session:
        picture = NewPicture(
            image=record,
            class_id=_class_id(session, line_id, given),
            declared=given.split,
            source=given.source,
            name=given.name,
        )
        (placed,) = add_pictures(
            session,
            line_id,
            [picture],
            origin="upload",
            who=given.who,
            trained=tools.trained(session),
            relabel=given.relabel,
            stage=True,
        )
    if placed.outcome == "erased":  # in the moment between
        tools.blobs.delete(record.sha256)
        raise ErasedPicture(record.sha256)
    return Uploaded(sha256=record.sha256, placed=placed)


def check_label(engine: Engine, line_id: int, label: str, *, new_class: bool) -> None:
    """Nothing, for a label that a new picture can be given.

    Raises:
        UnknownClass, RetiredClass, InvalidClassName: it cannot.
    """
    with reading(engine) as session:
        if new_class and label not in class_ids(session, line_id, [label]):
            valid_class_name(label)
            return
        class_to_give(session, line_id, label)


def class_to_give(session: Session, line_id: int, label: str) -> int:
    """The id of the class that a label names today.

    Raises:
        UnknownClass: none.
        RetiredClass: it is given to no new pictures.
    """
    found = resolve_class(session, line_id, label)
    if found.retired_at is not None:
        raise RetiredClass(found.name)
    return found.id


def _class_id(session: Session, line_id: int, given: Upload) -> int:
    if given.new_class:
        return resolve_labels(session, line_id, [given.label], who=given.who)[given.label]
    return class_to_give(session, line_id, given.label)
