"""Correcting an answer that was accepted: what it should have been, perhaps with the picture."""

from collections.abc import Mapping
from functools import partial

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sortline.api.access import Scope, caller_of, require
from sortline.api.callers import address_of
from sortline.api.calls import InvalidParameter
from sortline.api.deps import line_of, services_of
from sortline.api.image_uploads import off_the_loop, shown
from sortline.api.parameters import ClassName, Id
from sortline.api.uploads import image_form, read_body
from sortline.flows.correct import Correction, correct
from sortline.serving.live import LiveLine
from sortline.wiring import Services, import_tools

router = APIRouter(
    prefix="/api/v1/lines/{line}/predictions",
    tags=["review"],
    dependencies=[Depends(require(Scope.REVIEW))],
)

# A class's name and little more.
_MOST_BYTES = 16 * 1024


class NewCorrection(BaseModel):
    """What the answer should have been."""

    model_config = ConfigDict(extra="forbid")

    class_: ClassName = Field(alias="class")
    new_class: bool = Field(default=False, description="Make the class if there is none.")


class CorrectedView(BaseModel):
    """What became of a corrected prediction."""

    prediction: str
    decision: str = Field(description="Names the correction, to undo it.")
    label: str
    item: str | None = Field(
        description="The review item that was labelled, where the picture went to review."
    )
    entry: int | None = Field(
        description="The picture's number in the catalogue; null if it was not sent along."
    )


_FORM = {
    "type": "object",
    "required": ["image", "class"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "class": {"type": "string", "minLength": 1, "maxLength": 200},
        "new_class": {"type": "boolean", "default": False, "description": "Make the class if there is none."},
    },
}


@router.post(
    "/{prediction}/correct",
    summary="Correct an answer",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": NewCorrection.model_json_schema(by_alias=True)},
                "multipart/form-data": {"schema": _FORM},
            },
        },
        "parameters": [{"name": "line", "in": "path", "required": True, "schema": {"type": "string"}}],
    },
)
async def post_correction(prediction: Id, request: Request) -> CorrectedView:
    """The answer counts as wrong from now on; with the picture, its label waits for the next version.

    Accepting forgets the picture, so whoever still has it sends it along. What went to review is decided there.
    """
    services, live = services_of(request), line_of(request)
    content_type = request.headers.get("content-type", "").lower()
    client = address_of(request)
    with services.admission.request() as ticket:
        if content_type.startswith("multipart/form-data"):
            form = await image_form(request, ticket, max_bytes=services.path.limits.max_bytes)
            wanted = _valid(dict(form.fields))
            given = Correction(
                prediction=prediction,
                class_name=wanted.class_,
                new_class=wanted.new_class,
                data=form.upload.data,
                name=shown(form.upload.filename),
                client=client,
            )
        else:
            wanted = _valid(await read_body(request, ticket, _MOST_BYTES))
            given = Correction(prediction=prediction, class_name=wanted.class_, new_class=wanted.new_class)
        return await off_the_loop(request, partial(_correct, services, live, given, caller_of(request)))


def _correct(services: Services, live: LiveLine, given: Correction, who: str) -> CorrectedView:
    done = correct(import_tools(services.installation), live.id, given, who=who)
    return CorrectedView(
        prediction=done.prediction,
        decision=done.decision,
        label=done.label,
        item=done.item,
        entry=done.entry,
    )


def _valid(given: bytes | Mapping[str, str]) -> NewCorrection:
    try:
        if isinstance(given, bytes):
            return NewCorrection.model_validate_json(given)
        return NewCorrection.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "body"
        raise InvalidParameter(name, str(first.get("input", ""))[:80], first["msg"]) from None
