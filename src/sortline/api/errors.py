"""Errors as RFC 9457 problem documents: the one place that knows HTTP status codes.

Each error class has a status and a stable type; a subclass not named here answers as its nearest named base. The
members `success` and `error` are for clients of the systems Sortline replaces.
"""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from sortline.accounts.key import InvalidKey, UnknownKey
from sortline.accounts.passwords import WeakPassword
from sortline.accounts.person import InvalidName, LastAdmin, NameTaken, UnknownPerson, WrongPassword
from sortline.accounts.scopes import UnknownScope
from sortline.accounts.sign_in import InvalidLink, SetupNeeded
from sortline.accounts.throttle import TooManyRequests
from sortline.api.access import NotAllowed, NotSignedIn
from sortline.api.callers import UnusableKey
from sortline.api.calls import InvalidParameter
from sortline.api.large_uploads import MissingFile, NoRoom
from sortline.api.model_uploads import NoBundle
from sortline.api.multipart import BadMultipart
from sortline.api.origins import ForeignHost, ForeignOrigin
from sortline.api.parameters import PATTERNS
from sortline.api.uploads import BodyTooLarge, BodyTooSlow, MissingImage, NotAPicture, TooManyImages
from sortline.catalogue.entry import UnknownEntry
from sortline.catalogue.importing import ImportBusy, ImportLost, UnknownImport
from sortline.catalogue.label import NotNewestEvent, UnknownEvent
from sortline.catalogue.layouts.layout import MissingParquet
from sortline.catalogue.sources.item import SourceError
from sortline.catalogue.version import (
    InvalidVersionName,
    MergeConflicts,
    NothingChanged,
    NoVersion,
    TooManyChanges,
    UnknownPictures,
    UnknownVersion,
    VersionBusy,
    VersionNameTaken,
)
from sortline.db.engine import DatabaseUnavailable
from sortline.db.paging import BadCursor
from sortline.engine import image
from sortline.engine.bundle import BundleError
from sortline.engine.classifier import NoActivationMap
from sortline.errors import SortlineError
from sortline.flows.correct import AlreadyCorrected, UnknownPrediction
from sortline.flows.follow import InvalidPolicy
from sortline.flows.loading import NotUsable
from sortline.flows.pictures import ChangedPicture, ErasedPicture, MissingPicture, NoExample, UnknownPicture
from sortline.flows.policy import InvalidBudget
from sortline.flows.policy_evidence import CannotFit
from sortline.flows.promote import NoEvidence, ReasonNeeded
from sortline.flows.review import LabelMissing
from sortline.flows.thumbnails import UnknownSize
from sortline.jobs.job import UnknownJob
from sortline.lines.line import (
    ClassExists,
    InvalidClassName,
    InvalidLineName,
    InvalidMerge,
    LineExists,
    NoDefaultLine,
    RetiredClass,
    UnknownClass,
    UnknownLine,
)
from sortline.registry.ledger import AlreadyLive, AmbiguousBundle, LiveChanged, NeverLive, UnknownBundle
from sortline.review.item import AlreadyDecided, ItemHeld, OpinionGiven, UnknownItem
from sortline.review.outcome import AlreadyUndone, NothingToUndo, UnknownDecision
from sortline.serving.admission import Overloaded
from sortline.serving.live import NoModel, NotServed
from sortline.storage.errors import StorageUnavailable, UnknownBlob
from sortline.training.extra import TrainingExtraMissing
from sortline.training.recipe import InvalidRecipe
from sortline.training.run import EpochTaken, NothingToTrain, UnknownArtefact, UnknownRun

log = logging.getLogger(__name__)

TYPE = "urn:sortline:"
MEDIA_TYPE = "application/problem+json"
CLIENT_LEFT = 499  # as nginx says it: before there was an answer
# Seconds after which a client may try again what the database or the disk refused.
RETRY_AFTER = 2

