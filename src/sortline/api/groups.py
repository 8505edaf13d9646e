"""Near-duplicates of a line's pictures: which there are, which disagree, which leak between splits, and the mending."""

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from sortline.api.access import Scope, Who, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_views import GroupPage, group_views, naming
from sortline.api.parameters import Cursor, Limit
from sortline.catalogue.entry import Group
from sortline.catalogue.store import groups
from sortline.db.paging import Page
from sortline.db.session import Session, reading
from sortline.flows.finish import mend_leaks
from sortline.serving.live import LiveLine
from sortline.wiring import Services, import_tools

reads = APIRouter(
    prefix="/api/v1/lines/{line}", tags=["images"], dependencies=[Depends(require(Scope.REVIEW))]
)
writes = APIRouter(
    prefix="/api/v1/lines/{line}", tags=["images"], dependencies=[Depends(require(Scope.TRAIN))]
)


class Mended(BaseModel):
    """What mending came to."""

    mended: int


@reads.get("/duplicates", summary="List near-duplicates")
def get_duplicates(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 20, cursor: Cursor = None
) -> GroupPage:
    """Groups of pictures that look alike, latest first."""
    return _page(services, live, groups.duplicates, limit, cursor)


@reads.get("/conflicts", summary="List label conflicts")
def get_conflicts(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 20, cursor: Cursor = None
) -> GroupPage:
    """Groups of near-duplicates whose labels differ: somebody was wrong."""
    return _page(services, live, groups.label_conflicts, limit, cursor)


@reads.get("/leaks", summary="List leaks")
def get_leaks(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 20, cursor: Cursor = None
) -> GroupPage:
    """Groups of near-duplicates in different splits. As long as there are any, evaluation is blocked."""
    return _page(services, live, groups.leaks, limit, cursor)


@writes.post("/leaks/{how}", summary="Mend leaks")
def mend(
    line: str, how: Literal["resplit", "drop"], services: ServicesDep, live: LineDep, who: Who
) -> Mended:
    """resplit: each leaking group takes its most frozen split. drop: its pictures in other splits are not used."""
    tools = import_tools(services.installation)
    return Mended(mended=mend_leaks(services.engine, live.id, how, who=who, trained=tools.trained))


_List = Callable[..., Page[Group]]


def _page(services: Services, live: LiveLine, find: _List, limit: int, cursor: str | None) -> GroupPage:
    with reading(services.engine) as session:
        return _found(session, live, find(session, live.id, limit=limit, cursor=cursor))


def _found(session: Session, live: LiveLine, page: Page[Group]) -> GroupPage:
    names = naming(session, live.id, live.name)
    return GroupPage(groups=group_views(session, names, page.items), next_cursor=page.next_cursor)
