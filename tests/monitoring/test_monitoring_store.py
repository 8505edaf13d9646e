"""Predictions and counts, on both databases."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from sortline.db.ids import first_id, new_id
from sortline.db.paging import BadCursor
from sortline.db.session import Session, reading, writing
from sortline.lines import store as lines
from sortline.monitoring import store
from sortline.monitoring.recorded import Count, RecordedPrediction

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def prediction(line_id: int, **changes: object) -> RecordedPrediction:
    """An accepted glass bottle at noon, with changes."""
    facts: dict[str, object] = {
        "id": new_id(),
        "line_id": line_id,
        "at": NOON,
        "class_name": "Glass",
        "confidence": 0.93,
        "verdict": "accept",
        "reason": None,
        "ood_score": 0.2,
        "energy": -7.5,
        "bundle_hash": "ab" * 32,
        "latency_ms": 4.5,
        "source": "api",
    }
    return RecordedPrediction(**{**facts, **changes})  # type: ignore[arg-type]  # the fields are the ones above


def new_line(session: Session) -> int:
    """A line of its own, so that examples do not meet."""
    return lines.create_line(session, f"line-{new_id()[-12:]}").id


def test_a_prediction_comes_back_as_it_was_recorded(engine: Engine) -> None:
    """Every field survives the database."""
    with writing(engine) as session:
        line_id = new_line(session)
        accepted = prediction(line_id)
        reviewed = prediction(line_id, at=NOON + HOUR, verdict="review", reason="unknown", confidence=0.1)
        store.record(session, [accepted, reviewed])
        store.record(session, [])
        assert store.recent(session, line_id).items == (reviewed, accepted)


def test_pages_are_stable_while_predictions_arrive(engine: Engine) -> None:
    """Following the cursor gives every old row once, where moments are equal and new rows come in between."""
    with writing(engine) as session:
        line_id = new_line(session)
        old = [prediction(line_id) for _ in range(7)]
        store.record(session, old)
        page = store.recent(session, line_id, limit=3)
        seen = list(page.items)
        while page.next_cursor:
            store.record(session, [prediction(line_id, at=NOON + HOUR)])
            page = store.recent(session, line_id, limit=3, cursor=page.next_cursor)
            seen += page.items
    assert [row.id for row in seen] == sorted((row.id for row in old), reverse=True)


def test_predictions_are_filtered_by_class_and_verdict(engine: Engine) -> None:
    """A filter keeps what matches all of it, of this line alone."""
    with writing(engine) as session:
        line_id, other = new_line(session), new_line(session)
        wanted = prediction(line_id, class_name="Metal", verdict="review", reason="ambiguous")
        store.record(
            session, [wanted, prediction(line_id), prediction(line_id, class_name="Metal"), prediction(other)]
        )
        found = store.recent(session, line_id, class_name="Metal", verdict="review")
    assert found.items == (wanted,)
    assert found.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "1", "x-" + "0" * 32, "1-" + "g" * 32, "9" * 30 + "-" + "0" * 32])
def test_a_cursor_of_someone_else_is_refused(engine: Engine, cursor: str) -> None:
    """A typed error, never the database's."""
    with reading(engine) as session, pytest.raises(BadCursor):
        store.recent(session, 1, cursor=cursor)


def test_counts_by_hour_and_by_day(engine: Engine) -> None:
    """Hours and UTC days from the bucket that holds the start to the one before the end."""
    with writing(engine) as session:
        line_id = new_line(session)
        moments = [NOON, NOON + 0.5 * HOUR, NOON + HOUR, NOON + 12 * HOUR]
        store.record(session, [prediction(line_id, at=at) for at in moments])
        hours = store.count(session, line_id, NOON + 0.1 * HOUR, NOON + 12 * HOUR, "hour")
        days = store.count(session, line_id, NOON, NOON + 12.5 * HOUR, "day")
    midnight = NOON - 12 * HOUR
    kind = {"class_name": "Glass", "verdict": "accept", "reason": None}
    assert hours == [Count(at=NOON, n=2, **kind), Count(at=NOON + HOUR, n=1, **kind)]  # type: ignore[arg-type]  # kind
    assert days == [Count(at=midnight, n=3, **kind), Count(at=midnight + 24 * HOUR, n=1, **kind)]  # type: ignore[arg-type]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_counts_equal_what_was_recorded_however_it_was_grouped(engine: Engine, data: st.DataObject) -> None:
    """For every class, verdict, reason and hour, the count is the number of predictions, in any grouping."""
    kinds = st.tuples(
        st.sampled_from(["Glass", "Metal", "Größe ♻"]),
        st.sampled_from([("accept", None), ("review", "unknown"), ("review", "sampled")]),
        st.integers(0, 3),
    )
    groups = data.draw(st.lists(st.lists(kinds, max_size=8), max_size=6))
    with writing(engine) as session:
        line_id = new_line(session)
    expected: Counter[tuple[object, ...]] = Counter()
    for group in groups:
        rows = [
            prediction(line_id, class_name=name, verdict=verdict, reason=reason, at=NOON + hour * HOUR)
            for name, (verdict, reason), hour in group
        ]
        expected.update((row.at, row.class_name, row.verdict, row.reason) for row in rows)
        with writing(engine) as session:
            store.record(session, rows)
    with reading(engine) as session:
        found = store.count(session, line_id, NOON, NOON + 4 * HOUR, "hour")
        total = store.totals(session, line_id)
    assert {(row.at, row.class_name, row.verdict, row.reason): row.n for row in found} == dict(expected)
    assert total.total == expected.total() == sum(total.by_class.values())


def test_totals_since_an_hour(engine: Engine) -> None:
    """What came before the hour is left out."""
    with writing(engine) as session:
        line_id = new_line(session)
        late = prediction(line_id, at=NOON + HOUR, verdict="review", reason="watched", class_name="Metal")
        store.record(session, [prediction(line_id), late])
        since = store.totals(session, line_id, NOON + 1.5 * HOUR)
    assert (since.total, since.by_verdict, since.by_class) == (1, {"review": 1}, {"Metal": 1})
    assert since.by_reason == {"watched": 1}


def test_rolling_up_forgets_predictions_in_chunks_and_keeps_their_counts(engine: Engine) -> None:
    """Old rows go a few at a time; young rows and every count stay."""
    now = datetime.now(UTC)
    old = now - store.KEEP - HOUR
    with writing(engine) as session:
        line_id = new_line(session)
        aged = [prediction(line_id, id=first_id(old)[:20] + f"{n:012x}", at=old) for n in range(5)]
        young = prediction(line_id, at=now)
        store.record(session, [*aged, young])
        deleted = [store.roll_up(session, now - store.KEEP, limit=2) for _ in range(4)]
        assert deleted == [2, 2, 1, 0]
        assert store.recent(session, line_id).items == (young,)
        assert store.totals(session, line_id).total == 6