PROBLEMS: dict[type[SortlineError], tuple[int, str]] = {
    image.EmptyImage: (400, "empty-image"),
    image.TooManyBytes: (413, "too-many-bytes"),
    image.TooManyPixels: (413, "too-many-pixels"),
    image.ExtremeAspect: (422, "extreme-aspect"),
    image.NotAnImage: (415, "not-an-image"),
    image.UnsupportedFormat: (415, "unsupported-format"),
    image.TruncatedImage: (422, "truncated-image"),
    image.CorruptImage: (422, "corrupt-image"),
    image.ImageError: (422, "unreadable-image"),
    InvalidParameter: (422, "invalid-request"),
    NotAPicture: (415, "not-an-image"),
    BadMultipart: (400, "bad-multipart"),
    NoBundle: (422, "no-bundle"),
    MissingImage: (400, "missing-image"),
    MissingFile: (400, "missing-file"),
    TooManyImages: (413, "too-many-images"),
    BodyTooLarge: (413, "body-too-large"),
    BodyTooSlow: (408, "body-too-slow"),
    NotSignedIn: (401, "not-signed-in"),
    UnusableKey: (401, "unusable-key"),
    WrongPassword: (401, "wrong-password"),
    InvalidLink: (401, "invalid-link"),
    SetupNeeded: (422, "setup-needed"),
    NotAllowed: (403, "not-allowed"),
    TooManyRequests: (429, "too-many-requests"),
    WeakPassword: (422, "weak-password"),
    InvalidName: (422, "invalid-name"),
    InvalidKey: (422, "invalid-key"),
    UnknownScope: (422, "unknown-scope"),
    NameTaken: (409, "name-taken"),
    LastAdmin: (409, "last-admin"),
    UnknownPerson: (404, "unknown-person"),
    UnknownKey: (404, "unknown-key"),
    ForeignHost: (403, "foreign-host"),
    ForeignOrigin: (403, "foreign-origin"),
    BadCursor: (400, "bad-cursor"),
    InvalidPolicy: (422, "invalid-policy"),
    InvalidBudget: (422, "invalid-budget"),
    CannotFit: (409, "cannot-fit"),
    InvalidLineName: (422, "invalid-line-name"),
    InvalidClassName: (422, "invalid-class-name"),
    LineExists: (409, "line-exists"),
    UnknownLine: (404, "unknown-line"),
    NotServed: (404, "unknown-line"),
    NoDefaultLine: (404, "unknown-line"),
    UnknownClass: (404, "unknown-class"),
    ClassExists: (409, "class-exists"),
    RetiredClass: (409, "retired-class"),
    InvalidMerge: (409, "invalid-merge"),
    UnknownEntry: (404, "unknown-picture"),
    UnknownPicture: (404, "unknown-picture"),
    NoExample: (404, "no-example"),
    ErasedPicture: (410, "erased-picture"),
    MissingPicture: (409, "missing-picture"),
    ChangedPicture: (409, "changed-picture"),
    UnknownBlob: (409, "missing-picture"),
    UnknownSize: (422, "unknown-size"),
    UnknownEvent: (404, "unknown-event"),
    NotNewestEvent: (409, "not-newest-event"),
    UnknownItem: (404, "unknown-item"),
    ItemHeld: (409, "item-held"),
    AlreadyDecided: (409, "already-decided"),
    OpinionGiven: (409, "opinion-given"),
    LabelMissing: (422, "label-missing"),
    UnknownDecision: (404, "unknown-decision"),
    AlreadyUndone: (409, "already-undone"),
    NothingToUndo: (409, "nothing-to-undo"),
    UnknownPrediction: (404, "unknown-prediction"),
    AlreadyCorrected: (409, "already-corrected"),
    UnknownImport: (404, "unknown-import"),
    ImportBusy: (409, "import-busy"),
    ImportLost: (409, "import-lost"),
    SourceError: (422, "unreadable-source"),
    UnknownVersion: (404, "unknown-version"),
    NoVersion: (404, "no-version"),
    VersionNameTaken: (409, "version-name-taken"),
    InvalidVersionName: (422, "invalid-version-name"),
    NothingChanged: (409, "nothing-changed"),
    TooManyChanges: (422, "too-many-changes"),
    UnknownPictures: (404, "unknown-picture"),
    MergeConflicts: (409, "merge-conflicts"),
    VersionBusy: (409, "version-busy"),
    MissingParquet: (501, "missing-parquet"),
    TrainingExtraMissing: (409, "missing-training"),
    NoRoom: (507, "no-room"),
    UnknownJob: (404, "unknown-job"),
    UnknownRun: (404, "unknown-run"),
    UnknownArtefact: (404, "unknown-artefact"),
    NothingToTrain: (409, "nothing-to-train"),
    InvalidRecipe: (422, "invalid-recipe"),
    EpochTaken: (409, "epoch-taken"),
    UnknownBundle: (404, "unknown-bundle"),
    AmbiguousBundle: (422, "ambiguous-bundle"),
    NotUsable: (409, "bundle-not-usable"),
    NeverLive: (409, "never-live"),
    AlreadyLive: (409, "already-live"),
    LiveChanged: (409, "live-changed"),
    NoEvidence: (409, "no-evidence"),
    ReasonNeeded: (422, "reason-needed"),
    BundleError: (409, "bundle-not-usable"),
    NoModel: (409, "no-model"),
    NoActivationMap: (409, "no-activation-map"),
    Overloaded: (503, "overloaded"),
    DatabaseUnavailable: (503, "database-unavailable"),
    StorageUnavailable: (503, "storage-unavailable"),
    SortlineError: (500, "internal-error"),
}


