"""A bundle sent here: checked, known to this installation, and a candidate of the line."""

import shutil
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from sortline.api.access import Scope, caller_of, require
from sortline.api.deps import line_of, services_of
from sortline.api.large_uploads import receive
from sortline.api.model_views import ModelView, model_fields
from sortline.db.session import reading, writing
from sortline.engine.bundle import BundleError
from sortline.errors import SortlineError
from sortline.flows.bundles_of_line import get_standing
from sortline.flows.lines import import_bundle
from sortline.flows.uploads import uploads_folder
from sortline.registry.store import add_candidate
from sortline.serving.live import LiveLine
from sortline.wiring import Services

router = APIRouter(
    prefix="/api/v1/lines/{line}/models", tags=["models"], dependencies=[Depends(require(Scope.TRAIN))]
)


class NoBundle(SortlineError):
    """A file that was sent is no bundle, or one that cannot be trusted. It is called as the sender calls it."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name} is no bundle that can be used: {reason}")


_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "A bundle's ZIP, as a download gives it.",
        }
    },
}


@router.post(
    "",
    summary="Import a model",
    status_code=201,
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}},
        "parameters": [{"name": "line", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
)
async def post_model(request: Request) -> ModelView:
    """The bundle, which is verified and could serve the line from now on. Nothing is promoted."""
    services, live = services_of(request), line_of(request)
    settings = services.settings
    received = await receive(
        request, uploads_folder(settings.data_dir), suffix=".zip", max_bytes=settings.max_upload_bytes
    )
    try:
        return await run_in_threadpool(_imported, services, live, received.path, caller_of(request))
    finally:
        shutil.rmtree(received.path.parent, ignore_errors=True)


def _imported(services: Services, live: LiveLine, archive: Path, who: str) -> ModelView:
    ready = services.installation
    try:
        record = import_bundle(ready.engine, ready.bundles_dir, ready.blobs, archive)
    except BundleError as error:
        raise NoBundle(archive.name, error.reason) from error
    with writing(ready.engine) as session:
        add_candidate(session, live.id, record.hash, who=who)
    with reading(ready.engine) as session:
        return ModelView(
            **model_fields(get_standing(session, live.id, record, ready.bundles_dir, serving=live))
        )
