"""A line's ledger: what was made live when, by whom, why, on what evidence."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from sortline.api.access import Scope, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.model_views import PromotionPage, promotion_views
from sortline.api.parameters import Cursor, Limit, moment
from sortline.db.session import reading
from sortline.registry import store as registry

router = APIRouter(
    prefix="/api/v1/lines/{line}/promotions",
    tags=["models"],
    dependencies=[Depends(require(Scope.CLASSIFY))],
)


@router.get("", summary="List a line's promotions")
def get_promotions(
    line: str,
    services: ServicesDep,
    live: LineDep,
    at: Annotated[
        datetime | None, Query(description="Only the entry that says what was live at this moment.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PromotionPage:
    """Entries, newest first: the newest names the live bundle. With `at`, the one entry that held then, if any."""
    when = moment("at", at)
    with reading(services.engine) as session:
        if when is not None:
            entry = registry.live_at(session, live.id, when)
            views = promotion_views(session, line, [entry] if entry else [])
            return PromotionPage(promotions=views, next_cursor=None)
        page = registry.ledger(session, live.id, limit=limit, cursor=cursor)
        views = promotion_views(session, line, page.items)
    return PromotionPage(promotions=views, next_cursor=page.next_cursor)
