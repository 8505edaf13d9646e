"""A line's dataset versions: made, compared, resolved, activated, exported."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from starlette.responses import StreamingResponse

from sortline.api.access import Scope, Who, require
from sortline.api.calls import InvalidParameter
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.image_views import ImagePage
from sortline.api.parameters import Cursor, Limit
from sortline.api.picture_filters import Conditions, PictureQuery, VersionRef
from sortline.api.version_views import (
    DiffView,
    NewVersion,
    VersionPage,
    VersionView,
    diff_view,
    member_views,
    version_views,
)
from sortline.catalogue.importing import UnknownImport
from sortline.catalogue.layouts.layout import Format
from sortline.catalogue.store import changes, imports, members, versions
from sortline.catalogue.version import ChangeKind, Diff, Draft, Version
from sortline.db.session import Session, reading, writing
from sortline.flows import versions as making
from sortline.flows.export_zip import export_zip
from sortline.flows.members import version_members
from sortline.lines.classes import resolve_class
from sortline.serving.live import LiveLine
from sortline.wiring import Services

reads = APIRouter(
    prefix="/api/v1/lines/{line}/versions", tags=["versions"], dependencies=[Depends(require(Scope.REVIEW))]
)
writes = APIRouter(
    prefix="/api/v1/lines/{line}/versions", tags=["versions"], dependencies=[Depends(require(Scope.TRAIN))]
)

Reference = Annotated[VersionRef, Path(description="A version's number or name, or `active`.")]


@reads.get("", summary="List versions")
def get_versions(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 50, cursor: Cursor = None
) -> VersionPage:
    """The line's versions, newest first; `parent` and `merged` make them a tree."""
    with reading(services.engine) as session:
        page = versions.list_versions(session, live.id, limit=limit, cursor=cursor)
        views = version_views(session, live.id, page.items)
    return VersionPage(versions=views, next_cursor=page.next_cursor)


@writes.post(
    "",
    summary="Make a version",
    status_code=201,
    responses={202: {"model": VersionView, "description": "A large one, which the worker is building."}},
)
def post_version(
    line: str, new: NewVersion, services: ServicesDep, live: LineDep, response: Response, who: Who
) -> VersionView:
    """A version; making it costs what differs from its parent. A line's first becomes the active one."""
    made = _make(services, live, new, who)
    with writing(services.engine) as session:
        if not _ready(made):
            response.status_code = 202
        elif new.activate:
            versions.activate(session, made, who)
        return version_views(session, live.id, [made])[0]


@reads.get("/{version}", summary="Show a version")
def get_version(line: str, version: Reference, services: ServicesDep, live: LineDep, who: Who) -> VersionView:
    """One version, or the active one."""
    with reading(services.engine) as session:
        found = versions.get_version(session, live.id, version)
        return version_views(session, live.id, [found])[0]


@reads.get("/{version}/images", summary="List a version's pictures")
def get_members(
    line: str,
    version: Reference,
    services: ServicesDep,
    live: LineDep,
    wanted: Annotated[PictureQuery, Query()],
) -> ImagePage:
    """The version's pictures that meet every filter given, newest first, with their class and split in the version."""
    with reading(services.engine) as session:
        found = versions.get_version(session, live.id, version)
        return member_page(session, live, found, wanted)


@writes.post("/{version}/activate", summary="Activate a version")
def activate(line: str, version: Reference, services: ServicesDep, live: LineDep, who: Who) -> VersionView:
    """The line works with this version from now on."""
    with writing(services.engine) as session:
        found = versions.get_version(session, live.id, version)
        versions.activate(session, found, who)
        return version_views(session, live.id, [found])[0]


