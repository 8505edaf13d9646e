"""Routes with pictures for clients of the systems Sortline replaces, at the root and under /lines/{line}."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from sortline.api.access import Scope, caller_of, require
from sortline.api.answers import encoded
from sortline.api.callers import address_of
from sortline.api.calls import InvalidParameter
from sortline.api.deps import LineDep, ServicesDep, line_of, services_of
from sortline.api.errors import problem_of
from sortline.api.image_uploads import add, off_the_loop, shown
from sortline.api.image_views import urls
from sortline.api.parameters import ClassName
from sortline.api.uploads import Upload as Sent
from sortline.api.uploads import many_images, one_image
from sortline.catalogue.entry import Entry, EntryFilter, Split
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.entries import list_entries
from sortline.catalogue.store.records import get_records
from sortline.db.session import Session, reading
from sortline.errors import SortlineError
from sortline.flows.insights import older_insights
from sortline.flows.pictures import NoExample, bytes_of
from sortline.flows.upload import Upload
from sortline.lines.classes import class_ids, resolve_class
from sortline.lines.line import valid_class_name

router = APIRouter(tags=["older clients"], dependencies=[Depends(require(Scope.REVIEW))])

# Shown of each class; and among so many of the newest those are looked for that were not erased.
_SAMPLES, _LOOKED_AT = 3, 500


def _form(field: str, many: bool, name: str, words: str) -> dict[str, Any]:
    """What the API's description says of a route whose body and query are read by hand."""
    binary: dict[str, Any] = {"type": "string", "format": "binary"}
    value = {"type": "array", "items": binary} if many else binary
    schema = {"type": "object", "properties": {field: value}, "required": [field]}
    query = {
        "name": name,
        "in": "query",
        "required": True,
        "description": words,
        "schema": {"type": "string"},
    }
    return {
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
        "parameters": [query],
    }


@router.post(
    "/upload",
    summary="Add one labelled picture",
    openapi_extra=_form("file", False, "class_name", "Its class; made if there is none."),
)
async def upload(request: Request) -> Response:
    """The picture with its class; where it is known under another label, this one counts from now on."""
    services, live = services_of(request), line_of(request)
    (label,) = labels_of("class_name", [request.query_params.get("class_name", "")], 1)
    with services.admission.request() as ticket:
        sent = await one_image(request, ticket, max_bytes=services.path.limits.max_bytes)
        done = await off_the_loop(request, partial(add, services, live, _given(request, sent, label)))
    return encoded(
        {
            "success": True,
            "message": f"Picture added to {label}.",
            "image_id": done.sha256,
            "class_name": label,
            "filename": shown(sent.filename),
            "outcome": done.placed.outcome,
        }
    )


@router.post(
    "/upload/batch",
    summary="Add many labelled pictures",
    openapi_extra=_form(
        "files", True, "class_names", "One class for all, or one for each picture, commas between."
    ),
)
async def upload_batch(request: Request) -> Response:
    """An id or an error for each picture, in order; where none could be added, the first one's error."""
    services, live = services_of(request), line_of(request)
    results: list[dict[str, Any]] = []
    failures: list[SortlineError] = []
    with services.admission.request() as ticket:
        sent = await many_images(request, ticket)
        given = request.query_params.get("class_names", "").split(",")
        labels = labels_of("class_names", given, len(sent))
        for one, label in zip(sent, labels, strict=True):
            told: dict[str, Any] = {"filename": shown(one.filename), "class_name": label}
            try:
                done = await off_the_loop(request, partial(add, services, live, _given(request, one, label)))
                told |= {"success": True, "image_id": done.sha256, "outcome": done.placed.outcome}
            except SortlineError as error:
                failures.append(error)
                told |= problem_of(error)
            results.append(told)
    if len(failures) == len(results):
        raise failures[0]
    ids = [told["image_id"] for told in results if told["success"]]
    return encoded(
        {
            "success": not failures,
            "message": f"{len(ids)} of {len(results)} pictures added.",
            "image_ids": ids,
            "total": len(ids),
            "results": results,
        }
    )


@router.get(
    "/classes/{name:path}/example",
    summary="Show a class by a picture",
    response_class=Response,
    responses={
        200: {
            "description": "The picture.",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("image/jpeg", "image/png", "image/webp")
            },
        }
    },
)
def example(name: ClassName, services: ServicesDep, live: LineDep) -> Response:
    """The newest labelled picture of the class."""
    with reading(services.engine) as session:
        found = resolve_class(session, live.id, name)
        newest = _newest(session, live.id, found.id, 1)
    if not newest:
        raise NoExample(found.name)
    data = bytes_of(services.installation.blobs, newest[0])
    headers = {"Cache-Control": "no-cache", "ETag": f'"{newest[0].sha256}"'}
    return Response(data, media_type=newest[0].media_type, headers=headers)


@router.get("/data-insights", summary="What the pictures are like")
def data_insights(services: ServicesDep, live: LineDep) -> dict[str, Any]:
    """Pictures by class, some of each, and their sizes, of everything the line has."""
    with reading(services.engine) as session:
        found = older_insights(session, live.id)
        classes = class_ids(session, live.id, found.class_distribution)
        newest = {
            name: _newest(session, live.id, classes[name], _SAMPLES) if count else []
            for name, count in found.class_distribution.items()
        }
    return {
        "class_distribution": found.class_distribution,
        "sample_images": {
            name: [urls(live.name, record.sha256).file for record in records]
            for name, records in newest.items()
        },
        "image_dimensions": found.image_dimensions,
    }


def _newest(session: Session, line_id: int, class_id: int, count: int) -> list[ImageRecord]:
    """The newest pictures of a class that were not erased."""
    for looked_at in (count, _LOOKED_AT):
        found: list[Entry] = []
        # Within a class and a split the index is in the order of ids.
        for split in Split:
            wanted = EntryFilter(class_id=class_id, split=split)
            found += list_entries(session, line_id, wanted, limit=looked_at).items
        hashes = [entry.image_sha256 for entry in sorted(found, key=lambda entry: -entry.id)[:looked_at]]
        records = get_records(session, hashes)
        there = [records[sha256] for sha256 in hashes if records[sha256].erased_at is None]
        if len(there) >= count or len(found) < looked_at:
            break
    return there[:count]


def labels_of(parameter: str, given: Sequence[str], count: int) -> list[str]:
    """The class of each of `count` pictures, from one for all or one for each.

    Raises:
        InvalidParameter: there are more or fewer classes than pictures.
        InvalidClassName: one cannot name a class.
    """
    labels = [one.strip() for one in given]
    if len(labels) not in (1, count) or not all(labels):
        expected = "the picture's class" if count == 1 else f"one class, or {count} with commas between"
        raise InvalidParameter(parameter, ",".join(given)[:80], expected)
    return [valid_class_name(label) for label in labels] * (count if len(labels) == 1 else 1)


def _given(request: Request, sent: Sent, label: str) -> Upload:
    return Upload(
        data=sent.data,
        label=label,
        source="upload",
        who=caller_of(request),
        client=address_of(request),
        name=shown(sent.filename),
        # As the replaced systems did: the folder was made, and the last word counted.
        new_class=True,
        relabel=True,
    )
