"""The files of a line's pictures and their thumbnails: they never change, so they are cached for good."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.parameters import Hash
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.entries import get_entry
from sortline.catalogue.store.records import get_records
from sortline.db.session import reading
from sortline.engine import thumbnail as small
from sortline.flows.pictures import ErasedPicture, bytes_of
from sortline.flows.thumbnails import thumbnail
from sortline.serving.live import LiveLine
from sortline.wiring import Services

router = APIRouter(
    prefix="/api/v1/lines/{line}/images/{sha256}",
    tags=["images"],
    dependencies=[Depends(require(Scope.REVIEW))],
)

# The bytes behind a hash never change, so nobody need ask again. Not for caches that several people share.
_IMMUTABLE = "private, max-age=31536000, immutable"


def described(*media_types: str) -> dict[int | str, dict[str, object]]:
    """What the API's description says of a route that answers a picture."""
    return {
        200: {
            "description": "The picture.",
            "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in media_types},
        },
        304: {"description": "Unchanged since the ETag in `If-None-Match`; it never changes."},
    }


@router.get(
    "/file",
    summary="Get a picture's file",
    response_class=Response,
    responses=described("image/jpeg", "image/png", "image/webp"),
)
def get_file(line: str, sha256: Hash, request: Request, services: ServicesDep, live: LineDep) -> Response:
    """The picture as it is stored, without metadata; 410 once it was erased."""
    return file_answer(request, services, _record(services, live, sha256))


@router.get(
    "/thumbnail",
    summary="Get a picture's thumbnail",
    response_class=Response,
    responses=described(small.MEDIA_TYPE),
)
def get_thumbnail(
    line: str,
    sha256: Hash,
    request: Request,
    services: ServicesDep,
    live: LineDep,
    size: Annotated[
        int, Query(description="Longest side in px.", json_schema_extra={"enum": [*small.SIZES]})
    ] = 128,
) -> Response:
    """A small copy, made when it is first asked for; 410 once the picture was erased."""
    return thumbnail_answer(request, services, _record(services, live, sha256), size)


def file_answer(request: Request, services: Services, record: ImageRecord) -> Response:
    """The picture as it is stored; 304 for a caller who has it."""
    if unchanged(request, record.sha256):
        return Response(status_code=304, headers=_cached(record.sha256))
    data = bytes_of(services.installation.blobs, record)
    return Response(data, media_type=record.media_type, headers=_cached(record.sha256))


def thumbnail_answer(request: Request, services: Services, record: ImageRecord, size: int) -> Response:
    """A copy of so many px; 304 for a caller who has it."""
    tag, installation = f"{record.sha256}-{size}", services.installation
    if unchanged(request, tag):
        return Response(status_code=304, headers=_cached(tag))
    data = thumbnail(installation.blobs, installation.thumbnails, record, size)
    return Response(data, media_type=small.MEDIA_TYPE, headers=_cached(tag))


def _record(services: Services, live: LiveLine, sha256: str) -> ImageRecord:
    """The line's picture, not erased."""
    with reading(services.engine) as session:
        get_entry(session, live.id, sha256)
        record = get_records(session, [sha256])[sha256]
    if record.erased_at is not None:
        raise ErasedPicture(sha256)
    return record


def _cached(tag: str) -> dict[str, str]:
    """Headers by which what is of this ETag is kept for good."""
    return {"ETag": f'"{tag}"', "Cache-Control": _IMMUTABLE}


def unchanged(request: Request, tag: str) -> bool:
    """Whether the caller has what is of this ETag already."""
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {"*", f'"{tag}"'})
