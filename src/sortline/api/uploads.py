"""The pictures in a request, read into memory under the limits that keep the server's memory flat."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from sortline.api.multipart import Part, parts
from sortline.engine.image import EmptyImage
from sortline.errors import SortlineError
from sortline.serving.admission import Ticket

# Headers and boundaries around a picture in a form.
_FORM_OVERHEAD = 64 * 1024
MAX_BATCH = 64
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
        there = ", ".join(repr(name) for name in found) or "none"
        super().__init__(
            f"No picture in the form: send it as a file in the field {fields} (fields found: {there})."
        )


class TooManyImages(SortlineError):
    """More pictures in one request than a batch may have."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(f"{count} pictures in one request; send at most {MAX_BATCH}.")


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
    found = list(parts(content_type, body))
    return _uploads(found, SINGLE_FIELDS)[0]


async def many_images(request: Request, ticket: Ticket) -> list[Upload]:
    """The pictures of a form, in order: every field `images`, `files`, `image` or `file`.

    Raises:
        BodyTooLarge, MissingImage, TooManyImages, NotAPicture, BadMultipart, Overloaded.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("multipart/form-data"):
        raise NotAPicture(content_type)
    body = await _body(request, ticket, MAX_BATCH_BYTES)
    uploads = _uploads(list(parts(content_type, body)), BATCH_FIELDS)
    if len(uploads) > MAX_BATCH:
        raise TooManyImages(len(uploads))
    return uploads


def _uploads(found: list[Part], fields: Sequence[str]) -> list[Upload]:
    uploads = [Upload(filename=part.filename, data=part.data) for part in found if part.name in fields]
    if not uploads:
        raise MissingImage(fields[:2], sorted({part.name for part in found}))
    return uploads


async def _body(request: Request, ticket: Ticket, limit: int) -> bytes:
    """The whole body; its bytes are held against the server's budget before they arrive, where their number is told."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit():
        if int(announced) > limit:
            raise BodyTooLarge(limit)
        ticket.hold(int(announced))
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        if not announced.isdigit():
            ticket.hold(len(chunk))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
