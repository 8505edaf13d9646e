"""What waits for a version to take it up: labels and splits that changed since one last did."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from sortline.api.access import Scope, require
from sortline.api.answers import timestamp
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_views import ImageView, image_views, naming
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.waiting import count_staged, list_staged, newest_staged
from sortline.db.session import reading

router = APIRouter(
    prefix="/api/v1/lines/{line}/staged", tags=["versions"], dependencies=[Depends(require(Scope.REVIEW))]
)

# Counting goes so far: what is beyond is many.
MOST = 100_000


class StagedView(BaseModel):
    """What the next version made from `staged` takes up."""

    total: int = Field(description="How many pictures wait; counted up to 100,000.")
    newest: str | None = Field(description="When the last of them came.")
    images: list[ImageView] = Field(description="Those that came last, newest first.")


@router.get("", summary="Show what is staged")
def get_staged(
    line: str,
    services: ServicesDep,
    live: LineDep,
    limit: Annotated[int, Query(ge=0, le=200, description="How many pictures to show.")] = 60,
) -> StagedView:
    """Pictures whose label or split changed since a version took them up: how many, and the latest."""
    with reading(services.engine) as session:
        ids = list_staged(session, live.id, limit)
        entries = get_entries(session, live.id, ids)
        newest = newest_staged(session, live.id)
        return StagedView(
            total=count_staged(session, live.id, MOST),
            newest=None if newest is None else timestamp(newest),
            images=image_views(session, naming(session, live.id, line), [entries[one] for one in ids]),
        )
