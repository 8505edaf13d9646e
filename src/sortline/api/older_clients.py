"""Routes for clients of the systems Sortline replaces, at the root for the default line and under /lines/{line}."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.answers import encoded, for_older_clients, timestamp
from sortline.api.classify import classify_all, form_of, note
from sortline.api.deps import LineDep, OriginDep, ServicesDep
from sortline.api.errors import problem_of
from sortline.api.uploads import many_images, one_image
from sortline.errors import SortlineError

router = APIRouter(tags=["older clients"], dependencies=[Depends(require(Scope.CLASSIFY))])


@router.get("/classes", summary="Class names")
async def classes(live: LineDep) -> dict[str, Any]:
    """The classes by name, in the model's order where there is a model."""
    names = list(live.classifier.classes if live.classifier else live.classes)
    return {"classes": names, "num_classes": len(names)}


@router.post("/predict", summary="Classify one picture", openapi_extra=form_of("image", "file"))
@router.post("/api/predict", include_in_schema=False)
@router.post("/api/predict/", include_in_schema=False)
async def predict(request: Request, services: ServicesDep, live: LineDep, origin: OriginDep) -> Response:
    """One picture's class, under every name that older clients read."""
    with services.admission.request() as ticket:
        _ = live.model
        upload = await one_image(request, ticket, max_bytes=services.path.limits.max_bytes)
        answer = await services.path.classify(live, upload.data, origin)
    note(services.metrics, answer)
    return encoded(for_older_clients(answer, services.metrics.requests_per_minute))


@router.post("/predict/batch", summary="Classify many pictures", openapi_extra=form_of("files", many=True))
async def predict_batch(
    request: Request, services: ServicesDep, live: LineDep, origin: OriginDep
) -> Response:
    """An answer or an error for each picture, in order."""
    with services.admission.request() as ticket:
        _ = live.model
        uploads = await many_images(request, ticket)
        outcomes = await classify_all(services.path, live, uploads, origin)
    entries: list[dict[str, Any]] = []
    for upload, outcome in zip(uploads, outcomes, strict=True):
        if isinstance(outcome, SortlineError):
            entries.append({"filename": upload.filename, **problem_of(outcome)})
            continue
        note(services.metrics, outcome)
        entry = for_older_clients(outcome, services.metrics.requests_per_minute)
        entries.append({"filename": upload.filename, **entry})
    return encoded({"predictions": entries, "total": len(entries)})


@router.get("/stats", summary="Figures since start")
async def stats(services: ServicesDep) -> dict[str, Any]:
    """Requests and prediction latency of this server since it started."""
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
