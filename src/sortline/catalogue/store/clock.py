"""The lock under which a catalogue is changed, and what it gives out: entry ids and moments that rise together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, select, update

from sortline.catalogue.tables import catalogue_clock
from sortline.db.session import Session

# Made once: every change of a catalogue runs both.
_LOCK = select(catalogue_clock).with_for_update()
_HELD = "sortline_catalogue"
_ADVANCE = update(catalogue_clock).values(next_entry=bindparam("upto"), at=bindparam("moment"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The moment of a change, no earlier than any before it, and the first id that no entry has yet."""

    at: datetime
    next_entry: int


def lock_catalogue(session: Session) -> Tick:
    """Nobody else changes a catalogue until this transaction ends.

    Taken before any other lock but that of an import's own row, so that no two transactions wait for each other. Asked
    for again in the same transaction it costs nothing.
    """
    held: tuple[object, Tick] | None = session.info.get(_HELD)
    if held is not None and held[0] in (session.get_transaction(), session.get_nested_transaction()):
        return held[1]
    clock = session.execute(_LOCK).one()
    tick = Tick(at=max(clock.at, datetime.now(UTC)), next_entry=clock.next_entry)
    _hold(session, tick)
    return tick


def advance(session: Session, tick: Tick, count: int) -> None:
    """This many entry ids are given out; later changes are no earlier than this one."""
    after = Tick(at=tick.at, next_entry=tick.next_entry + count)
    session.execute(_ADVANCE, {"upto": after.next_entry, "moment": after.at})
    _hold(session, after)


def _hold(session: Session, tick: Tick) -> None:
    """What the lock's row says, for as long as this transaction has it: a savepoint that is rolled back takes both."""
    session.info[_HELD] = session.get_nested_transaction() or session.get_transaction(), tick
