"""One process's turn at an import: files are prepared by threads, and their rows committed chunk by chunk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from threading import Event

from sqlalchemy import Engine

from sortline.catalogue.entry import NewPicture, Placed, TrainedLookup
from sortline.catalogue.importing import Import, Problem
from sortline.catalogue.sources.item import IGNORED, Refused, Source, SourceError
from sortline.catalogue.store import images
from sortline.catalogue.store import imports as store
from sortline.catalogue.store.clock import lock_catalogue
from sortline.catalogue.store.entries import add_pictures
from sortline.db.session import Session, reading, writing
from sortline.flows.labels import Refusal, refused_labels, resolve_labels
from sortline.flows.prepare import UNREADABLE, Ahead, Prepared, prepare, size_of
from sortline.settings import available_cores
from sortline.storage.blobs import Blobs

# A transaction costs 7 ms and 0.08 ms a row on one core: with fewer rows the database would set the pace.
LEAST_ROWS, MOST_ROWS = 64, 500
# What a transaction may take: whoever else writes to SQLite waits no longer than this, and then has as long.
WRITE_S = 0.020
# A process at work says so at least this often; after 15 s of silence it is taken for dead.
HEARTBEAT_S = 3.0
# So many files in a row that the system cannot read are no bad files: their disk or network is gone.
LOST_AFTER = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What an import works with: database, pictures, and what registered bundles were trained on, as a transaction
    sees them.
    """

    engine: Engine
    blobs: Blobs
    trained: Callable[[Session], TrainedLookup]


class SourceLost(SourceError):
    """The source cannot be read any more."""

    def __init__(self, location: str, detail: str) -> None:
        self.location = location
        super().__init__(
            f"{location} cannot be read any more ({detail}); bring it back and run the import again"
        )


