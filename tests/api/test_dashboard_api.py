"""A line's figures over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sortline.db.session import writing
from sortline.monitoring import store as monitoring
from sortline.monitoring.latency_store import add_latencies
from sortline.monitoring.meter import latency_step
from sortline.monitoring.recorded import hour_of
from tests.monitoring.test_monitoring_store import prediction
from tests.pictures import photo
from tests.running import RunningServer

JSON = dict[str, Any]
NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def line_of(server: RunningServer) -> str:
    """A new line that the starter serves."""
    name = f"d-{uuid4().hex[:12]}"
    assert server.client.post("/api/v1/lines", json={"name": name, "bundle": "waste"}).status_code == 201
    return name


def shown(server: RunningServer, line: str, status: int = 200, **query: object) -> JSON:
    """The line's figures."""
    answer = server.client.get(f"/api/v1/lines/{line}/dashboard", params=query)  # type: ignore[arg-type]  # plain values
    assert answer.status_code == status, answer.text
    found: JSON = answer.json()
    return found


def test_what_came_is_counted_by_hour_with_the_hours_in_which_nothing_did(server: RunningServer) -> None:
    """Classes, reasons, verdicts and latencies of a span, and of each of its hours."""
    line = line_of(server)
    line_id = server.services.live[line].id
    later = NOON + timedelta(hours=2)
    with writing(server.services.engine) as session:
        rows = [prediction(line_id) for _ in range(3)]
        rows += [prediction(line_id, at=later, class_name="Metal", verdict="review", reason="unknown")]
        monitoring.record(session, rows)
        step = latency_step(4.0)
        add_latencies(
            session, {(line_id, hour_of(NOON), step): 98, (line_id, hour_of(later), latency_step(80.0)): 2}
        )
    found = shown(server, line, since=NOON.isoformat(), until=(NOON + timedelta(hours=3)).isoformat())
    assert (found["total"], found["accepted"], found["reviewed"], found["review_rate"]) == (4, 3, 1, 0.25)
    assert found["classes"] == {"Glass": 3, "Metal": 1}
    assert found["reasons"] == {"unknown": 1}
    assert [bucket["total"] for bucket in found["counts"]] == [3, 0, 1]
    assert found["counts"][2]["at"] == "2026-05-01T14:00:00.000Z"
    assert 3.8 <= found["latency"]["p50"] <= 4.2
    assert 76 <= found["latency"]["p99"] <= 84
    days = shown(server, line, since=NOON.isoformat(), until=later.isoformat(), bucket="day")
    assert [bucket["total"] for bucket in days["counts"]] == [4]


def test_how_things_stand_is_told(server: RunningServer) -> None:
    """What serves since when, the server's use of the machine, what waits, answers of the last minute."""
    line = line_of(server)
    for seed in range(3):
        server.client.post(f"/api/v1/lines/{line}/classify", files={"image": ("p.jpg", photo(seed=seed))})
    found = shown(server, line)
    assert found["live"]["model"]["name"] == "waste"
    assert found["live"]["since"] <= found["until"]
    assert found["throughput"]["per_minute"] == 3
    assert found["total"] == 3
    assert found["server"]["memory_bytes"] > 0
    assert found["server"]["uptime_seconds"] > 0
    assert found["queue"] == found["reviewed"]
    assert (found["runs"], found["drifted"]) == ([], False)
    server.services.meter.flush()
    assert shown(server, line)["latency"]["n"] == 3


def test_a_long_span_is_told_from_its_end(server: RunningServer) -> None:
    """Of ten years by the hour the last 31 days are told."""
    found = shown(server, line_of(server), since="2016-05-01T00:00:00Z", until="2026-05-01T00:00:00Z")
    assert found["since"] == "2026-03-31T00:00:00.000Z"
    assert len(found["counts"]) == 31 * 24
    assert found["latency"] is None
