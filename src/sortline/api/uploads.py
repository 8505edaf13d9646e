"""The pictures in a request, read into memory under the limits that keep the server's memory flat."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request

from sortline.api.multipart import Part, parts
from sortline.engine.image import EmptyImage
from sortline.errors import SortlineError
from sortline.serving.admission import Ticket

# Headers and boundaries around a picture in a form.
_FORM_OVERHEAD = 64 * 1024
MAX_BATCH = 64
# Fields beside the pictures that a client may send along.
MAX_PARTS = MAX_BATCH + 16
# A picture of 32 MB over a slow uplink of 5 Mbit/s takes 50 s.
BODY_SECONDS = 60
MAX_BATCH_BYTES = 128 * 1024 * 1024
SINGLE_FIELDS = ("image", "file")
BATCH_FIELDS = ("images", "files", "image", "file")


class BodyTooLarge(SortlineError):
    """A request larger than this route reads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"The request is larger than {limit // 2**20} MiB; send smaller or fewer pictures.")


class MissingImage(SortlineError):
    """A form without a picture in the expected field."""

    def __init__(self, expected: Sequence[str], found: Sequence[str]) -> None:
        self.expected, self.found = tuple(expected), tuple(found)
        fields = " or ".join(repr(name) for name in expected)
        there = ", ".join(repr(name[:40]) for name in found[:5]) or "none"
        super().__init__(
            f"No picture in the form: send it as a file in the field {fields} (fields found: {there})."
        )


class TooManyImages(SortlineError):
    """More pictures in one request than a batch may have."""

    def __init__(self) -> None:
        super().__init__(f"Too many pictures or fields in one request; send at most {MAX_BATCH} pictures.")


class BodyTooSlow(SortlineError):
    """A body that did not arrive in time."""

    def __init__(self, seconds: int = BODY_SECONDS) -> None:
        super().__init__(f"The request's body did not arrive within {seconds} s; send it again.")


class NotAPicture(SortlineError):
    """A body whose Content-Type is neither a form nor a picture."""

    def __init__(self, content_type: str) -> None:
        self.content_type = content_type
        super().__init__(
            f"A body of type {content_type or 'unknown'!r} is no picture: send multipart/form-data with the field "
            "'image', or the picture itself as image/jpeg, image/png, …"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One picture as it was sent. `filename` is what the client calls it: never a path of ours."""

    filename: str | None
    data: bytes | memoryview


async def one_image(request: Request, ticket: Ticket, *, max_bytes: int) -> Upload:
    """The picture of a request: the field `image` or `file` of a form, or the whole body of type `image/*`.

    Raises:
        BodyTooLarge, MissingImage, NotAPicture, BadMultipart, EmptyImage, Overloaded.
    """
    content_type = request.headers.get("content-type", "")
    form = content_type.lower().startswith("multipart/form-data")
    if not form and not content_type.lower().startswith(("image/", "application/octet-stream")):
        raise NotAPicture(content_type)
    body = await _body(request, ticket, max_bytes + _FORM_OVERHEAD)
    if not form:
        if not body:
            raise EmptyImage
        return Upload(filename=None, data=body)
    return _uploads(content_type, body, SINGLE_FIELDS)[0]


async def many_images(request: Request, ticket: Ticket) -> list[Upload]:
    """The pictures of a form, in order: every field `images`, `files`, `image` or `file`.

    Raises:
        BodyTooLarge, MissingImage, TooManyImages, NotAPicture, BadMultipart, Overloaded.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise NotAPicture(content_type)
    body = await _body(request, ticket, MAX_BATCH_BYTES)
    uploads = _uploads(content_type, body, BATCH_FIELDS)
    if len(uploads) > MAX_BATCH:
        raise TooManyImages
    return uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form with one picture, and its plain fields by name."""

    upload: Upload
    fields: Mapping[str, str]


async def image_form(request: Request, ticket: Ticket, *, max_bytes: int) -> Form:
    """A form whose field `image` or `file` is the picture, with the other fields it has.

    Raises:
        BodyTooLarge, MissingImage, NotAPicture, BadMultipart, Overloaded.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise NotAPicture(content_type)
    body = await _body(request, ticket, max_bytes + _FORM_OVERHEAD)
    found = _parts(content_type, body)
    picture = next((part for part in found if part.name in SINGLE_FIELDS), None)
    if picture is None:
        raise MissingImage(SINGLE_FIELDS, sorted({part.name for part in found}))
    fields = {part.name: str(part.data, "utf-8", "replace") for part in found if part.filename is None}
    return Form(upload=Upload(filename=picture.filename, data=picture.data), fields=fields)


async def read_body(request: Request, ticket: Ticket, limit: int) -> bytes:
    """The whole body of a request that sends no picture, at most `limit` bytes of it.

    Raises:
        BodyTooLarge, BodyTooSlow, Overloaded.
    """
    return await _body(request, ticket, limit)


def _uploads(content_type: str, body: bytes, fields: Sequence[str]) -> list[Upload]:
    found = _parts(content_type, body)
    uploads = [Upload(filename=part.filename, data=part.data) for part in found if part.name in fields]
    if not uploads:
        raise MissingImage(fields[:2], sorted({part.name for part in found}))
    return uploads


def _parts(content_type: str, body: bytes) -> list[Part]:
    found: list[Part] = []
    for part in parts(content_type, body):
        found.append(part)
        if len(found) > MAX_PARTS:  # a hundred megabytes hold two million empty parts
            raise TooManyImages
    return found


async def _body(request: Request, ticket: Ticket, limit: int) -> bytes:
    """The whole body; its bytes count against the server's budget as they arrive, so that an idle client holds none."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise BodyTooLarge(limit)
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge(limit)
                ticket.hold(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTooSlow from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