def describe(error: SortlineError) -> tuple[int, str]:
    """The status and the type of an error's problem."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def problem(status: int, kind: str, detail: str) -> dict[str, Any]:
    """The members of a problem document."""
    title = HTTPStatus(status).phrase
    return {
        "type": TYPE + kind,
        "title": title,
        "status": status,
        "detail": detail,
        "success": False,
        "error": detail,
    }


def problem_of(error: SortlineError) -> dict[str, Any]:
    """The problem document of one of our errors."""
    status, kind = describe(error)
    return problem(status, kind, str(error))


def answer(error: SortlineError, request: Request | None = None) -> Response:
    """The response that tells of one of our errors."""
    status, kind = describe(error)
    headers = {}
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = str(getattr(error, "retry_after", RETRY_AFTER))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, BodyTooLarge | BodyTooSlow | Overloaded):
        headers["Connection"] = "close"  # the rest of the body will not be read
    return _respond(request, problem(status, kind, str(error)), kind, headers)


def unexpected(request: Request) -> Response:
    """The response where something else was raised; the server that it is raised to logs it, with its trace."""
    detail = "Something went wrong on the server; its log says more under this request's id."
    return _respond(request, problem(500, "internal-error", detail), "internal-error", {})


def left() -> Response:
    """What stands for the answer to a client that has gone; nobody reads it."""
    return Response(status_code=CLIENT_LEFT)


def install(app: FastAPI) -> None:
    """The app answers every error with a problem document."""

    async def ours(request: Request, error: Exception) -> Response:
        return answer(cast("SortlineError", error), request)

    async def http(request: Request, error: Exception) -> Response:
        refused = cast("HTTPException", error)
        kind = HTTPStatus(refused.status_code).phrase.lower().replace(" ", "-")
        return _respond(
            request, problem(refused.status_code, kind, str(refused.detail)), kind, refused.headers or {}
        )

    async def invalid(request: Request, error: Exception) -> Response:
        errors = cast("RequestValidationError", error).errors()
        detail = "; ".join(f"{'.'.join(map(str, e['loc']))}: {_wrong(e)}" for e in errors)
        return _respond(request, problem(422, "invalid-request", detail), "invalid-request", {})

    async def gone(request: Request, error: Exception) -> Response:
        return left()

    async def other(request: Request, error: Exception) -> Response:
        return unexpected(request)

    app.add_exception_handler(SortlineError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, other)


def _wrong(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, in words: a pattern is for programs."""
    pattern = error.get("ctx", {}).get("pattern")
    return str(error["msg"]) if pattern is None else f"should be {PATTERNS.get(pattern, 'written otherwise')}"


def _respond(
    request: Request | None, document: dict[str, Any], kind: str, headers: Mapping[str, str]
) -> Response:
    if request is not None:
        request.app.state.services.metrics.failed(kind)
    body = json.dumps(document).encode()
    return Response(body, status_code=document["status"], media_type=MEDIA_TYPE, headers=dict(headers))