class Turn:
    """One process's turn at an import."""

    def __init__(
        self, tools: Tools, found: Import, runner: str, stop: Event, progress: Callable[[Import], None]
    ) -> None:
        self.found = found
        self._tools, self._runner, self._stop, self._progress = tools, runner, stop, progress
        self._outcomes, self._codes = Counter(found.outcomes), Counter(found.problems)
        self._rows, self._lost = LEAST_ROWS, 0
        # Labels found good once: a class that is retired meanwhile still gets the pictures of this import.
        self._accepted: set[str] = set()
        self._beat = self._not_before = time.monotonic()

    def all_of(self, source: Source) -> bool:
        """Whether every file is behind the import; False when it was told to stop."""
        work = partial(prepare, now=datetime.now(UTC), in_place=self.found.options.in_place)
        # Two chunks: one is written while the next is made.
        ahead = Ahead(source.items(self.found.done), work, threads=available_cores(), size=size_of)
        try:
            while not ahead.finished:
                if self._stop.is_set():
                    return False
                if made := ahead.take(self._rows, seconds=0.5):
                    self._write(made, source)
                elif time.monotonic() - self._beat > HEARTBEAT_S:
                    self._say_alive()
            return True
        finally:
            ahead.close()

    def _write(self, made: Sequence[Prepared | Refused], source: Source) -> None:
        self._hold_against_loss(made, source)
        checked = self._checked(made)
        pictures = [one for one in checked if isinstance(one, Prepared)]
        # Before the rows: a row never names a picture that is not there.
        self._tools.blobs.put_many(
            [(one.record.sha256, one.canonical.data) for one in pictures if one.record.place is None]
        )
        self._yield()
        took = self._commit(
            pictures, [one for one in checked if isinstance(one, Refused)], done=_position(made[-1]) + 1
        )
        self._progress(self.found)
        # Grows slowly, shrinks at once.
        self._rows = max(
            LEAST_ROWS, min(MOST_ROWS, 2 * self._rows, round(len(made) * WRITE_S / max(took, 1e-4)))
        )
        self._not_before = time.monotonic() + min(took, 1.0)

    def _yield(self) -> None:
        """Others had to wait for SQLite's one write lock as long as the last chunk took: they have as long for it.

        By now most of that time has gone into storing this chunk's pictures.
        """
        if self._tools.engine.dialect.name == "sqlite":
            self._stop.wait(max(0.0, self._not_before - time.monotonic()))

    def _checked(self, made: Sequence[Prepared | Refused]) -> list[Prepared | Refused]:
        """The same, where pictures whose label cannot be taken and pictures that were erased are refused."""
        pictures = [one for one in made if isinstance(one, Prepared)]
        labels = _labels(pictures) - self._accepted
        with reading(self._tools.engine) as session:
            erased = images.erased(session, [one.record.sha256 for one in pictures])
            bad = refused_labels(
                session, self.found.line_id, labels, new_classes=self.found.options.new_classes
            )
        self._accepted |= labels - bad.keys()
        return [_refused(one, erased, bad) if isinstance(one, Prepared) else one for one in made]

    def _commit(self, pictures: Sequence[Prepared], refused: Sequence[Refused], *, done: int) -> float:
        """Seconds the transaction held its locks."""
        problems = [_problem(one) for one in refused]
        outcomes = self._outcomes + Counter(IGNORED if one.code == IGNORED else "refused" for one in refused)
        with writing(self._tools.engine) as session:
            begun = time.perf_counter()
            placed = self._place(session, pictures)
            for one, where in zip(pictures, placed, strict=True):
                outcomes[where.outcome] += 1
                problems += _noted(one, where)
            codes = self._codes + Counter(problem.code for problem in problems)
            counts = {"outcomes": dict(outcomes), "problems": dict(codes)}
            store.add_problems(session, self.found.id, problems)
            # Raises where the import is another process's by now; then nothing of this is kept.
            store.write(session, self.found.id, self._runner, done=done, counts=counts)
        took = time.perf_counter() - begun
        self.found = replace(self.found, done=done, counts=counts)
        self._outcomes, self._codes, self._beat = outcomes, codes, time.monotonic()
        return took

    def _place(self, session: Session, pictures: Sequence[Prepared]) -> Sequence[Placed]:
        # Before the line is locked for new classes: whoever adds pictures locks in this order.
        lock_catalogue(session)
        classes = resolve_labels(session, self.found.line_id, _labels(pictures), who=self.found.who)
        return add_pictures(
            session,
            self.found.line_id,
            [_new(one, classes) for one in pictures],
            origin="import",
            who=self.found.who,
            import_id=self.found.id,
            trained=self._tools.trained(session),
            relabel=self.found.options.relabel,
            stage=False,
        )

    def _say_alive(self) -> None:
        with writing(self._tools.engine) as session:
            store.write(session, self.found.id, self._runner)
        self._beat = time.monotonic()

    def _hold_against_loss(self, made: Sequence[Prepared | Refused], source: Source) -> None:
        """Raise SourceLost where every file of late was unreadable: nothing is wrong with so many at once."""
        for one in made:
            unreadable = isinstance(one, Refused) and one.code == UNREADABLE
            self._lost = self._lost + 1 if unreadable else 0
            if self._lost >= LOST_AFTER and isinstance(one, Refused):
                raise SourceLost(source.location, one.detail)


def _position(one: Prepared | Refused) -> int:
    return one.item.position if isinstance(one, Prepared) else one.position


def _labels(pictures: Sequence[Prepared]) -> set[str]:
    return {one.item.label for one in pictures if one.item.label is not None}


def _refused(one: Prepared, erased: Mapping[str, datetime], bad: Mapping[str, Refusal]) -> Prepared | Refused:
    item = one.item
    if one.record.sha256 in erased:
        when = f"This picture was erased on {erased[one.record.sha256]:%Y-%m-%d}; it is not taken again."
        return Refused(position=item.position, name=item.name, code="erased", detail=when)
    if item.label is not None and item.label in bad:
        code, detail = bad[item.label]
        return Refused(position=item.position, name=item.name, code=code, detail=detail)
    return one


def _problem(one: Refused) -> Problem:
    return Problem(position=one.position, name=one.name, code=one.code, detail=one.detail)


def _new(one: Prepared, classes: Mapping[str, int]) -> NewPicture:
    label = one.item.label
    return NewPicture(
        image=one.record,
        class_id=None if label is None else classes[label],
        declared=one.item.split,
        source="import",
        name=one.item.name,
    )


def _noted(one: Prepared, where: Placed) -> list[Problem]:
    return [
        Problem(position=one.item.position, name=one.item.name, code=problem.code, detail=problem.detail)
        for problem in where.problems
    ]
