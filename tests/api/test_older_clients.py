"""Clients of the systems Sortline replaces find every field they read."""

from typing import Any

import pytest

from tests.pictures import photo
from tests.running import RunningServer


def fields(document: dict[str, Any]) -> set[str]:
    """The names in an answer."""
    return set(document)


@pytest.mark.parametrize("prefix", ["", "/lines/waste"])
@pytest.mark.parametrize("path", ["/predict", "/api/predict/", "/api/predict"])
@pytest.mark.parametrize("field", ["image", "file"])
def test_predict_carries_every_name(server: RunningServer, prefix: str, path: str, field: str) -> None:
    """One picture's answer under all the names that the five systems used."""
    answer = server.client.post(prefix + path, files={field: ("p.jpg", photo(), "image/jpeg")}).json()
    assert answer["success"] is True
    assert answer["saved_to_database"] is True
    assert answer["saved_to_db"] is True
    name = answer["predicted_class"]
    assert name == answer["label"] == answer["class"] == answer["top_prediction"]["class"]
    assert answer["confidence"] == answer["probabilities"][name] == answer["all_predictions"][name]
    assert answer["confidence_percent"] == pytest.approx(100 * answer["confidence"], abs=0.01)
    assert answer["top_prediction"] == answer["predictions"][0]
    assert 1 < answer["predictions"][0]["confidence"] <= 100
    classes = server.client.get("/classes").json()["classes"]
    assert dict(zip(classes, answer["raw_predictions"], strict=True)) == answer["probabilities"]
    assert len(answer["logits"]) == len(classes)
    assert {"energy", "ood", "message", "latency_ms", "processing_time", "timestamp"} <= fields(answer)
    assert {"id", "verdict", "reason", "model", "requests_per_minute"} <= fields(answer)


def test_batch_answers_each_file(server: RunningServer) -> None:
    """`files` repeated gives an answer or an error for each, and the total."""
    files = [("files", ("a.jpg", photo())), ("files", ("b.txt", b"text"))]
    answer = server.client.post("/predict/batch", files=files).json()
    assert answer["total"] == 2
    assert answer["predictions"][0]["predicted_class"]
    assert answer["predictions"][1]["success"] is False
    assert answer["predictions"][1]["filename"] == "b.txt"


def test_health_tells_of_the_model(server: RunningServer) -> None:
    """`/health` has every field the monitors of three systems read."""
    health = server.client.get("/health").json()
    assert (health["status"], health["model_loaded"], health["num_classes"]) == ("healthy", True, 9)
    assert health["image_size"] == [224, 224]
    assert health["uptime_seconds"] >= 0
    assert {"uptime_hours", "total_requests", "average_prediction_time_ms", "timestamp"} <= fields(health)


def test_stats_count_every_prediction(server: RunningServer) -> None:
    """`/stats` counts all predictions, beyond any hundred."""
    before = server.client.get("/stats").json()["predictions"]["count"]
    for seed in range(3):
        server.client.post("/predict", files={"file": ("p.jpg", photo(seed=seed))})
    stats = server.client.get("/stats").json()
    assert stats["predictions"]["count"] == before + 3
    assert 0 < stats["predictions"]["min_latency_ms"] <= stats["predictions"]["average_latency_ms"]
    assert stats["predictions"]["average_latency_ms"] <= stats["predictions"]["max_latency_ms"]
    assert {"total_requests", "uptime_hours", "timestamp"} <= fields(stats)


def test_metrics_speak_prometheus_and_json(server: RunningServer) -> None:
    """Prometheus text by default, three figures as JSON on request."""
    server.client.post("/predict", files={"image": ("p.jpg", photo())})
    server.client.post("/predict", files={"image": ("p.jpg", b"text")})
    text = server.client.get("/metrics").text
    for name in (
        "sortline_predictions_total{",
        'sortline_errors_total{type="not-an-image"}',
        'sortline_requests_total{method="POST",route="/predict",status="200"}',
        'sortline_stage_seconds_bucket{le="0.01",stage="decode"}',
        'stage="record"',
        "sortline_queue_depth",
        "sortline_batch_size_bucket",
        "sortline_cpu_percent",
        "sortline_resident_memory_bytes",
        "sortline_uptime_seconds",
    ):
        assert name in text, name
    document = server.client.get("/metrics", headers={"Accept": "application/json"}).json()
    assert fields(document) == {"cpu_usage", "memory_usage", "requests_per_minute"}
    assert document["requests_per_minute"] > 0


def test_root_is_a_page_for_people_and_a_map_for_programs(server: RunningServer) -> None:
    """`/` answers by what the caller accepts."""
    information = server.client.get("/").json()
    assert {"message", "version", "endpoints"} <= fields(information)
    page = server.client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    for path in information["endpoints"]:
        assert server.client.get(path).status_code in (200, 405), path
