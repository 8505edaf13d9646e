"""Where pictures that look alike are looked up: entries by the bands of their hash.

A hash belongs under four bands, and every picture that comes has other ones: written there at once, each costs four
pages of its own, at a million pictures as much as everything else together. So a line's latest entries lie in a few
rows as they came, which are read as a whole; when they are many, they are folded under their bands, a slice of the
bands at a time, so that many of them share a page.

    recent, 33,000 to 50,000 entries, unsorted  ──fold──▶  near, a row a band

Everybody who writes here holds the catalogue's lock. An entry being folded is in both places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Table, bindparam, delete, func, select, update

from sortline.catalogue.tables import near, near_folds, near_recent
from sortline.db.bulk import insert_rows
from sortline.db.session import Session
from sortline.engine.fingerprint import BANDS, bands

# (N, 2): an entry's id and its hash, as they are stored.
Pairs = npt.NDArray[np.int64]

_PAIR = np.dtype("<i8")
_PAIR_BYTES = 16
_ALL_BANDS = BANDS << 16
# Entries that are folded together. Reading as many takes under a millisecond; of 262,144 bands they touch 100,000.
FOLD = 1 << 15
# A fold is behind before the next is due.
_HASTE = 1.25
# Entries in a row of the latest from which on the next begins a row. Then a slice is folded, not for each that comes.
_FULL = 256

# Every picture that comes asks these: they are made once.
_LATEST = (
    select(near_recent.c.first_id, near_recent.c.data, near_folds.c.upto, near_folds.c.band)
    .join_from(near_recent, near_folds, near_folds.c.line_id == near_recent.c.line_id, isouter=True)
    .where(near_recent.c.line_id == bindparam("line"))
    .order_by(near_recent.c.first_id)
)
_RECENT = select(near_recent.c.data).where(
    near_recent.c.line_id == bindparam("line"), near_recent.c.first_id < bindparam("before")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The last row of a line's latest entries: its first id and its data, None where there is no row to append to.

    Entries below `upto` are being folded, and bands from `band` on do not have them yet; 0, 0 if none are.
    """

    first_id: int | None = None
    data: bytes = b""
    upto: int = 0
    band: int = 0


def sharing(
    session: Session, line_id: int, wanted: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], Latest]:
    """Band, entry and hash of what lies under any of the `wanted` bands, shape (rows, 3), perhaps some twice.

    And where the next entry is to be put.
    """
    if not len(wanted):
        return np.zeros((0, 3), np.int64), Latest()
    rows = session.execute(_LATEST, {"line": line_id}).all()
    recent = _pairs(row.data for row in rows)
    chosen = np.zeros(_ALL_BANDS, np.bool_)
    chosen[wanted] = True
    theirs = bands(recent[:, 1])
    place, number = np.nonzero(chosen[theirs])
    fresh = np.column_stack((theirs[place, number], recent[place]))
    return np.concatenate((_folded(session, line_id, np.flatnonzero(chosen)), fresh)), _latest(rows)


def remember(
    session: Session,
    line_id: int,
    ids: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.int64],
    latest: Latest,
) -> None:
    """The entries, later than all before them, are found from now on; `latest` as it was found under this lock."""
    if not len(ids):
        return
    upto, first, before = latest.upto, latest.first_id, latest.data
    came = len(before) // _PAIR_BYTES
    if first is None or came >= _FULL:
        first, before = int(ids[0]), b""
    data = before + _bytes(np.column_stack((ids, hashes)))
    insert_rows(
        session, near_recent, [{"line_id": line_id, "first_id": first, "data": data}], known="replace"
    )
    if came >= _FULL:
        # What lies before the new row will not change any more.
        if not upto and _waiting(session, line_id, first) >= FOLD * _PAIR_BYTES:
            upto = first
        if upto:
            _fold(session, line_id, upto, latest.band, came)


