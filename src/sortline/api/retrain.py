"""Retraining for clients of the systems Sortline replaces, at the root and under /lines/{line}."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from sortline.api.access import Scope, caller_of, require
from sortline.api.answers import encoded, timestamp
from sortline.api.callers import address_of
from sortline.api.deps import LineDep, ServicesDep, line_of, services_of
from sortline.api.errors import MEDIA_TYPE, problem_of
from sortline.api.image_uploads import add, off_the_loop, shown
from sortline.api.large_uploads import MissingFile, SentFile, SentForm, keep, named_as_sent, receive_form
from sortline.api.multipart import BadMultipart
from sortline.api.older_pictures import labels_of
from sortline.api.parameters import Limit
from sortline.api.run_views import run_url
from sortline.api.uploads import BATCH_FIELDS, NotAPicture
from sortline.db.session import reading, writing
from sortline.engine.image import TooManyBytes
from sortline.errors import SortlineError
from sortline.flows.retrain import start_retrain, start_with_archive
from sortline.flows.runs import RunState, list_runs
from sortline.flows.set_aside import guess, set_aside
from sortline.flows.trainable import check_labelled, new_classes
from sortline.flows.upload import Upload
from sortline.flows.uploads import uploads_folder
from sortline.jobs.job import State
from sortline.lines.store import get_line
from sortline.serving.live import LiveLine
from sortline.training.run import NothingToTrain
from sortline.training.store.runs import count_runs
from sortline.wiring import Services

router = APIRouter(tags=["older clients"], dependencies=[Depends(require(Scope.TRAIN))])

# Pictures in one request; more come in an archive.
MOST = 1000
_ARCHIVE = "data_zip"
_FILES = (BATCH_FIELDS[0], _ARCHIVE, *BATCH_FIELDS[1:])
# Where labels stand, in the query or the form: commas between, or the field as often as there are pictures.
_LABELS = ("class_names", "labels")
_STATUS = {State.SUCCEEDED: "completed"}

_BODY = {
    "type": "object",
    "properties": {
        "images": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "class_names": {
            "type": "string",
            "description": "Of the pictures: one class for all, or one for each, commas between. Without, they wait "
            "for a person to say what they are.",
        },
        "data_zip": {"type": "string", "format": "binary", "description": "Class folders in a ZIP."},
    },
}


class ArchiveAmongPictures(NotAPicture):
    """A ZIP in a field for pictures."""

    def __init__(self, file: SentFile) -> None:
        SortlineError.__init__(
            self,
            f"{shown(file.filename) or 'The file'} is a ZIP, and the field {file.field!r} is for pictures: "
            f"send it as {_ARCHIVE!r}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """What came with the request: pictures, each with its class or None, an archive, and fields that nobody reads."""

    pictures: Sequence[tuple[SentFile, str | None]] = ()
    archive: SentFile | None = None
    unread: Sequence[str] = ()

    @property
    def note(self) -> str:
        """What is to be said of the fields that nobody reads; a misspelt `class_names` is one."""
        if not self.unread:
            return ""
        return f" Fields that were not read: {', '.join(self.unread)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A run that was started, the pictures that its archive holds, and classes that are new to the live model."""

    state: RunState
    pictures: int
    classes: list[str]


@router.post(
    "/retrain",
    summary="Retrain",
    openapi_extra={"requestBody": {"content": {"multipart/form-data": {"schema": _BODY}}}},
)
async def retrain(request: Request) -> Response:
    """A run on all that is labelled by now, started at once; pictures that come along are taken in first."""
    form = await _form(request)
    if form is None:
        return await _answer(request, _Sent())
    try:
        return await _answer(request, _sent(request, form))
    finally:
        await run_in_threadpool(_tidy, form)


@router.get("/retrain/runs", summary="List retraining runs")
def retrain_runs(services: ServicesDep, line: LineDep, limit: Limit = 50) -> dict[str, Any]:
    """The line's runs, newest first, as older clients read them."""
    with reading(services.engine) as session:
        found = list_runs(session, line.id, limit=limit).items
        total = count_runs(session, line.id)
    runs = [_older(line.name, state) for state in found]
    return {"success": True, "runs": runs, "total": total, "message": f"{total} runs so far."}


