"""Native routes that classify."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.answers import Prediction, encoded, native
from sortline.api.deps import LineDep, OriginDep, ServicesDep
from sortline.api.errors import problem_of
from sortline.api.uploads import Upload, many_images, one_image
from sortline.errors import SortlineError
from sortline.flows.classify import Answer, ClassifyPath, Origin
from sortline.monitoring.metrics import Metrics
from sortline.serving.live import LiveLine
from sortline.wiring import Services

router = APIRouter(
    prefix="/api/v1/lines/{line}", tags=["classify"], dependencies=[Depends(require(Scope.CLASSIFY))]
)
LineName = Annotated[str, Path(description="A line's name.")]


def form_of(*fields: str, many: bool = False) -> dict[str, Any]:
    """The request body for the API's description: a form with one of the fields, or the picture itself."""
    binary = {"type": "string", "format": "binary"}
    field = {"type": "array", "items": binary} if many else binary
    form = {"type": "object", "properties": dict.fromkeys(fields, field)}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if not many:
        content["image/*"] = {"schema": binary}
    return {"requestBody": {"required": True, "content": content}}


class BatchAnswer(BaseModel):
    """One entry a picture, in the order they were sent: an answer, or `filename` and a problem in `error`."""

    results: list[dict[str, Any]]
    total: int
    failed: int


@router.post(
    "/classify",
    summary="Classify one picture",
    responses={200: {"model": Prediction}},
    openapi_extra=form_of("image", "file"),
)
async def classify(
    line: LineName,
    request: Request,
    services: ServicesDep,
    live: LineDep,
    origin: OriginDep,
    explain: Annotated[bool, Query(description="Add a class activation map.")] = False,
) -> Response:
    """What the picture shows, how sure that is, and whether a person should look. Answered once it is recorded."""
    with services.admission.request() as ticket:
        _ = live.model
        upload = await one_image(request, ticket, max_bytes=services.path.limits.max_bytes)
        answer = await services.path.classify(live, upload.data, origin, explain=explain)
    note(services.metrics, answer)
    return encoded(native(answer, explain=explain))


@router.post(
    "/classify/batch",
    summary="Classify up to 64 pictures",
    responses={200: {"model": BatchAnswer}},
    openapi_extra=form_of("images", many=True),
)
async def classify_batch(
    line: LineName, request: Request, services: ServicesDep, live: LineDep, origin: OriginDep
) -> Response:
    """An answer or an error for each picture; one bad picture does not spoil the others."""
    with services.admission.request() as ticket:
        _ = live.model
        uploads = await many_images(request, ticket)
        outcomes = await classify_all(services.path, live, uploads, origin)
    results = [_entry(services, upload, outcome) for upload, outcome in zip(uploads, outcomes, strict=True)]
    failed = sum("error" in result for result in results)
    return encoded({"results": results, "total": len(results), "failed": failed})


async def classify_all(
    path: ClassifyPath, live: LiveLine, uploads: list[Upload], origin: Origin
) -> list[Any]:
    """For each picture its `Answer` or the `SortlineError` it met."""
    outcomes = await asyncio.gather(
        *(path.classify(live, upload.data, origin) for upload in uploads), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, SortlineError):
            raise outcome
    return list(outcomes)


def note(metrics: Metrics, answer: Answer) -> None:
    """The answer counts in the server's metrics."""
    prediction, timing = answer.inferred.prediction, answer.inferred.timing
    metrics.predicted(answer.line.name, prediction.class_name, answer.route.verdict, answer.route.reason)
    metrics.timed(
        queue=timing.queue,
        decode=timing.decode,
        infer=timing.infer,
        total=answer.latency_ms / 1000,
        batch=timing.batch,
    )


def _entry(services: Services, upload: Upload, outcome: Any) -> dict[str, Any]:
    if isinstance(outcome, SortlineError):
        return {"filename": upload.filename, "error": problem_of(outcome)}
    note(services.metrics, outcome)
    return {"filename": upload.filename, **native(outcome)}
