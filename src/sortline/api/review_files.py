"""The pictures of review items: what waits for a person is not in the catalogue yet."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_files import described, file_answer, thumbnail_answer
from sortline.api.parameters import Id
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.records import get_records
from sortline.db.session import reading
from sortline.engine import thumbnail as small
from sortline.flows.pictures import ErasedPicture, UnknownPicture
from sortline.review.store.items import get_item
from sortline.serving.live import LiveLine
from sortline.wiring import Services

router = APIRouter(
    prefix="/api/v1/lines/{line}/review/{item}",
    tags=["review"],
    dependencies=[Depends(require(Scope.REVIEW))],
)


@router.get(
    "/file",
    summary="Get a review item's picture",
    response_class=Response,
    responses=described("image/jpeg", "image/png", "image/webp"),
)
def get_file(line: str, item: Id, request: Request, services: ServicesDep, live: LineDep) -> Response:
    """The picture as it is stored, without metadata; 410 once it was erased."""
    return file_answer(request, services, _record(services, live, item))


@router.get(
    "/thumbnail",
    summary="Get a review item's thumbnail",
    response_class=Response,
    responses=described(small.MEDIA_TYPE),
)
def get_thumbnail(
    line: str,
    item: Id,
    request: Request,
    services: ServicesDep,
    live: LineDep,
    size: Annotated[
        int, Query(description="Longest side in px.", json_schema_extra={"enum": [*small.SIZES]})
    ] = 384,
) -> Response:
    """A small copy, made when it is first asked for; 410 once the picture was erased."""
    return thumbnail_answer(request, services, _record(services, live, item), size)


def _record(services: Services, live: LiveLine, item_id: str) -> ImageRecord:
    """The item's picture, not erased."""
    with reading(services.engine) as session:
        sha256 = get_item(session, live.id, item_id).image_sha256
        record = get_records(session, [sha256]).get(sha256)
    if record is None:
        raise UnknownPicture(sha256)
    if record.erased_at is not None:
        raise ErasedPicture(sha256)
    return record