async def _form(request: Request) -> SentForm | None:
    """The form that came along; None where nothing did."""
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith("multipart/form-data"):
        settings = services_of(request).settings
        return await receive_form(
            request,
            uploads_folder(settings.data_dir),
            fields=_FILES,
            most=MOST,
            max_bytes=settings.max_upload_bytes,
        )
    if kind.startswith(("image/", "application/zip", "application/octet-stream")):
        raise BadMultipart(f"a body of type {kind[:40]} is none; send a form with `images` or `data_zip`")
    return None


def _sent(request: Request, form: SentForm) -> _Sent:
    texts = sorted({name for name, value in form.fields if name in _FILES and value})
    if texts:
        raise MissingFile(texts, texts)
    pictures = [file for file in form.files if file.field != _ARCHIVE]
    for file in pictures:
        if _is_zip(file):
            raise ArchiveAmongPictures(file)
    archive = next((file for file in form.files if file.field == _ARCHIVE), None)
    parameter, given = _LABELS[0], list[str]()
    for name in _LABELS:
        values = request.query_params.getlist(name) or [value for key, value in form.fields if key == name]
        if not given and any(values):
            parameter, given = name, [part for value in values for part in value.split(",")]
    unread = sorted({shown(name) or "''" for name, _ in form.fields} - {*_LABELS, *_FILES})[:5]
    if not pictures or not given:
        return _Sent(pictures=[(file, None) for file in pictures], archive=archive, unread=unread)
    labels = labels_of(parameter, given, len(pictures))
    return _Sent(pictures=list(zip(pictures, labels, strict=True)), archive=archive, unread=unread)


def _is_zip(file: SentFile) -> bool:
    with file.path.open("rb") as opened:
        return opened.read(4) == b"PK\3\4"


async def _answer(request: Request, sent: _Sent) -> Response:
    services, live = services_of(request), line_of(request)
    results = [await _taken(request, file, label) for file, label in sent.pictures]
    failures = [one for one in results if isinstance(one, SortlineError)]
    if failures and len(failures) == len(results) and sent.archive is None:
        raise failures[0]
    told: dict[str, Any] = {
        "images_received": len(results) - len(failures),
        "results": [
            {"filename": shown(file.filename), **(problem_of(one) if isinstance(one, SortlineError) else one)}
            for (file, _), one in zip(sent.pictures, results, strict=True)
        ],
    }
    try:
        begun = await run_in_threadpool(_start, services, live, sent.archive, caller_of(request))
    except NothingToTrain as error:
        return _refused(request, error, told, sent)
    told["images_received"] += begun.pictures
    return encoded({**_started(live, begun, told, sent), "results": told["results"]})


async def _taken(request: Request, file: SentFile, label: str | None) -> dict[str, Any] | SortlineError:
    """What became of a picture, or why it was not taken."""
    client = address_of(request)
    services, live = services_of(request), line_of(request)
    take = (
        partial(_waiting, file=file)
        if label is None
        else partial(_labelled, file=file, label=label, who=caller_of(request))
    )
    try:
        return await off_the_loop(request, partial(take, services, live, client))
    except SortlineError as error:
        return error


def _labelled(
    services: Services, live: LiveLine, client: str | None, *, file: SentFile, label: str, who: str
) -> dict[str, Any]:
    done = add(
        services,
        live,
        Upload(
            data=_bytes(services, file),
            label=label,
            source="retrain",
            who=who,
            client=client,
            name=shown(file.filename),
            # As the replaced systems did: the folder was made, and the last word counted.
            new_class=True,
            relabel=True,
        ),
    )
    return {"success": True, "image_id": done.sha256, "class_name": label, "outcome": done.placed.outcome}


