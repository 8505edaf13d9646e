"""Labels in the database: events are appended, the label on the entry and the line's summary follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, select, update

from sortline.catalogue.entry import UnknownEntry
from sortline.catalogue.label import LabelEvent, NotNewestEvent, Origin, UnknownEvent
from sortline.catalogue.store.clock import advance, lock_catalogue
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.summaries import line_summary, update_line_summary
from sortline.catalogue.tables import entries, label_events, staged
from sortline.db.among import among
from sortline.db.bulk import insert_rows
from sortline.db.ids import new_id
from sortline.db.rows import row_of
from sortline.db.session import Session, pipelined

# Every label and undo in review asks these: they are made once.
_AROUND = (
    select(label_events)
    .join_from(label_events, entries, label_events.c.entry_id == entries.c.id)
    .where(
        entries.c.line_id == bindparam("line"),
        entries.c.id
        == select(label_events.c.entry_id).where(label_events.c.id == bindparam("event")).scalar_subquery(),
    )
    .order_by(label_events.c.id)
)
_HISTORY = (
    select(label_events).where(label_events.c.entry_id == bindparam("entry")).order_by(label_events.c.id)
)
_SET_CLASS = update(entries).where(entries.c.id == bindparam("entry")).values(class_id=bindparam("class"))


def label(
    session: Session,
    line_id: int,
    entry_ids: Iterable[int],
    class_id: int | None,
    *,
    origin: Origin,
    who: str,
) -> list[LabelEvent]:
    """The events by which up to 500 entries have this label (None: no label) now; those that had it get none.

    Raises:
        UnknownEntry: one is not the line's; none was labelled.
    """
    tick = lock_catalogue(session)
    wanted = sorted(set(entry_ids))
    having = _classes(session, line_id, wanted)
    for entry in wanted:
        if entry not in having:
            raise UnknownEntry(entry)
    events = [
        LabelEvent(id=new_id(), entry_id=entry, class_id=class_id, origin=origin, who=who, at=tick.at)
        for entry in wanted
        if having[entry] != class_id
    ]
    _apply(session, line_id, events)
    advance(session, tick, 0)
    return events


def undo(session: Session, line_id: int, event_id: str, *, who: str) -> LabelEvent:
    """The event by which an entry has the label again that it had before `event_id`. Undoing an undo redoes.

    Raises:
        UnknownEvent: the line has no such event.
        NotNewestEvent: the label was changed again since; tells by what.
    """
    tick = lock_catalogue(session)
    rows = session.execute(_AROUND, {"event": event_id, "line": line_id})
    said = [LabelEvent(**row._mapping) for row in rows]
    if not said:
        raise UnknownEvent(event_id)
    *earlier, newest = said
    if newest.id != event_id:
        raise NotNewestEvent(event_id, newest)
    event = LabelEvent(
        id=new_id(),
        entry_id=newest.entry_id,
        class_id=earlier[-1].class_id if earlier else None,
        origin="undo",
        who=who,
        at=tick.at,
        undoes=event_id,
    )
    _apply(session, line_id, [event])
    advance(session, tick, 0)
    return event


def history(session: Session, entry_id: int) -> list[LabelEvent]:
    """What was said about an entry, oldest first."""
    return [LabelEvent(**row._mapping) for row in session.execute(_HISTORY, {"entry": entry_id})]


def latest(session: Session, line_id: int, *, who: str | None = None) -> LabelEvent | None:
    """The newest label event of a line, by anyone or by one person; None before the first."""
    query = (
        select(label_events)
        .join_from(label_events, entries, label_events.c.entry_id == entries.c.id)
        .where(entries.c.line_id == line_id)
        .order_by(label_events.c.id.desc())
        .limit(1)
    )
    if who is not None:
        query = query.where(label_events.c.who == who)
    row = session.execute(query).one_or_none()
    return None if row is None else LabelEvent(**row._mapping)


def append_events(session: Session, events: Sequence[LabelEvent]) -> None:
    """The events stand in their entries' histories; the entries themselves are left to the caller."""
    if events:
        insert_rows(session, label_events, [row_of(event) for event in events])


def set_classes(session: Session, classes: Mapping[int, int | None]) -> None:
    """The entries' labels are these, by id."""
    if classes:
        session.execute(
            _SET_CLASS, [{"entry": entry, "class": class_id} for entry, class_id in sorted(classes.items())]
        )


def stage(session: Session, line_id: int, entry_ids: Iterable[int], origin: str, at: datetime) -> None:
    """The entries wait for a version to take up what changed."""
    rows = [
        {"line_id": line_id, "entry_id": entry, "origin": origin, "at": at}
        for entry in sorted(set(entry_ids))
    ]
    insert_rows(session, staged, rows, known="replace")


def _apply(session: Session, line_id: int, events: Sequence[LabelEvent]) -> None:
    """One event an entry at most."""
    if not events:
        return
    classes = {event.entry_id: event.class_id for event in events}
    before, summary = facts_of(session, list(classes)), line_summary(session, line_id)
    after = [replace(facts, class_id=classes[entry]) for entry, facts in before.items()]
    with pipelined(session):
        append_events(session, events)
        set_classes(session, classes)
        update_line_summary(session, line_id, list(before.values()), after, summary=summary)
        stage(session, line_id, classes, events[0].origin, events[0].at)


def _classes(session: Session, line_id: int, entry_ids: Sequence[int]) -> dict[int, int | None]:
    query = select(entries.c.id, entries.c.class_id).where(
        entries.c.line_id == line_id, among(session, entries.c.id, entry_ids)
    )
    return dict(session.execute(query).all())
