"""The figures of hours that are over are remembered; those of the present are always asked for."""

from datetime import timedelta

from sqlalchemy import Engine, event

from sortline.db.session import reading, writing
from sortline.flows.dashboard import Past
from sortline.monitoring import store
from tests.monitoring.test_monitoring_store import HOUR, NOON, new_line, prediction

NOW = NOON + timedelta(minutes=30)


def test_only_what_may_still_change_is_asked_for_again(engine: Engine) -> None:
    """Hours cost two statements, which start with the first that is not over; new answers are counted."""
    asked = list[str]()
    with writing(engine) as session:
        line_id = new_line(session)
        store.record(
            session, [prediction(line_id, at=NOON - 5 * HOUR), prediction(line_id, at=NOON - 2 * HOUR)]
        )
    past = Past()

    def spans() -> list[int]:
        with reading(engine) as session:
            found = past.spans(session, line_id, NOW - 6 * HOUR, NOW, "hour", NOW)
        return [span.accepted for span in found]

    assert spans() == [0, 1, 0, 0, 1, 0, 0]
    with writing(engine) as session:
        store.record(session, [prediction(line_id, at=NOON), prediction(line_id, at=NOON - HOUR)])
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    assert spans() == [0, 1, 0, 0, 1, 1, 1]
    assert sum("FROM counts" in statement for statement in asked) == 2
    assert spans() == [0, 1, 0, 0, 1, 1, 1]


def test_lines_and_buckets_are_remembered_apart(engine: Engine) -> None:
    """What one line did is not told of another, nor hours for days."""
    with writing(engine) as session:
        one, other = new_line(session), new_line(session)
        store.record(session, [prediction(one, at=NOON - timedelta(days=3), class_name="Metal")])
    past = Past()
    with reading(engine) as session:
        start = NOW - timedelta(days=3, hours=1)
        assert sum(span.accepted for span in past.spans(session, one, start, NOW, "hour", NOW)) == 1
        assert sum(span.accepted for span in past.spans(session, other, start, NOW, "hour", NOW)) == 0
        days = past.spans(session, one, start, NOW, "day", NOW)
    assert [dict(span.classes) for span in days] == [{"Metal": 1}, {}, {}, {}]
