"""Health for orchestrators and for older clients, and metrics for Prometheus."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from sortline.api.access import Scope, open_to_all, require
from sortline.api.answers import encoded, timestamp
from sortline.api.deps import LineDep, ServicesDep

router = APIRouter(tags=["health"], dependencies=[Depends(open_to_all)])
line_router = APIRouter(tags=["health"], dependencies=[Depends(open_to_all)])
metrics_router = APIRouter(tags=["health"], dependencies=[Depends(require(Scope.CLASSIFY))])


@router.get("/health/live", summary="Is the process alive?")
async def live() -> dict[str, str]:
    """200 as long as the event loop turns."""
    return {"status": "alive"}


@router.get("/health/ready", summary="Can it classify?")
async def ready(services: ServicesDep) -> Response:
    """200 once every inference thread has classified a picture with each line's model; 503 while going down."""
    if services.admission.closed:
        return encoded({"status": "closing"}, 503)
    return encoded({"status": "ready"})


@line_router.get(
    "/health",
    summary="Health, for older clients",
    responses={503: {"description": "No model serves.", "content": {"application/json": {}}}},
)
async def health(services: ServicesDep, line: LineDep) -> Response:
    """Whether a model serves, and how it fares; 503 where none does.

    `message` says what is wrong, also where the model that should be live cannot serve and the one before goes on.
    """
    metrics, model = services.metrics, line.classifier
    document: dict[str, Any] = {
        "status": "healthy" if model else "unhealthy",
        "model_loaded": model is not None,
        "num_classes": len(model.classes if model else line.classes),
        "image_size": [model.preprocessing.size] * 2 if model else None,
        "uptime_seconds": round(metrics.uptime_seconds, 1),
        "uptime_hours": round(metrics.uptime_seconds / 3600, 4),
        "total_requests": metrics.total_requests,
        "average_prediction_time_ms": round(metrics.latency.average_ms, 2),
        "timestamp": timestamp(datetime.now(UTC)),
    }
    if model is None or line.problem:
        document["message"] = line.problem or f"Line {line.name!r} has no model yet."
    return encoded(document, 200 if model else 503)


@metrics_router.get(
    "/metrics",
    summary="Metrics",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, services: ServicesDep) -> Response:
    """Prometheus' text format, or three figures as JSON where `Accept` asks for JSON."""
    if "application/json" in request.headers.get("accept", ""):
        cpu, memory = services.metrics.resources()
        rpm = services.metrics.requests_per_minute
        return encoded({"cpu_usage": cpu, "memory_usage": round(memory, 2), "requests_per_minute": rpm})
    return Response(services.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