@reads.get("/{version}/diff", summary="Compare versions")
def get_diff(
    line: str,
    version: Reference,
    services: ServicesDep,
    live: LineDep,
    against: Annotated[VersionRef | None, Query(description="Default: its parent.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DiffView:
    """How the version differs from another: counts of everything, and the changes page by page."""
    with reading(services.engine) as session:
        found = versions.get_version(session, live.id, version)
        before = _against(session, live, found, against)
        if before is None:
            counts = dict.fromkeys(ChangeKind, 0) | {ChangeKind.ADDED: found.size}
            told = Diff(counts=counts, changes=(), next_cursor=None)
        else:
            told = changes.diff(session, before, found, limit=limit, cursor=cursor)
        return diff_view(session, line, found, before, told)


@reads.get(
    "/{version}/export",
    summary="Export a version",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A ZIP, made while it is sent.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def get_export(
    line: str,
    version: Reference,
    services: ServicesDep,
    live: LineDep,
    format: Annotated[  # noqa: A002 - what callers write
        Format,
        Query(description="Class folders, COCO, a manifest, or what Hugging Face `imagefolder` reads."),
    ] = Format.FOLDERS,
) -> StreamingResponse:
    """The version's pictures with their splits in one archive; sortline.json in it says what was left out."""
    with reading(services.engine) as session:
        found = versions.get_version(session, live.id, version)
    chunks = export_zip(
        services.engine,
        services.installation.blobs,
        version_members(services.engine, found),
        format,
        size=found.size,
        facts={"line": line, "version": found.name},
        scratch=services.installation.cache_dir,
    )
    name = f"{live.name}-v{found.number}-{format.value}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chunks, media_type="application/zip", headers=headers)


def member_page(session: Session, live: LiveLine, version: Version, wanted: PictureQuery) -> ImagePage:
    """A page of a version's members."""
    conditions = wanted.of_line(session, live.id)
    page = members.members(session, version, conditions, limit=wanted.limit, cursor=wanted.cursor)
    views = member_views(session, live.name, version, page.items)
    return ImagePage(images=views, next_cursor=page.next_cursor)


def _make(services: Services, live: LiveLine, new: NewVersion, who: str) -> Version:
    engine, line_id = services.engine, live.id
    with reading(engine) as session:
        parent = None if new.parent is None else versions.get_version(session, line_id, new.parent)
        other = None if new.version is None else versions.get_version(session, line_id, new.version)
        conditions = (new.filter or Conditions()).of_line(session, line_id)
        relabel = {entry: resolve_class(session, line_id, name).id for entry, name in new.relabel.items()}
    draft = Draft(name=new.name, notes=new.notes, author=who, parent_id=None if parent is None else parent.id)
    match new.from_:
        case "staged":
            return making.from_staged(engine, line_id, draft, wait=False)
        case "changes":
            wanted = making.Changes(add=frozenset(new.add), remove=frozenset(new.remove), relabel=relabel)
            with writing(engine) as session:
                return making.from_changes(session, line_id, draft, wanted)
        case "import":
            return _from_import(services, line_id, draft, new.import_)
        case "filter":
            if new.filter is None:
                raise InvalidParameter("filter", "", "needed to make a version from a filter")
            return making.from_filter(engine, line_id, draft, conditions, of=other, wait=False)
        case "merge" | "restore" if other is None:
            raise InvalidParameter("version", "", f"needed: the version to {new.from_}")
        case "merge":
            return making.merge(engine, line_id, draft, other, prefer=new.prefer, wait=False)
        case "restore":
            return making.restore(engine, line_id, draft, other, wait=False)


def _from_import(services: Services, line_id: int, draft: Draft, import_id: str | None) -> Version:
    if import_id is None:
        raise InvalidParameter("import", "", "needed: the id of an import")
    with reading(services.engine) as session:
        found = imports.get(session, import_id)
    if found.line_id != line_id:
        raise UnknownImport(import_id)
    return making.from_import(services.engine, line_id, draft, import_id, wait=False)


def _ready(version: Version) -> bool:
    return version.state.value == "ready"


def _against(session: Session, live: LiveLine, version: Version, against: str | None) -> Version | None:
    if against is not None:
        return versions.get_version(session, live.id, against)
    return None if version.parent_id is None else versions.version_by_id(session, version.parent_id)
