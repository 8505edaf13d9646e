"""A labelled picture from outside: in with one request, answered once it is on the disk."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

import anyio
from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import Field, TypeAdapter, ValidationError

from sortline.api.access import Scope, caller_of, require
from sortline.api.callers import address_of
from sortline.api.calls import SOURCE, InvalidParameter
from sortline.api.deps import line_of, services_of
from sortline.api.image_views import UploadedView, image_views, naming, problem_views
from sortline.api.parameters import ClassName, SplitName, split_of
from sortline.api.uploads import Form, image_form
from sortline.catalogue.store.entries import get_entry
from sortline.db.session import reading
from sortline.flows.upload import Upload, Uploaded, upload
from sortline.serving.live import LiveLine
from sortline.settings import available_cores
from sortline.wiring import Services, import_tools

router = APIRouter(
    prefix="/api/v1/lines/{line}/images", tags=["images"], dependencies=[Depends(require(Scope.REVIEW))]
)

Result = TypeVar("Result")

_FORM = {
    "type": "object",
    "required": ["image", "class"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "class": {"type": "string", "description": "Its class, by a name that the line knows."},
        "split": {
            "type": "string",
            "enum": ["none", "train", "validation", "test"],
            "description": "Default: the catalogue chooses.",
        },
        "source": {"type": "string", "pattern": SOURCE, "default": "upload"},
        "new_class": {"type": "boolean", "default": False, "description": "Make the class if there is none."},
        "relabel": {
            "type": "boolean",
            "default": False,
            "description": "If the picture is known under another label, this one becomes its label.",
        },
    },
}


@router.post(
    "",
    summary="Add a labelled picture",
    status_code=201,
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}},
        "parameters": [{"name": "line", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
)
async def post_image(request: Request) -> UploadedView:
    """The picture with its class, answered once both are on the disk. It waits for the next version to take it up."""
    services, live = services_of(request), line_of(request)
    with services.admission.request() as ticket:
        form = await image_form(request, ticket, max_bytes=services.path.limits.max_bytes)
        given = _given(form, request)
        return await off_the_loop(request, partial(_add, services, live, given))


async def off_the_loop(request: Request, work: Callable[[], Result]) -> Result:
    """What `work` gives, done in one of a few threads, so that uploads never take all cores from classifying."""
    state = request.app.state
    if not hasattr(state, "uploaders"):  # belongs to the event loop, so it is made on it
        state.uploaders = anyio.CapacityLimiter(available_cores())
    return await to_thread.run_sync(work, limiter=state.uploaders)


def add(services: Services, live: LiveLine, given: Upload) -> Uploaded:
    """The picture, added to the line's catalogue."""
    return upload(import_tools(services.installation), live.id, given)


def shown(filename: str | None) -> str | None:
    """What the client calls the file, to be shown to people: never a path of ours."""
    if filename is None:
        return None
    last = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:200] or None


def _add(services: Services, live: LiveLine, given: Upload) -> UploadedView:
    done = add(services, live, given)
    with reading(services.engine) as session:
        entry = get_entry(session, live.id, done.sha256)
        (view,) = image_views(session, naming(session, live.id, live.name), [entry])
    outcome = done.placed.outcome
    return UploadedView(outcome=outcome, problems=problem_views(done.placed), image=view)  # type: ignore[arg-type]  # an erased one was refused


def _given(form: Form, request: Request) -> Upload:
    fields = form.fields
    split: SplitName | None = _field(fields, "split", SplitName, None)
    return Upload(
        data=form.upload.data,
        label=_field(fields, "class", ClassName, None) or _no_class(),
        source=_field(fields, "source", Annotated[str, Field(pattern=SOURCE)], "upload"),
        who=caller_of(request),
        client=address_of(request),
        name=shown(form.upload.filename),
        split=None if split is None else split_of(split),
        new_class=_field(fields, "new_class", bool, "false"),
        relabel=_field(fields, "relabel", bool, "false"),
    )


def _no_class() -> str:
    raise InvalidParameter("class", "", "the picture's class, a field of the form")


def _field(fields: Mapping[str, str], name: str, kind: Any, default: str | None) -> Any:
    given = fields.get(name, default)
    if given is None:
        return None
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise InvalidParameter(name, given[:80], error.errors()[0]["msg"]) from None
