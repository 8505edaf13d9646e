"""How pictures come into a line's catalogue: known or new, in which split and group, under which label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from sqlalchemy import bindparam, select

from sortline.catalogue.entry import NewPicture, Outcome, Placed, PlacingProblem, Split, TrainedLookup
from sortline.catalogue.label import LabelEvent, Origin
from sortline.catalogue.placing import Arrival, Board, Place
from sortline.catalogue.store import images
from sortline.catalogue.store.clock import Tick, advance, lock_catalogue
from sortline.catalogue.store.facts import facts_of
from sortline.catalogue.store.groups import set_groups
from sortline.catalogue.store.imports import add_entries
from sortline.catalogue.store.labels import append_events, set_classes, stage
from sortline.catalogue.store.nearby import Neighbourhood, add_near, neighbourhood
from sortline.catalogue.store.summaries import line_summary, update_line_summary
from sortline.catalogue.summary import Facts
from sortline.catalogue.tables import entries
from sortline.db.bulk import insert_rows
from sortline.db.ids import new_id
from sortline.db.session import Session, pipelined

_KNOWN = select(entries.c.image_sha256, entries.c.id, entries.c.class_id, entries.c.split).where(
    entries.c.line_id == bindparam("line"), entries.c.image_sha256.in_(bindparam("hashes", expanding=True))
)


def add_pictures(
    session: Session,
    line_id: int,
    pictures: Sequence[NewPicture],
    *,
    origin: Origin,
    who: str,
    trained: TrainedLookup,
    import_id: str | None = None,
    relabel: bool = False,
    stage: bool = False,
) -> list[Placed]:
    """What became of each of up to 500 pictures, in their order; the same picture may come several times.

    `relabel`: where a picture is known under another label, this one becomes the current. `stage`: what is new or
    changed waits for a version to take it up. The result is the same in one call or in many.
    """
    if not pictures:
        return []
    manner = _Manner(
        line_id=line_id,
        origin=origin,
        who=who,
        trained=trained,
        import_id=import_id,
        relabel=relabel,
        stage=stage,
    )
    adding = _Adding(session, manner, pictures)
    placed = [adding.take(picture) for picture in pictures]
    adding.write()
    if import_id is not None:
        add_entries(session, import_id, [one.entry_id for one in placed if one.entry_id is not None])
    return placed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How pictures are added, apart from which."""

    line_id: int
    origin: Origin
    who: str
    trained: TrainedLookup
    import_id: str | None
    relabel: bool
    stage: bool


@dataclass(slots=True)
class _Known:
    """An entry as it stands while pictures come."""

    id: int
    class_id: int | None
    split: Split


@dataclass(slots=True)
class _Changes:
    """What is to be written."""

    arrivals: list[tuple[NewPicture, int, Place]] = field(default_factory=list)
    events: list[LabelEvent] = field(default_factory=list)
    classes: dict[int, int | None] = field(default_factory=dict)


