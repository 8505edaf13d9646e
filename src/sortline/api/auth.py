"""Signing in and out: the session of whoever sits at the browser."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sortline.accounts.passwords import LONGEST as LONGEST_PASSWORD
from sortline.accounts.passwords import check_strength, hash_password, is_password
from sortline.accounts.person import WrongPassword, valid_name
from sortline.accounts.scopes import Role, Scope, in_order, scopes_of
from sortline.accounts.sign_in import LONGEST, ROTATION, Purpose, SetupNeeded, SignedIn
from sortline.accounts.store import people, sessions
from sortline.accounts.tokens import digest, new_token
from sortline.api.access import Caller, CallerDep, NotAllowed, NotSignedIn, open_to_all, require
from sortline.api.callers import SECURE_COOKIE, cookie_of, over_tls, plain_cookie
from sortline.api.changes import no_change, note_change
from sortline.api.deps import ServicesDep
from sortline.db.session import Session, reading, writing
from sortline.wiring import Services


async def never_stored(response: Response) -> None:
    """A dependency whose answers no cache keeps."""
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(
    prefix="/api/v1/session", tags=["accounts"], dependencies=[Depends(open_to_all), Depends(never_stored)]
)
own = APIRouter(
    prefix="/api/v1/session",
    tags=["accounts"],
    dependencies=[Depends(require(Scope.CLASSIFY)), Depends(never_stored)],
)

NewPassword = Annotated[str, Field(max_length=LONGEST_PASSWORD, description="At least 10 characters.")]
NewName = Annotated[str, Field(min_length=1, max_length=63, description="Of a-z, 0-9 and . _ @ -")]


class SessionView(BaseModel):
    """Who asks, and what they may do. Without a name nobody is signed in; the scopes are then the address's."""

    name: str | None
    role: Role | None = Field(description="A person's; null for keys and addresses.")
    scopes: list[Scope]
    local: bool = Field(description="This machine's admin, signed in by the link that the start printed.")
    setup: bool = Field(
        description="Nobody can sign in yet: the link that the start printed makes the admin."
    )


class SignIn(BaseModel):
    """Name and password."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)]
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)]


class LinkSignIn(BaseModel):
    """A one-time link's token; with the name and password of the admin that a first start's link makes."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[str, Field(min_length=1, max_length=200)]
    name: NewName | None = None
    password: NewPassword | None = None


class PasswordChange(BaseModel):
    """The password until now and the one from now on."""

    model_config = ConfigDict(extra="forbid")

    old: Annotated[str, Field(max_length=LONGEST_PASSWORD)]
    new: NewPassword


