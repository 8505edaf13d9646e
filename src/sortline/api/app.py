"""The server: routes, errors and pages around the running services."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from sortline import __version__
from sortline.api import (
    audit,
    auth,
    classes,
    classify,
    corrections,
    dashboard,
    erasing,
    errors,
    groups,
    health,
    image_files,
    image_uploads,
    images,
    imports,
    insights,
    jobs,
    keys,
    lines,
    model_uploads,
    models,
    older_clients,
    older_pictures,
    pages,
    people,
    policy,
    promotions,
    retrain,
    review,
    review_files,
    run_files,
    runs,
    staged,
    versions,
)
from sortline.api.description import describe
from sortline.api.direct import Direct
from sortline.api.edge import Edge
from sortline.settings import Settings
from sortline.wiring import running

# Paths that are named come before paths that any word fits.
ROUTERS = (
    classify.router,
    lines.reads,
    lines.writes,
    classes.reads,
    classes.writes,
    erasing.router,
    images.router,
    image_files.router,
    image_uploads.router,
    groups.reads,
    groups.writes,
    review.router,
    review.settings,
    review_files.router,
    corrections.router,
    imports.router,
    imports.located,
    versions.reads,
    versions.writes,
    staged.router,
    insights.router,
    policy.reads,
    policy.writes,
    dashboard.router,
    models.reads,
    models.files,
    models.writes,
    model_uploads.router,
    promotions.router,
    runs.reads,
    runs.writes,
    runs.recipes,
    run_files.router,
    jobs.router,
    auth.router,
    auth.own,
    people.router,
    keys.router,
    audit.router,
    health.router,
    health.metrics_router,
)

OLDER = (health.line_router, older_clients.router, older_pictures.router, retrain.router)


def create_app(settings: Settings) -> FastAPI:
    """The application. Its services start with it: it takes requests once every model is warm."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = running(settings)
        app.state.services = await run_in_threadpool(services.__enter__)
        try:
            yield
        finally:
            await run_in_threadpool(services.__exit__, None, None, None)

    app = _App(
        settings,
        title="Sortline",
        version=__version__,
        description="A sorting line for images.",
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    for router in OLDER:
        app.include_router(router)
        # The same under each line's name, so that a client changes its base URL alone.
        app.include_router(router, prefix="/lines/{line}", include_in_schema=False)
    app.include_router(pages.router)
    pages.mount(app)
    errors.install(app)
    describe(app)
    return app


class _App(FastAPI):
    """FastAPI within our own outermost layers, which are there before any of its own."""

    def __init__(self, settings: Settings, **described: Any) -> None:
        super().__init__(**described)
        self._edge = Edge(Direct(super().__call__), settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; or the server's life."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        await self._edge(scope, receive, send)
