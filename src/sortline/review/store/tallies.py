"""How many items came and how many wait, without looking at them: sums kept up with every item that comes or goes.

Who opens items writes rows of the day, who decides writes the row of what is gone: the two never wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias

from sqlalchemy import bindparam, func, select

from sortline.db.bulk import insert_rows
from sortline.db.session import Session
from sortline.review.tables import review_tallies

# How many items of a line (its id) and a reason.
Numbers: TypeAlias = Mapping[tuple[int, str], int]

_columns = review_tallies.c
_EPOCH: Final = date(1970, 1, 1)
# The day of what waits no more.
_GONE: Final = -1
_WAITING = (
    select(_columns.reason, func.sum(_columns.n).label("waiting"))
    .where(_columns.line_id == bindparam("line"))
    .group_by(_columns.reason)
)
_ARRIVED = (
    select(_columns.day, func.sum(_columns.n).label("arrived"))
    .where(_columns.line_id == bindparam("line"), _columns.day >= bindparam("since"))
    .group_by(_columns.day)
)


def came(session: Session, numbers: Mapping[tuple[int, str, date], int]) -> None:
    """So many items of a line (its id) and a reason were opened, by day in UTC."""
    _add(
        session, {(line_id, reason, (day - _EPOCH).days): n for (line_id, reason, day), n in numbers.items()}
    )


def gone(session: Session, numbers: Numbers) -> None:
    """So many items wait no more; where it is less than nothing, so many wait again.

    Comes last in a transaction: others who decide wait for it.
    """
    _add(session, {(line_id, reason, _GONE): -n for (line_id, reason), n in numbers.items()})


def waiting_by_reason(session: Session, line_id: int) -> dict[str, int]:
    """How many items wait, by reason, most first."""
    found = [(reason, int(n)) for reason, n in session.execute(_WAITING, {"line": line_id}) if n]
    return dict(sorted(found, key=lambda one: (-one[1], one[0])))


def arrived_by_day(session: Session, line_id: int, since: datetime) -> dict[date, int]:
    """How many items were opened, by day in UTC, from the day of a moment on."""
    first = (since.astimezone(UTC).date() - _EPOCH).days
    rows = session.execute(_ARRIVED, {"line": line_id, "since": max(first, 0)})
    return {_EPOCH + timedelta(days=day): int(n) for day, n in rows}


def _add(session: Session, numbers: Mapping[tuple[int, str, int], int]) -> None:
    rows = [
        # In the order of the key, so that no two transactions wait for each other.
        {"line_id": line_id, "reason": reason, "day": day, "n": n}
        for (line_id, reason, day), n in sorted(numbers.items())
        if n
    ]
    insert_rows(session, review_tallies, rows, known="add")
