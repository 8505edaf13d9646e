"""The review loop: who is given which pictures, what people say of them, and what that comes to."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from sortline.api import review_views as views
from sortline.api.access import Scope, caller_of, require
from sortline.api.answers import timestamp
from sortline.api.changes import note_change
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_views import naming
from sortline.api.parameters import Cursor, Id, Limit, Words, moment
from sortline.api.review_stats import StatsView, stats_view
from sortline.db.session import reading, writing
from sortline.flows.review import decide
from sortline.flows.review_figures import review_figures
from sortline.flows.review_labels import fingerprint_ahead
from sortline.flows.review_queue import Wanted, kinds, lease_next, similar
from sortline.flows.review_undo import undo
from sortline.review.item import ItemFilter, ReviewSettings
from sortline.review.lease import lease_end
from sortline.review.store import items, queue
from sortline.review.store.settings import get_settings, set_settings
from sortline.wiring import import_tools

router = APIRouter(
    prefix="/api/v1/lines/{line}/review", tags=["review"], dependencies=[Depends(require(Scope.REVIEW))]
)
# How a line reviews is for those to say who train it.
settings = APIRouter(
    prefix="/api/v1/lines/{line}/review", tags=["review"], dependencies=[Depends(require(Scope.TRAIN))]
)


class ItemQuery(BaseModel):
    """Which items to list; all conditions hold at once."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    reason: views.Reason | None = None
    class_: Words | None = Field(default=None, alias="class", description="What the model took it for.")
    source: Words | None = None
    state: views.ItemState = "open"
    cluster: int | None = Field(default=None, ge=1, le=2**31 - 1)
    min_score: float | None = Field(default=None, ge=0, le=1, description="Of `ood_score`.")
    max_score: float | None = Field(default=None, ge=0, le=1, description="Of `ood_score`.")
    since: datetime | None = Field(default=None, description="First seen then or later.")
    until: datetime | None = Field(default=None, description="First seen before then.")
    limit: Limit = 50
    cursor: Cursor = None

    def filter(self) -> ItemFilter:
        """The filter it asks for."""
        return ItemFilter(
            state=self.state,
            reason=self.reason,
            class_name=self.class_,
            source=self.source,
            cluster_id=self.cluster,
            min_score=self.min_score,
            max_score=self.max_score,
            since=moment("since", self.since),
            until=moment("until", self.until),
        )


@router.get("", summary="List review items")
def get_items(
    line: str, services: ServicesDep, live: LineDep, wanted: Annotated[ItemQuery, Query()]
) -> views.ItemPage:
    """Items that meet every filter given, newest first. To work on some, take a lease."""
    with reading(services.engine) as session:
        page = items.list_items(session, live.id, wanted.filter(), limit=wanted.limit, cursor=wanted.cursor)
        names = naming(session, live.id, line)
    return views.ItemPage(items=views.item_views(names, page.items), next=page.next_cursor)


@router.post("/lease", summary="Take the next items")
def post_lease(
    line: str,
    wanted: views.Lease,
    request: Request,
    services: ServicesDep,
    live: LineDep,
    after: BackgroundTasks,
) -> views.LeasedView:
    """The next items in the queue, for the caller alone until the lease ends: nobody else is given them.

    The unlike and the uncertain come first, not many of a kind, and among them a share drawn by lot.
    """
    found = lease_next(
        services.engine,
        live.id,
        who=caller_of(request),
        wanted=Wanted(reason=wanted.reason, class_name=wanted.class_, cluster_id=wanted.cluster),
        limit=wanted.limit,
        seconds=wanted.seconds,
        beside=partial(note_change, request=request),
    )
    with reading(services.engine) as session:
        names = naming(session, live.id, line)
    # While the person looks.
    shown = [item.image_sha256 for item in found.items]
    after.add_task(fingerprint_ahead, import_tools(services.installation), shown)
    return views.LeasedView(
        items=views.item_views(names, found.items),
        until=timestamp(found.until),
        waiting=found.waiting,
    )


@router.post("/renew", summary="Renew leases")
def post_renew(
    line: str, wanted: views.Renewal, request: Request, services: ServicesDep, live: LineDep
) -> views.ItemIds:
    """The items that are still the caller's, and stay it; what ran out and went to somebody else is left out."""
    now = datetime.now(UTC)
    with writing(services.engine) as session:
        note_change(session, request)
        found = queue.renew(
            session, live.id, wanted.items, caller_of(request), now, lease_end(now, wanted.seconds)
        )
    return views.ItemIds(items=found)