def forget(session: Session, line_id: int, entry: int, of: npt.NDArray[np.int64]) -> None:
    """Nothing tells of the entry any more; `of` is its hash, shape (1,)."""
    mine = near_recent.c.line_id == line_id, near_recent.c.first_id <= entry
    first = session.scalar(select(func.max(near_recent.c.first_id)).where(*mine))
    _leave_out(session, near_recent, entry, near_recent.c.line_id == line_id, near_recent.c.first_id == first)
    for band in bands(of)[0].tolist():
        _leave_out(session, near, entry, near.c.line_id == line_id, near.c.band == band)


def _latest(rows: Sequence[Any]) -> Latest:
    """Of the rows of a line's latest entries, in order."""
    if not rows:
        return Latest()
    last = rows[-1]
    upto, band = last.upto or 0, last.band or 0
    if last.first_id < upto:  # it is being folded
        return Latest(upto=upto, band=band)
    return Latest(first_id=last.first_id, data=last.data, upto=upto, band=band)


def _waiting(session: Session, line_id: int, before: int) -> int:
    """Bytes of the line's latest entries in rows before this one."""
    query = select(func.sum(func.length(near_recent.c.data)))
    mine = near_recent.c.line_id == line_id, near_recent.c.first_id < before
    return session.scalar(query.where(*mine)) or 0


def _fold(session: Session, line_id: int, upto: int, low: int, came: int) -> None:
    """A slice of the bands has the entries below `upto`, the wider the more came; when all have, they leave."""
    high = min(_ALL_BANDS, low + int(_HASTE * came * _ALL_BANDS / FOLD) + 1)
    _put(session, line_id, _recent(session, line_id, upto), low, high)
    if high < _ALL_BANDS:
        row = {"line_id": line_id, "upto": upto, "band": high}
        insert_rows(session, near_folds, [row], known="replace")
        return
    session.execute(delete(near_folds).where(near_folds.c.line_id == line_id))
    session.execute(
        delete(near_recent).where(near_recent.c.line_id == line_id, near_recent.c.first_id < upto)
    )


def _put(session: Session, line_id: int, pairs: Pairs, low: int, high: int) -> None:
    """The entries lie under those of their bands that are in a span."""
    theirs = bands(pairs[:, 1])
    place, number = np.nonzero((theirs >= low) & (theirs < high))
    if not len(place):
        return
    column = theirs[place, number]
    order = np.argsort(column, kind="stable")
    data = _bytes(pairs[place[order]])
    touched, starts = np.unique(column[order], return_index=True)
    ends = [*starts[1:].tolist(), len(order)]
    rows = [
        {"line_id": line_id, "band": band, "data": data[start * _PAIR_BYTES : end * _PAIR_BYTES]}
        for band, start, end in zip(touched.tolist(), starts.tolist(), ends, strict=True)
    ]
    insert_rows(session, near, rows, known="append")


def _recent(session: Session, line_id: int, before: int) -> Pairs:
    return _pairs(session.scalars(_RECENT, {"line": line_id, "before": before}))


def _folded(session: Session, line_id: int, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if not len(wanted):
        return np.zeros((0, 3), np.int64)
    # Written out, because 2,000 parameters take longer than what they ask for; and as no statement that is remembered.
    listed = ",".join(map(str, wanted.tolist()))
    query = f"SELECT band, data FROM near WHERE line_id = {line_id:d} AND band IN ({listed})"  # noqa: S608  # numbers
    found = session.exec_driver_sql(query).all()
    lengths = [len(data) // _PAIR_BYTES for _, data in found]
    column = np.repeat(np.array([band for band, _ in found], np.int64), lengths)
    return np.column_stack((column, _pairs(data for _, data in found)))


def _pairs(data: Iterable[bytes]) -> Pairs:
    return np.frombuffer(b"".join(data), _PAIR).astype(np.int64).reshape(-1, 2)


def _bytes(pairs: Pairs) -> bytes:
    return pairs.astype(_PAIR).tobytes()


def _leave_out(session: Session, table: Table, entry: int, *where: ColumnElement[bool]) -> None:
    """The row, if it is there, does not tell of the entry; one that would tell of none is gone."""
    data = session.scalar(select(table.c.data).where(*where))
    if data is None:
        return
    pairs = _pairs([data])
    left = _bytes(pairs[pairs[:, 0] != entry])
    session.execute(update(table).where(*where).values(data=left) if left else delete(table).where(*where))