def _waiting(services: Services, live: LiveLine, client: str | None, *, file: SentFile) -> dict[str, Any]:
    data = _bytes(services, file)
    done = set_aside(
        services.engine,
        services.installation.blobs,
        live.id,
        data,
        guessed=guess(services.path.inference, live, data),
        source="retrain",
        client=client,
    )
    return {"success": True, "image_id": done.sha256, "class_name": None, "outcome": done.outcome}


def _bytes(services: Services, file: SentFile) -> bytes:
    size, most = file.path.stat().st_size, services.path.limits.max_bytes
    if size > most:
        raise TooManyBytes(size, most)
    return file.path.read_bytes()


def _start(services: Services, live: LiveLine, archive: SentFile | None, who: str) -> _Begun:
    """The run.

    Raises:
        NothingToTrain: there is nothing labelled to train on.
        BadArchive: the archive cannot be read.
    """
    engine, labels, pictures = services.engine, frozenset[str](), 0
    with reading(engine) as session:
        line = get_line(session, live.name)
        if archive is None:
            check_labelled(session, live.id)
    if archive is None:
        with writing(engine) as session:
            state = start_retrain(session, line, who=who)
    else:
        path = keep(archive, ".zip")
        try:
            with named_as_sent(path, shown(archive.filename) or ""):
                found = start_with_archive(engine, line, path, who=who)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        state, pictures, labels = found.state, found.pictures, found.labels
    with reading(engine) as session:
        return _Begun(state=state, pictures=pictures, classes=new_classes(session, live.id, labels))


def _started(live: LiveLine, begun: _Begun, told: dict[str, Any], sent: _Sent) -> dict[str, Any]:
    count = told["images_received"]
    received = f"{count} picture{'' if count == 1 else 's'} received; " if count else ""
    after = "once they are imported" if begun.pictures else "at once"
    run_id = begun.state.run.id
    return {
        "success": True,
        "message": f"{received}training begins {after}, or behind a run that is at work.{sent.note}",
        "status": "started",
        "run_id": run_id,
        "images_received": told["images_received"],
        "new_classes": begun.classes,
        "run": run_url(live.name, run_id),
    }


def _refused(request: Request, error: NothingToTrain, told: dict[str, Any], sent: _Sent) -> Response:
    """No run, but what came along was kept."""
    services_of(request).metrics.failed("nothing-to-train")
    waiting = sum(one.get("outcome") == "review" for one in told["results"])
    kept = f"; {waiting} pictures wait for a person to say what they are" if waiting else ""
    document = problem_of(error) | told
    document |= {"message": f"{error}{kept}.{sent.note}", "run_id": None, "new_classes": []}
    return Response(json.dumps(document), status_code=document["status"], media_type=MEDIA_TYPE)


def _tidy(form: SentForm) -> None:
    """Of what was sent only the archive that an import reads is left."""
    for file in form.files:
        file.path.unlink(missing_ok=True)
    if form.folder.is_dir() and not any(form.folder.iterdir()):
        form.discard()


def _older(line: str, state: RunState) -> dict[str, Any]:
    run, job = state.run, state.job
    started, ended = job.started_at or run.created_at, job.finished_at
    return {
        "id": run.id,
        "started_at": timestamp(started),
        "completed_at": None if ended is None else timestamp(ended),
        "status": _STATUS.get(job.state, job.state.value),
        "metrics": _metrics(state),
        "model_path": run.bundle_hash and f"/api/v1/lines/{line}/models/{run.bundle_hash}/download",
        "error": job.error,
    }


def _metrics(state: RunState) -> dict[str, Any]:
    """The candidate's figures on the test pictures that it was judged by; none before it is compared."""
    compared = state.run.comparison or {}
    view = compared.get("shared") or compared.get("all")
    if view is None:
        return {}
    candidate, accuracy = view["candidate"], view["candidate"]["accuracy"]
    return {
        "accuracy": None if accuracy is None else accuracy["value"],
        "macro_f1": candidate["macro_f1"],
        "test_images": candidate["images"],
        "promote": state.run.promote,
    }