class _Adding:
    """One call's pictures on their way: everything is read first, then decided one by one, then written."""

    def __init__(self, session: Session, manner: _Manner, pictures: Sequence[NewPicture]) -> None:
        self._session, self._manner = session, manner
        self._tick: Tick = lock_catalogue(session)
        hashes = list({picture.image.sha256: None for picture in pictures})
        records = {picture.image.sha256: picture.image for picture in pictures}
        self._stored, unknown = images.add_catalogued(session, list(records.values()))
        self._known = _known(session, manner.line_id, [sha256 for sha256 in hashes if sha256 not in unknown])
        # Ids in the order in which new pictures come.
        ids = count(self._tick.next_entry)
        self._ids = {sha256: next(ids) for sha256 in hashes if self._is_new(sha256)}
        self._phashes = {
            self._ids[p.image.sha256]: phash_of(p) for p in pictures if p.image.sha256 in self._ids
        }
        self._near: Neighbourhood = neighbourhood(session, manner.line_id, self._phashes)
        # Read once, and written with what came: nobody else changes it while the catalogue is locked.
        self._summary = line_summary(session, manner.line_id)
        self._board = Board(self._summary.counts, self._near.members, self._near.group_splits)
        self._changes = _Changes()

    def take(self, picture: NewPicture) -> Placed:
        """What becomes of the next picture."""
        sha256 = picture.image.sha256
        known = self._known.get(sha256)
        if self._stored[sha256].erased_at is not None:
            detail = "This picture was erased; it is not taken again."
            problem = PlacingProblem(code="erased", detail=detail)
            return Placed(entry_id=known.id if known else None, outcome="erased", problems=(problem,))
        return self._again(picture, known) if known else self._add(picture)

    def write(self) -> None:
        """All of it is in the database."""
        session, manner, changes = self._session, self._manner, self._changes
        before = facts_of(session, list(changes.classes)) if changes.classes else {}
        after = [replace(facts, class_id=changes.classes[entry]) for entry, facts in before.items()]
        added = [self._facts(*arrival) for arrival in changes.arrivals]
        rows = [self._row(*arrival) for arrival in changes.arrivals]
        # Reads, where many have come since it last did.
        add_near(session, manner.line_id, self._phashes, self._near.latest)
        with pipelined(session):
            insert_rows(session, entries, rows)
            set_groups(session, manner.line_id, self._board.merged(), self._board.joined())
            append_events(session, changes.events)
            set_classes(session, changes.classes)
            if after or added:
                gone = list(before.values())
                update_line_summary(session, manner.line_id, gone, after + added, summary=self._summary)
            if manner.stage:
                ids = [entry for _, entry, _ in changes.arrivals] + list(changes.classes)
                stage(session, manner.line_id, ids, manner.origin, self._tick.at)
            advance(session, self._tick, len(rows))

    def _is_new(self, sha256: str) -> bool:
        return sha256 not in self._known and self._stored[sha256].erased_at is None

    def _add(self, picture: NewPicture) -> Placed:
        sha256 = picture.image.sha256
        entry = self._ids[sha256]
        place = self._board.place(
            Arrival(
                id=entry,
                sha256=sha256,
                class_id=picture.class_id,
                declared=picture.declared,
                trained=self._manner.trained(sha256),
                near=self._near.near(entry, self._board),
            )
        )
        self._known[sha256] = _Known(entry, picture.class_id, place.split)
        self._changes.arrivals.append((picture, entry, place))
        event = None if picture.class_id is None else self._say(entry, picture.class_id)
        return Placed(entry_id=entry, outcome="added", event=event, problems=place.problems)

    def _again(self, picture: NewPicture, known: _Known) -> Placed:
        problems: list[PlacingProblem] = []
        if picture.declared is not None and picture.declared is not known.split:
            detail = (
                f"It was declared {picture.declared.name.lower()}, but is in {known.split.name.lower()} "
                "since it was first seen; a picture never moves."
            )
            problems.append(PlacingProblem(code="split-kept", detail=detail))
        outcome, event = self._relabel(picture, known)
        if outcome == "known" and picture.class_id not in (None, known.class_id):
            detail = "It is known under another label, which stays; look which is right."
            problems.append(
                PlacingProblem(code="label-conflict", detail=detail, other=known.id, class_id=known.class_id)
            )
        return Placed(entry_id=known.id, outcome=outcome, event=event, problems=tuple(problems))

    def _relabel(self, picture: NewPicture, known: _Known) -> tuple[Outcome, str | None]:
        """What became of the label, and the event by which it did."""
        before, after = known.class_id, picture.class_id
        if after is None or after == before or (before is not None and not self._manner.relabel):
            return "known", None
        self._board.relabel(known.id, known.split, before, after)
        event = self._say(known.id, after)
        known.class_id = after
        if known.id < self._tick.next_entry:
            self._changes.classes[known.id] = after
        return "labelled" if before is None else "relabelled", event

    def _say(self, entry: int, class_id: int) -> str:
        """The event's id."""
        manner = self._manner
        event = LabelEvent(
            id=new_id(),
            entry_id=entry,
            class_id=class_id,
            origin=manner.origin,
            who=manner.who,
            at=self._tick.at,
            import_id=manner.import_id,
        )
        self._changes.events.append(event)
        return event.id

    def _row(self, picture: NewPicture, entry: int, place: Place) -> dict[str, object]:
        return {
            "id": entry,
            "line_id": self._manner.line_id,
            "image_sha256": picture.image.sha256,
            # The label may have changed since: the same picture may come again in this call.
            "class_id": self._known[picture.image.sha256].class_id,
            "split": place.split,
            "declared": picture.declared is not None and place.split is picture.declared,
            "why": place.why,
            "group_id": self._board.group_of(entry),
            "source": picture.source,
            "name": picture.name,
            "added_at": self._tick.at,
        }

    def _facts(self, picture: NewPicture, entry: int, place: Place) -> Facts:
        # As stored, perhaps before it came here: what is taken away one day is what was added.
        stored = self._stored[picture.image.sha256]
        return Facts(
            entry_id=entry,
            class_id=self._known[picture.image.sha256].class_id,
            split=place.split,
            width=stored.width,
            height=stored.height,
            bytes=stored.bytes,
            brightness=stored.brightness,
            sharpness=stored.sharpness,
            added_at=self._tick.at,
        )


def phash_of(picture: NewPicture) -> bytes:
    """The fingerprint of a picture on its way in."""
    if picture.image.phash is None:
        raise ValueError(f"picture {picture.image.sha256} has no fingerprint; make it before adding it")
    return picture.image.phash


def _known(session: Session, line_id: int, hashes: Sequence[str]) -> dict[str, _Known]:
    if not hashes:
        return {}
    rows = session.execute(_KNOWN, {"line": line_id, "hashes": list(hashes)})
    return {row.image_sha256: _Known(row.id, row.class_id, row.split) for row in rows}
