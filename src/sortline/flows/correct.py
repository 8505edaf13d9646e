"""Correcting an answer: somebody says what it should have been, perhaps with the picture that accepting forgot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sortline.catalogue.entry import NewPicture
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.entries import add_pictures
from sortline.catalogue.store.images import erased, get_image
from sortline.db.ids import new_id
from sortline.db.session import Session, reading, writing
from sortline.errors import SortlineError
from sortline.flows.ingest import Tools
from sortline.flows.labels import resolve_labels
from sortline.flows.pictures import ErasedPicture
from sortline.flows.prepare import measured
from sortline.flows.review import Ask, decide
from sortline.flows.review_labels import entry_of, fingerprinted
from sortline.flows.upload import check_label, class_to_give
from sortline.lines.classes import class_ids
from sortline.monitoring import store as monitoring
from sortline.monitoring.kept_store import kept_for
from sortline.monitoring.recorded import RecordedPrediction
from sortline.review.outcome import Decision, effective
from sortline.review.store import decisions, items


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What an answer should have been; `data` is the picture, where the client still has it.

    Without it, the picture is labelled all the same where the line kept it.
    """

    prediction: str
    class_name: str
    new_class: bool = False
    data: bytes | memoryview | None = None
    name: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The decision by which a prediction is corrected, and the catalogue's entry of its picture, if it has one.

    Where the prediction had set the picture aside, its review item is labelled, and `item` names it.
    """

    prediction: str
    decision: str
    label: str
    item: str | None
    entry: int | None


def correct(tools: Tools, line_id: int, given: Correction, *, who: str) -> Corrected:
    """The answer is corrected, on the disk. Of a picture that went to review, its item is decided.

    Raises:
        UnknownPrediction: none of this id in the last 30 days.
        AlreadyCorrected: it was; undo that to correct it anew.
        UnknownClass, RetiredClass, InvalidClassName: the label cannot be given.
        ImageError, ErasedPicture: the picture cannot be taken.
        AlreadyDecided, ItemHeld, OpinionGiven: its review item cannot be decided.
    """
    with reading(tools.engine) as session:
        found = monitoring.get(session, line_id, given.prediction)
        if found is None:
            raise UnknownPrediction(given.prediction)
        item = items.of_prediction(session, line_id, given.prediction)
    if item is not None:
        return _decided(tools, line_id, given, item.id, who)
    check_label(tools.engine, line_id, given.class_name, new_class=given.new_class)
    record = _picture(tools, line_id, given, found.source)
    with writing(tools.engine) as session:
        return _correct(session, tools, line_id, given, found, record, who)


def _decided(tools: Tools, line_id: int, given: Correction, item_id: str, who: str) -> Corrected:
    ask = Ask(item=item_id, action="label", class_name=given.class_name, new_class=given.new_class)
    answers = decide(tools, line_id, [ask], who=who)
    for refused in answers.refused:
        raise refused.error
    (made,) = answers.decided
    with reading(tools.engine) as session:
        entry = entry_of(session, line_id, items.get_item(session, line_id, item_id).image_sha256)
    return Corrected(
        prediction=given.prediction,
        decision=made.decision,
        label=given.class_name,
        item=item_id,
        entry=entry,
    )


def _correct(
    session: Session,
    tools: Tools,
    line_id: int,
    given: Correction,
    found: RecordedPrediction,
    record: ImageRecord | None,
    who: str,
) -> Corrected:
    if given.new_class and given.class_name not in class_ids(session, line_id, [given.class_name]):
        resolve_labels(session, line_id, [given.class_name], who=who)
    class_id = class_to_give(session, line_id, given.class_name)
    if effective(decisions.of_prediction(session, line_id, given.prediction)):
        raise AlreadyCorrected(given.prediction)
    entry, event = (
        (None, None) if record is None else _label(session, tools, line_id, given, record, class_id, who)
    )
    made = Decision(
        id=new_id(),
        line_id=line_id,
        item_id=None,
        prediction_id=given.prediction,
        who=who,
        at=datetime.now(UTC),
        action="correct",
        class_id=class_id,
        predicted=found.class_name,
        label_event=event,
    )
    decisions.append(session, [made])
    return Corrected(
        prediction=given.prediction, decision=made.id, label=given.class_name, item=None, entry=entry
    )


def _label(
    session: Session,
    tools: Tools,
    line_id: int,
    given: Correction,
    record: ImageRecord,
    class_id: int,
    who: str,
) -> tuple[int | None, str | None]:
    """The picture's entry in the catalogue and the event that gave it its label, None where it had it before."""
    picture = NewPicture(
        image=record, class_id=class_id, declared=None, source=record.source, name=given.name
    )
    (placed,) = add_pictures(
        session,
        line_id,
        [picture],
        origin="correction",
        who=who,
        trained=tools.trained(session),
        relabel=True,
        stage=True,
    )
    if placed.outcome == "erased":  # in the moment between; nothing of this transaction is kept
        raise ErasedPicture(record.sha256)
    return placed.entry_id, placed.event


def _picture(tools: Tools, line_id: int, given: Correction, source: str) -> ImageRecord | None:
    """What is known of the answer's picture, now that its bytes are on the disk; None where nobody has it any more."""
    if given.data is None:
        return _remembered(tools, line_id, given.prediction)
    stored, record = measured(given.data, now=datetime.now(UTC), source=source, client=given.client)
    with reading(tools.engine) as session:
        if erased(session, [record.sha256]):
            raise ErasedPicture(record.sha256)
    tools.blobs.put_many([(record.sha256, stored.data)])
    return record


def _remembered(tools: Tools, line_id: int, prediction_id: str) -> ImageRecord | None:
    """What is known of the picture, where the line is one that keeps some of what it accepts."""
    with reading(tools.engine) as session:
        kept = kept_for(session, line_id, prediction_id)
        record = None if kept is None else get_image(session, kept.image_sha256)
    return None if record is None or record.erased_at is not None else fingerprinted(tools.blobs, record)


class UnknownPrediction(SortlineError):
    """The line made no such prediction, or forgot it."""

    def __init__(self, prediction_id: str) -> None:
        self.prediction_id = prediction_id
        super().__init__(
            f"there is no prediction {prediction_id[:40]} on this line; single ones are kept for thirty days"
        )


class AlreadyCorrected(SortlineError):
    """Somebody has said before what the answer should have been."""

    def __init__(self, prediction_id: str) -> None:
        self.prediction_id = prediction_id
        super().__init__(f"the prediction {prediction_id} is corrected already; undo that to correct it anew")