@router.get("", summary="Show who is signed in")
def get_session(
    request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> SessionView:
    """Who asks and what they may do. A session's token is replaced on the way when it is an hour old."""
    if caller.session is not None:
        _rotate(services, request, response, caller.session)
    return _view(services, caller, caller.session)


@router.post("", summary="Sign in")
def post_session(
    who: SignIn, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> SessionView:
    """A new session of the person, whose cookie the answer sets. The one that the browser had is over."""
    name, throttle = who.name.strip().lower(), services.guard.sign_ins
    throttle.attempt(name, caller.address)
    with reading(services.engine) as session:
        found = people.password_of(session, name)
    # Checked also where there is nobody: how long it takes tells no names.
    right = is_password(who.password, None if found is None else found[1])
    if found is None or not right:
        with writing(services.engine) as session:
            note_change(session, request, "sign-in refused", who=name[:63] or None, status=401)
        raise WrongPassword()
    throttle.succeeded(name, caller.address)
    with writing(services.engine) as session:
        signed_in, token = _begin(session, request, caller, person_id=found[0])
    return _let_in(services, request, response, caller, signed_in, token)


@router.post("/link", summary="Sign in by a one-time link")
def post_link(
    link: LinkSignIn, request: Request, response: Response, services: ServicesDep, caller: CallerDep
) -> SessionView:
    """A new session: of this machine's admin, or of the first admin, whom the link of a first start makes."""
    services.guard.sign_ins.attempt("a link", caller.address)
    hashed = _hashed(link)
    with writing(services.engine) as session:
        purpose = sessions.take_link(session, link.token, datetime.now(UTC))
        person_id = _for_whom(session, purpose, link, hashed, caller)
        signed_in, token = _begin(session, request, caller, person_id=person_id)
    services.guard.sign_ins.succeeded("a link", caller.address)
    return _let_in(services, request, response, caller, signed_in, token)


@router.delete("", summary="Sign out", status_code=204)
def delete_session(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    everywhere: Annotated[
        bool, Query(description="End every session of the person, not this one alone.")
    ] = False,
) -> None:
    """The session is over and its cookie gone."""
    found = caller.session
    if found is None:
        no_change(request)
    else:
        with writing(services.engine) as session:
            if everywhere:
                sessions.end_sessions(session, found.person_id)
            else:
                sessions.end_session(session, found.id)
            note_change(session, request, "signed out everywhere" if everywhere else "signed out")
        services.guard.sessions.forget()
    response.delete_cookie(plain_cookie(request), path="/")
    response.delete_cookie(SECURE_COOKIE, path="/", secure=True)


@own.put("/password", summary="Change the own password", status_code=204)
def put_password(change: PasswordChange, request: Request, services: ServicesDep, caller: CallerDep) -> None:
    """The password is the new one, and every other session of the person is over."""
    if caller.session is None or caller.session.person_id is None:
        raise NotAllowed(Scope.CLASSIFY, caller.name)
    services.guard.sign_ins.attempt(caller.name, caller.address)
    with reading(services.engine) as session:
        found = people.password_of(session, caller.name)
    if found is None or not is_password(change.old, found[1]):
        raise WrongPassword()
    services.guard.sign_ins.succeeded(caller.name, caller.address)
    check_strength(change.new, caller.name)
    hashed = hash_password(change.new)
    with writing(services.engine) as session:
        people.set_password(session, caller.name, hashed, keep=caller.session.id)
        note_change(session, request, "own password")
    services.guard.sessions.forget()


def _hashed(link: LinkSignIn) -> str | None:
    """The hash of the password that came along; made before the database is locked, since it takes its time."""
    if link.name is None or link.password is None:
        return None
    check_strength(link.password, valid_name(link.name))
    return hash_password(link.password)


def _for_whom(
    session: Session, purpose: Purpose, link: LinkSignIn, hashed: str | None, caller: Caller
) -> int | None:
    """The person whose session begins; None for this machine's admin."""
    if purpose == Purpose.SIGN_IN:
        if not caller.local:
            raise NotSignedIn(Scope.ADMIN)
        return None
    if hashed is None or link.name is None:
        raise SetupNeeded()
    sessions.drop_links(session, Purpose.SETUP)
    return people.add_person(session, name=link.name, role=Role.ADMIN, hashed=hashed).id


def _begin(
    session: Session, request: Request, caller: Caller, *, person_id: int | None
) -> tuple[SignedIn, str]:
    """A session under a token of its own, whatever the browser brought along, and that token."""
    token, now = new_token(), datetime.now(UTC)
    if caller.session is not None:
        sessions.end_session(session, caller.session.id)
    begun = sessions.begin_session(session, person_id, token, address=caller.address or None, now=now)
    note_change(session, request, "signed in", who=begun.name)
    return begun, token


def _let_in(
    services: Services, request: Request, response: Response, caller: Caller, begun: SignedIn, token: str
) -> SessionView:
    services.guard.sessions.forget()
    _set_cookie(request, response, token, secure=over_tls(request))
    return _view(services, caller, begun)


def _rotate(services: Services, request: Request, response: Response, found: SignedIn) -> None:
    now, cookie = datetime.now(UTC), cookie_of(request)
    if cookie is None or now - found.rotated_at < ROTATION:
        return
    name, old = cookie
    token = new_token()
    with writing(services.engine) as session:
        rotated = sessions.rotate_session(session, found, digest(old), token, now=now)
    if rotated:
        services.guard.sessions.forget()
        _set_cookie(request, response, token, secure=name == SECURE_COOKIE)


def _set_cookie(request: Request, response: Response, token: str, *, secure: bool) -> None:
    response.set_cookie(
        SECURE_COOKIE if secure else plain_cookie(request),
        token,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def _view(services: Services, caller: Caller, found: SignedIn | None) -> SessionView:
    with reading(services.engine) as session:
        setup = not services.settings.loopback and not people.any_admin(session)
    if found is None:
        named = caller.name if caller.how == "key" else None
        return SessionView(name=named, role=None, scopes=in_order(caller.scopes), local=False, setup=setup)
    return SessionView(
        name=found.name,
        role=found.role,
        scopes=in_order(scopes_of(found.role)),
        local=found.person_id is None,
        setup=setup,
    )
