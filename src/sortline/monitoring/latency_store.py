"""Latencies in the database, counted by hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import func, select

from sortline.db.bulk import insert_rows
from sortline.db.session import Session
from sortline.monitoring.meter import Key
from sortline.monitoring.recorded import hour_of
from sortline.monitoring.tables import latencies


def add_latencies(session: Session, counted: Mapping[Key, int]) -> None:
    """So many more answers in each line's hour and step."""
    # In the order of the key, so that two servers never wait for each other's rows.
    rows = [
        {"line_id": line_id, "hour": hour, "step": step, "n": n}
        for (line_id, hour, step), n in sorted(counted.items())
    ]
    insert_rows(session, latencies, rows, known="add")


def latency_steps(session: Session, line_id: int, start: datetime, end: datetime) -> dict[int, int]:
    """How many answers of a line took how long, by step, in the hours from `start` to the last before `end`."""
    query = (
        select(latencies.c.step, func.sum(latencies.c.n))
        .where(
            latencies.c.line_id == line_id,
            latencies.c.hour >= hour_of(start),
            latencies.c.hour <= hour_of(end),
        )
        .group_by(latencies.c.step)
    )
    return {step: int(n) for step, n in session.execute(query)}
