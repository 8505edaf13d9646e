"""Imports: an archive sent here or files that the server can reach, taken in by the worker in the background."""

import csv
import io
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from sortline.api.access import Scope, Who, caller_of, require
from sortline.api.calls import InvalidParameter
from sortline.api.deps import LineDep, ServicesDep, line_of, services_of
from sortline.api.import_views import (
    FORM,
    ImportOptions,
    ImportPage,
    ImportView,
    Location,
    ProblemPage,
    form_options,
    import_view,
    position_of,
    problem_page,
)
from sortline.api.large_uploads import named_as_sent, receive
from sortline.api.parameters import Cursor, Id, Limit, Words
from sortline.catalogue.importing import Import, Options, UnknownImport
from sortline.catalogue.store import imports as store
from sortline.catalogue.store.versions import version_numbers
from sortline.db.paging import BadCursor
from sortline.db.session import Session, reading, writing
from sortline.flows.ingest import Request as Wanted
from sortline.flows.ingest import open_for, start_import
from sortline.flows.uploads import uploads_folder
from sortline.serving.live import LiveLine
from sortline.wiring import Services

router = APIRouter(
    prefix="/api/v1/lines/{line}/imports", tags=["imports"], dependencies=[Depends(require(Scope.TRAIN))]
)
# Whoever names a place reads files of the server through it.
located = APIRouter(
    prefix="/api/v1/lines/{line}/imports", tags=["imports"], dependencies=[Depends(require(Scope.ADMIN))]
)


# What may be sent. A manifest names addresses, which the server would fetch for whoever may not reach them.
SENT = (None, "zip", "coco")


@router.get("", summary="List imports")
def get_imports(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 50, cursor: Cursor = None
) -> ImportPage:
    """The line's imports, newest first."""
    if cursor is not None and not (len(cursor) == 32 and set(cursor) <= set("0123456789abcdef")):
        raise BadCursor(cursor)
    with reading(services.engine) as session:
        found = store.recent(session, line_id=live.id, limit=limit + 1, before=cursor)
        views = _views(services, session, found[:limit])
    return ImportPage(imports=views, next_cursor=views[-1].id if len(found) > limit else None)


@router.get("/{import_id}", summary="Show an import")
def get_import(line: str, import_id: Id, services: ServicesDep, live: LineDep) -> ImportView:
    """One import with its progress."""
    with reading(services.engine) as session:
        return _views(services, session, [_of_line(session, live, import_id)])[0]


@router.get(
    "/{import_id}/problems",
    summary="List an import's problems",
    responses={200: {"model": ProblemPage, "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def get_problems(
    line: str,
    import_id: Id,
    services: ServicesDep,
    live: LineDep,
    code: Annotated[Words | None, Query(description="Only problems of this code.")] = None,
    format: Annotated[  # noqa: A002 - what callers write
        Literal["json", "csv"], Query(description="csv: all of them in one file.")
    ] = "json",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Every file that was not taken as it stood, and why: a page, or all of them as CSV."""
    with reading(services.engine) as session:
        _of_line(session, live, import_id)
        if format == "json":
            found = store.problems_after(
                session, import_id, after=position_of(cursor), code=code, limit=limit + 1
            )
            return Response(problem_page(found, limit).model_dump_json(), media_type="application/json")
    headers = {"Content-Disposition": f'attachment; filename="problems-{import_id[:12]}.csv"'}
    rows = _csv(services, import_id, code)
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "",
    summary="Import an archive",
    status_code=202,
    response_model=ImportView,
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}},
        "parameters": [{"name": "line", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
)
async def post_import(request: Request) -> Response:
    """The import of a ZIP that is sent as `file`; options are further fields of the form. Answered once it is safe."""
    services, live = services_of(request), line_of(request)
    settings = services.settings
    received = await receive(
        request, uploads_folder(settings.data_dir), suffix=".zip", max_bytes=settings.max_upload_bytes
    )
    try:
        options = form_options(received.fields)
        if options.kind not in SENT:
            raise InvalidParameter("kind", options.kind or "", f"one of {', '.join(map(str, SENT[1:]))} here")
        with named_as_sent(received.path, received.path.name):
            return await run_in_threadpool(
                _accepted, services, live, str(received.path), options, caller_of(request)
            )
    except BaseException:
        shutil.rmtree(received.path.parent, ignore_errors=True)
        raise


@located.post("/from-location", summary="Import from a place", status_code=202, response_model=ImportView)
def post_location(line: str, what: Location, services: ServicesDep, live: LineDep, who: Who) -> Response:
    """The import of a folder, archive, manifest or prefix that the server can reach."""
    if "://" not in what.location and not Path(what.location).is_absolute():
        raise InvalidParameter("location", what.location[:80], "an absolute path or a URL")
    return _accepted(services, live, what.location, what, who, in_place=what.in_place)


@router.post("/{import_id}/cancel", summary="Cancel an import")
def cancel_import(line: str, import_id: Id, services: ServicesDep, live: LineDep) -> ImportView:
    """The import, stopped after the files at hand; what it has taken stays. One that has ended stays as it is."""
    with writing(services.engine) as session:
        _of_line(session, live, import_id)
        store.cancel(session, import_id)
        return _views(services, session, [_of_line(session, live, import_id)])[0]


def _accepted(
    services: Services,
    live: LiveLine,
    location: str,
    given: ImportOptions,
    who: str,
    *,
    in_place: bool = False,
) -> Response:
    """The import, queued."""
    options = Options(
        crops=given.crops,
        label=given.label,
        labels=tuple(given.labels) if given.labels else None,
        in_place=in_place,
        relabel=given.relabel,
        new_classes=given.new_classes,
        leaks=given.leaks,
        version=given.version,
        name=given.name,
    )
    # Opened here, so that what cannot be read is refused at once.
    with (
        open_for(Wanted(location=location, kind=given.kind, options=options)) as source,
        writing(services.engine) as session,
    ):
        begun = start_import(session, live.id, source, options, who=who)
        (view,) = _views(services, session, [begun])
    place = f"/api/v1/lines/{live.name}/imports/{begun.id}"
    body = view.model_dump_json()
    return Response(body, status_code=202, media_type="application/json", headers={"Location": place})


def _views(services: Services, session: Session, found: Sequence[Import]) -> list[ImportView]:
    uploads = uploads_folder(services.settings.data_dir)
    numbers = version_numbers(session, [one.version_id for one in found if one.version_id is not None])
    return [import_view(one, uploads, numbers) for one in found]


def _of_line(session: Session, live: LiveLine, import_id: str) -> Import:
    found = store.get(session, import_id)
    if found.line_id != live.id:
        raise UnknownImport(import_id)
    return found


def _csv(services: Services, import_id: str, code: str | None) -> Iterator[str]:
    """The report, a short transaction every 500 rows."""
    yield "position,file,code,detail\n"
    after = (-1, "")
    while True:
        with reading(services.engine) as session:
            found = store.problems_after(session, import_id, after=after, code=code)
        if not found:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([one.position, one.name, one.code, one.detail] for one in found)
        yield text.getvalue()
        after = (found[-1].position, found[-1].code)
