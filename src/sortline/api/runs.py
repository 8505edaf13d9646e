"""Training runs of a line: started, listed, shown, watched, cancelled; and recipes to start them with."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from sqlalchemy import Engine
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from sortline.api.access import Scope, caller_of, demand, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.events import RESPONSES, ROWS, Look, log_rows, watched
from sortline.api.parameters import Cursor, Id, Limit
from sortline.api.run_views import (
    MethodName,
    NewRun,
    RecipeView,
    RunDetail,
    RunPage,
    RunView,
    epoch_view,
    run_detail,
    run_url,
    run_views,
)
from sortline.db.session import reading, writing
from sortline.flows import runs as flow
from sortline.flows.trainable import check_method, check_version
from sortline.jobs.store import log_after
from sortline.lines.store import get_line
from sortline.serving.live import LiveLine
from sortline.training.recipe import FinetuneRecipe, InvalidRecipe, ProbeRecipe, recipe_from, recipe_text
from sortline.training.store.runs import list_epochs

reads = APIRouter(
    prefix="/api/v1/lines/{line}/runs", tags=["runs"], dependencies=[Depends(require(Scope.REVIEW))]
)
writes = APIRouter(
    prefix="/api/v1/lines/{line}/runs", tags=["runs"], dependencies=[Depends(require(Scope.TRAIN))]
)
recipes = APIRouter(
    prefix="/api/v1/lines/{line}/recipes", tags=["runs"], dependencies=[Depends(require(Scope.REVIEW))]
)


@writes.post("", summary="Start a run", status_code=202)
def post_run(
    line: str,
    new: NewRun,
    services: ServicesDep,
    live: LineDep,
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            description="The same key again gives the run that it first started.",
        ),
    ] = None,
) -> RunView:
    """The run, queued behind those of its line; a worker does it. `Location` is where it is found."""
    recipe = _recipe(new)
    if isinstance(recipe, FinetuneRecipe) and recipe.weights_file:
        demand(request, Scope.ADMIN)  # whoever names a file reads files of the server through it
    wanted = flow.Wanted(method=new.method, recipe=recipe, version=new.version, note=new.note)
    with reading(services.engine) as session:
        check_method(session, new.method)
        check_version(session, live.id, new.version)
    with writing(services.engine) as session:
        begun = flow.start_run(
            session, get_line(session, live.name), wanted, who=caller_of(request), key=idempotency_key
        )
        (view,) = run_views(session, live.name, [begun])
    response.headers["Location"] = run_url(live.name, begun.run.id)
    return view


@reads.get("", summary="List runs")
def get_runs(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 50, cursor: Cursor = None
) -> RunPage:
    """The line's runs, newest first."""
    with reading(services.engine) as session:
        page = flow.list_runs(session, live.id, limit=limit, cursor=cursor)
        return RunPage(runs=run_views(session, live.name, page.items), next_cursor=page.next_cursor)


@reads.get("/{run_id}", summary="Show a run")
def get_run(line: str, run_id: Id, services: ServicesDep, live: LineDep) -> RunDetail:
    """One run: how far it is, its data, epochs and files, and how its candidate compares with what is live."""
    with reading(services.engine) as session:
        return run_detail(session, live.name, flow.get_run(session, live.id, run_id))


@writes.post("/{run_id}/cancel", summary="Cancel a run")
def cancel_run(line: str, run_id: Id, services: ServicesDep, live: LineDep) -> RunView:
    """The run, which ends within a second or so; one that has ended stays as it is."""
    with writing(services.engine) as session:
        return run_views(session, live.name, [flow.cancel_run(session, live.id, run_id)])[0]


@reads.get("/{run_id}/events", summary="Watch a run", response_class=StreamingResponse, responses=RESPONSES)
async def get_events(
    line: str,
    run_id: Id,
    services: ServicesDep,
    live: LineDep,
    request: Request,
    last_event_id: Annotated[
        str | None, Header(description="The last event received; log and epochs go on behind it.")
    ] = None,
) -> Response:
    """Server-sent events until the run ends: `run` whenever it has changed, `log` and `epoch` as they come, `end`."""
    look = partial(_look, services.engine, live, run_id)
    return await watched(request, "run", 2, last_event_id, look)


@recipes.get(
    "/{method}",
    summary="Show a recipe",
    responses={
        200: {
            "model": RecipeView,
            "description": "TOML that says what each key does, or JSON to start a run with.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
def get_recipe(
    line: str,
    method: MethodName,
    live: LineDep,
    accept: Annotated[str, Header(description="`application/json` for JSON.")] = "",
) -> Response:
    """A method's recipe with every default: as TOML, or as JSON where the caller accepts that by name."""
    recipe = recipe_from(method, {})
    if "application/json" in accept:
        view = RecipeView(method=method, recipe=_plain(recipe))
        return Response(view.model_dump_json(), media_type="application/json")
    return PlainTextResponse(recipe_text(recipe))


def _recipe(new: NewRun) -> ProbeRecipe | FinetuneRecipe:
    # PostgreSQL keeps none in JSON.
    if "\\u0000" in json.dumps(new.recipe):
        raise InvalidRecipe("text", "has a NUL character in it")
    return recipe_from(new.method, new.recipe)


def _plain(recipe: ProbeRecipe | FinetuneRecipe) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return found


def _look(engine: Engine, live: LiveLine, run_id: str, received: Sequence[int]) -> Look:
    with reading(engine) as session:
        state = flow.get_run(session, live.id, run_id)
        (view,) = run_views(session, live.name, [state])
        lines = log_after(session, state.job.id, received[0], ROWS)
        epochs = list_epochs(session, run_id, received[1])[:ROWS]
    return Look(
        document=view.model_dump_json(),
        ended=state.job.ended,
        series={
            "log": log_rows(lines),
            "epoch": [(one.number, epoch_view(one).model_dump_json()) for one in epochs],
        },
    )
