"""Routes for clients of the systems Sortline replaces, at the root for the default line and under /lines/{line}."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.answers import encoded, for_older_clients, timestamp
from sortline.api.calls import call_of, described
from sortline.api.classify import many_answers, one_answer
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.errors import problem_of
from sortline.errors import SortlineError
from sortline.flows.classify import Answer

router = APIRouter(tags=["older clients"], dependencies=[Depends(require(Scope.CLASSIFY))])


@router.get("/classes", summary="Class names")
async def classes(live: LineDep) -> dict[str, Any]:
    """The classes by name, in the model's order where there is a model."""
    names = list(live.classifier.classes if live.classifier else live.classes)
    return {"classes": names, "num_classes": len(names)}


@router.post(
    "/predict", summary="Classify one picture", openapi_extra=described("image", "file", in_path=False)
)
@router.post("/api/predict", include_in_schema=False)
@router.post("/api/predict/", include_in_schema=False)
async def predict(request: Request) -> Response:
    """One picture's class, under every name that older clients read."""
    call = call_of(request)
    answer = await one_answer(request, call)
    return encoded(for_older_clients(answer, call.services.metrics.requests_per_minute))


@router.post(
    "/predict/batch",
    summary="Classify many pictures",
    openapi_extra=described("files", many=True, in_path=False),
)
async def predict_batch(request: Request) -> Response:
    """An answer or an error for each picture, in order."""
    call = call_of(request)
    outcomes = await many_answers(request, call)
    rate = call.services.metrics.requests_per_minute
    entries = [{"filename": upload.filename, **_entry(outcome, rate)} for upload, outcome in outcomes]
    return encoded({"predictions": entries, "total": len(entries)})


@router.get("/stats", summary="Figures since start")
async def stats(services: ServicesDep, line: LineDep) -> dict[str, Any]:
    """Requests and prediction latency of this server, all its lines together, since it started."""
    metrics, latency = services.metrics, services.metrics.latency
    return {
        "total_requests": metrics.total_requests,
        "uptime_hours": round(metrics.uptime_seconds / 3600, 4),
        "predictions": {
            "count": latency.count,
            "average_latency_ms": round(latency.average_ms, 2),
            "min_latency_ms": round(latency.min_ms, 2),
            "max_latency_ms": round(latency.max_ms, 2),
        },
        "timestamp": timestamp(datetime.now(UTC)),
    }


def _entry(outcome: Answer | SortlineError, requests_per_minute: int) -> dict[str, Any]:
    if isinstance(outcome, Answer):
        return for_older_clients(outcome, requests_per_minute)
    return problem_of(outcome)
