"""The files that runs leave: reports, plots, logs, weights."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from sortline.api.access import Scope, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_files import unchanged
from sortline.api.parameters import Id, Words
from sortline.db.session import reading
from sortline.flows.runs import get_run
from sortline.training.run import Artefact

router = APIRouter(
    prefix="/api/v1/lines/{line}/runs/{run_id}/artefacts",
    tags=["runs"],
    dependencies=[Depends(require(Scope.REVIEW))],
)

# A report is a page of ours that shows names people gave: nothing in it runs, loads, sends or has our origin.
_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
# What a browser shows; anything else it keeps as a file.
_SHOWN = ("text/", "image/", "application/json", "application/toml")
_MEDIA_TYPES = (
    "application/json",
    "application/octet-stream",
    "application/toml",
    "image/png",
    "image/svg+xml",
    "text/csv",
    "text/html",
    "text/markdown",
    "text/plain",
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _MEDIA_TYPES},
    },
    304: {"description": "Unchanged since the ETag in `If-None-Match`."},
}


@router.get("/{name}", summary="Get a run's file", response_class=Response, responses=_RESPONSES)
def get_artefact(
    line: str,
    run_id: Id,
    name: Annotated[Words, Path(description="As the run names it, `report.html` for one.")],
    request: Request,
    services: ServicesDep,
    live: LineDep,
) -> Response:
    """A file that the run left. Pages and drawings come in a sandbox: no script in them runs."""
    with reading(services.engine) as session:
        found = get_run(session, live.id, run_id).run.artefact(name)
    headers = _headers(name, found)
    if unchanged(request, found.sha256):
        return Response(status_code=304, headers=headers)
    data = services.installation.blobs.get(found.sha256)
    return Response(data, media_type=found.media_type, headers=headers)


def _headers(name: str, found: Artefact) -> dict[str, str]:
    shown = found.media_type.startswith(_SHOWN)
    return {
        "ETag": f'"{found.sha256}"',
        # A report is written anew when a run is taken up again.
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": _POLICY,
        "Content-Disposition": f'{"inline" if shown else "attachment"}; filename="{name}"',
    }
