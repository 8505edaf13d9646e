"""A sample of what came: all of a little, some of much from all over, and how much came a day."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sortline.db.session import reading, writing
from sortline.monitoring import store
from sortline.monitoring.recorded import RecordedPrediction
from sortline.monitoring.sample_store import per_day, sample
from tests.monitoring.test_monitoring_store import HOUR, NOON, new_line, prediction


def spread(line_id: int, n: int, hours: int) -> list[RecordedPrediction]:
    """So many predictions, evenly over the hours before noon; each tells its hour by its score."""
    return [
        prediction(line_id, at=NOON - HOUR * hours * (1 - i / n), ood_score=float(i * hours // n))
        for i in range(n)
    ]


def test_little_is_sampled_whole_and_much_from_all_over(engine: Engine) -> None:
    """Of 2,000 predictions in ten hours, 500 are some from each; asked for more than there are, all."""
    with writing(engine) as session:
        line_id = new_line(session)
        rows = spread(line_id, 2000, 10)
        for start in range(0, 2000, 500):
            store.record(session, rows[start : start + 500])
    with reading(engine) as session:
        assert len(sample(session, line_id, NOON - 24 * HOUR, NOON)) == 2000
        some = sample(session, line_id, NOON - 24 * HOUR, NOON, most=500)
    by_hour = Counter(row.ood_score for row in some)
    assert len(some) == pytest.approx(500, abs=5)
    assert set(by_hour) == set(map(float, range(10)))
    assert max(by_hour.values()) <= 60


def test_days_are_told_back_to_the_first_picture(engine: Engine) -> None:
    """The newest first; a line younger than a day is told what a whole day would have had."""
    with writing(engine) as session:
        line_id, young, new = new_line(session), new_line(session), new_line(session)
        store.record(session, [prediction(line_id, at=NOON - timedelta(days=2) + HOUR) for _ in range(3)])
        store.record(session, [prediction(line_id, at=NOON - HOUR) for _ in range(5)])
        store.record(session, [prediction(young, at=NOON - 5 * HOUR) for _ in range(6)])
    with reading(engine) as session:
        assert per_day(session, line_id, NOON, days=14) == [5.0, 3.0]
        assert per_day(session, young, NOON, days=14) == [24.0]
        assert per_day(session, new, NOON, days=14) == []