@router.post("/release", summary="Give leases back")
def post_release(
    line: str, wanted: views.Release, request: Request, services: ServicesDep, live: LineDep
) -> views.ItemIds:
    """The items that were the caller's and are given to the next who asks."""
    with writing(services.engine) as session:
        note_change(session, request)
        found = queue.release(session, live.id, wanted.items, caller_of(request), datetime.now(UTC))
    return views.ItemIds(items=found)


@router.post("/decide", summary="Decide about items")
def post_decide(
    line: str, wanted: views.NewDecisions, request: Request, services: ServicesDep, live: LineDep
) -> views.DecidedList:
    """What became of each item, on the disk: labelled, unusable, passed on, put off.

    A label waits for the next version to take it up. Where an item needs a second opinion it stays open after the
    first. One that cannot be decided does not keep the others from it.
    """
    tools = import_tools(services.installation)
    answers = decide(
        tools,
        live.id,
        views.asks(wanted.decisions),
        who=caller_of(request),
        beside=partial(note_change, request=request),
    )
    return views.decided_list(answers)


@router.post("/undo", summary="Undo decisions")
def post_undo(
    line: str, wanted: views.NewUndo, request: Request, services: ServicesDep, live: LineDep
) -> views.UndoneList:
    """What was undone; each undo is a decision of its own, and undoing it redoes."""
    tools = import_tools(services.installation)
    return views.undone_list(
        *undo(
            tools,
            live.id,
            wanted.decisions,
            who=caller_of(request),
            beside=partial(note_change, request=request),
        )
    )


@router.get("/clusters", summary="List what looks alike")
def get_clusters(
    line: str,
    services: ServicesDep,
    live: LineDep,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 20,
) -> views.ClusterList:
    """The kinds of things that wait, the most numerous first, and how fast each grows: what may be a new class."""
    found = kinds(services.engine, live.id, limit=limit)
    with reading(services.engine) as session:
        names = naming(session, live.id, line)
    return views.ClusterList(clusters=[views.cluster_view(names, one) for one in found])


@router.get("/stats", summary="Show how review goes")
def get_stats(
    line: str,
    services: ServicesDep,
    live: LineDep,
    days: Annotated[int, Query(ge=1, le=366, description="How many, today included.")] = 30,
) -> StatsView:
    """What waits, how fast people label and how far they agree, and how right the accepted answers are."""
    with reading(services.engine) as session:
        return stats_view(review_figures(session, live.id, days=days))


@router.get("/settings", summary="Show how a line reviews")
def get_review_settings(line: str, services: ServicesDep, live: LineDep) -> views.ReviewSettingsView:
    """The shares of second opinions and of the control share."""
    with reading(services.engine) as session:
        found = get_settings(session, live.id)
    return views.ReviewSettingsView(second_opinions=found.second_opinions, control_share=found.control_share)


@settings.put("/settings", summary="Change how a line reviews")
def put_review_settings(
    line: str, wanted: views.ReviewSettingsView, services: ServicesDep, live: LineDep
) -> views.ReviewSettingsView:
    """The settings from now on; items that somebody has labelled already are decided as before."""
    with writing(services.engine) as session:
        set_settings(
            session,
            live.id,
            ReviewSettings(second_opinions=wanted.second_opinions, control_share=wanted.control_share),
        )
    return wanted


@router.get("/{item}", summary="Show a review item")
def get_item(line: str, item: Id, services: ServicesDep, live: LineDep) -> views.ItemView:
    """One item, waiting or not."""
    with reading(services.engine) as session:
        found = items.get_item(session, live.id, item)
        return views.item_view(naming(session, live.id, line), found)


@router.get("/{item}/similar", summary="List what looks like an item")
def get_similar(
    line: str,
    item: Id,
    services: ServicesDep,
    live: LineDep,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
) -> views.SimilarList:
    """The waiting items nearest to it, for a look before all of them are labelled at once."""
    found = similar(services.engine, live.id, item, limit=limit)
    with reading(services.engine) as session:
        names = naming(session, live.id, line)
    return views.SimilarList(items=views.similar_views(names, found))
