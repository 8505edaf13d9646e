"""The web app for people, the API's description, and their files."""

from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from sortline import __version__
from sortline.api.access import open_to_all
from sortline.api.answers import encoded
from sortline.api.webapp_files import WebApp

PAGE = Path(__file__).parent / "page"

# What is at the root, for whoever asks without a browser.
ENDPOINTS = {
    "/predict": "POST a picture as `image` or `file`: its class",
    "/predict/batch": "POST up to 64 pictures as `files`",
    "/classes": "the classes of the default line",
    "/upload": "POST a picture as `file` with ?class_name=: labelled, for the next version",
    "/upload/batch": "POST up to 64 pictures as `files` with ?class_names=, one or one for each",
    "/retrain": "POST pictures as `images`, a ZIP as `data_zip`, or nothing: trains on what is labelled",
    "/retrain/runs": "how training runs went",
    "/data-insights": "pictures by class, some of each, and their sizes",
    "/health": "whether a model serves",
    "/stats": "requests and latency since start",
    "/metrics": "Prometheus metrics",
    "/api/v1/lines": "every line; classify with POST /api/v1/lines/{line}/classify",
    "/api/docs": "the whole API",
}

router = APIRouter(include_in_schema=False, dependencies=[Depends(open_to_all)])


class FreshFiles(StaticFiles):
    """Files a browser asks for anew each time, by their ETag, since their names carry no hash."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, to be revalidated."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


@router.get("/")
async def root(request: Request) -> Response:
    """The web app for a browser, what is here for anything else."""
    if "text/html" in request.headers.get("accept", ""):
        page: WebApp = request.app.router.default
        return page.index()
    return encoded(
        {"message": "Sortline: a sorting line for images", "version": __version__, "endpoints": ENDPOINTS}
    )


@router.get("/api/docs")
async def docs() -> Response:
    """The API's description to read and try."""
    return FileResponse(PAGE / "docs.html", headers={"Cache-Control": "no-cache"})


def mount(app: FastAPI) -> None:
    """The files of the description, and the web app for whatever no route takes."""
    app.mount("/api/docs/assets", FreshFiles(directory=swagger_ui_bundle.swagger_ui_path))
    app.mount("/static", FreshFiles(directory=PAGE))
    # Not a mount at the root: that would take a wrong method on one of our routes for a missing file.
    app.router.default = WebApp()
