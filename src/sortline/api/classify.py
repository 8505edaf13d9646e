"""Native routes that classify."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.answers import Prediction, encoded, native
from sortline.api.calls import Call, call_of, described
from sortline.api.errors import problem_of
from sortline.api.uploads import Upload, many_images, one_image
from sortline.errors import SortlineError
from sortline.flows.classify import Answer
from sortline.wiring import Services

may_classify = require(Scope.CLASSIFY)
router = APIRouter(prefix="/api/v1/lines/{line}", tags=["classify"], dependencies=[Depends(may_classify)])


class BatchAnswer(BaseModel):
    """One entry a picture, in the order they were sent: an answer, or `filename` and a problem in `error`."""

    results: list[dict[str, Any]]
    total: int
    failed: int


@router.post(
    "/classify",
    summary="Classify one picture",
    responses={200: {"model": Prediction}},
    openapi_extra=described("image", "file", explain=True),
)
async def classify(request: Request) -> Response:
    """What the picture shows, how sure that is, and whether a person should look. Answered once it is recorded."""
    call = call_of(request)
    return encoded(native(await one_answer(request, call), explain=call.explain))


@router.post(
    "/classify/batch",
    summary="Classify up to 64 pictures",
    responses={200: {"model": BatchAnswer}},
    openapi_extra=described("images", many=True),
)
async def classify_batch(request: Request) -> Response:
    """An answer or an error for each picture; one bad picture does not spoil the others."""
    outcomes = await many_answers(request, call_of(request))
    results = [{"filename": upload.filename, **_entry(outcome)} for upload, outcome in outcomes]
    failed = sum("error" in result for result in results)
    return encoded({"results": results, "total": len(results), "failed": failed})


async def one_answer(request: Request, call: Call) -> Answer:
    """The answer for the request's picture.

    Raises:
        SortlineError: what is wrong with the request or the picture, or that it cannot be served now.
    """
    services = call.services
    with services.admission.request() as ticket:
        upload = await one_image(request, ticket, max_bytes=services.path.limits.max_bytes)
        answer = await services.path.classify(call.line, upload.data, call.origin, explain=call.explain)
    _note(services, answer)
    return answer


async def many_answers(request: Request, call: Call) -> list[tuple[Upload, Answer | SortlineError]]:
    """For each of the request's pictures its answer or the error it met.

    Raises:
        SortlineError: what is wrong with the request itself.
    """
    services = call.services
    with services.admission.request() as ticket:
        uploads = await many_images(request, ticket)
        answers = [services.path.classify(call.line, upload.data, call.origin) for upload in uploads]
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
    found: list[tuple[Upload, Answer | SortlineError]] = []
    for upload, outcome in zip(uploads, outcomes, strict=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, SortlineError):
            raise outcome
        if isinstance(outcome, Answer):
            _note(services, outcome)
        found.append((upload, outcome))
    return found


def _entry(outcome: Answer | SortlineError) -> dict[str, Any]:
    return native(outcome) if isinstance(outcome, Answer) else {"error": problem_of(outcome)}


def _note(services: Services, answer: Answer) -> None:
    """The answer counts in the server's metrics."""
    metrics, prediction, timing = services.metrics, answer.inferred.prediction, answer.inferred.timing
    services.meter.add(answer.line.id, answer.latency_ms)
    metrics.predicted(answer.line.name, prediction.class_name, answer.route.verdict, answer.route.reason)
    metrics.timed(
        queue=timing.queue,
        decode=timing.decode,
        infer=timing.infer,
        total=answer.latency_ms / 1000,
        batch=timing.batch,
    )
