"""People who may sign in, their roles and passwords."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from sortline.accounts.passwords import check_strength, hash_password
from sortline.accounts.person import Person, valid_name
from sortline.accounts.scopes import Role, Scope, in_order, scopes_of
from sortline.accounts.store import people as store
from sortline.api.access import require
from sortline.api.auth import NewName, NewPassword, never_stored
from sortline.api.changes import note_change
from sortline.api.deps import ServicesDep
from sortline.db.session import reading, writing

router = APIRouter(
    prefix="/api/v1/people",
    tags=["accounts"],
    dependencies=[Depends(require(Scope.ADMIN)), Depends(never_stored)],
)

Name = Annotated[str, Path(max_length=200)]


class PersonView(BaseModel):
    """Someone with a password and a role."""

    name: str
    role: Role
    scopes: list[Scope]
    created_at: datetime
    seen_at: datetime | None = Field(
        description="When a session of theirs that is not over was last used, to a minute."
    )


class People(BaseModel):
    """Everybody, by name."""

    people: list[PersonView]


class NewPerson(BaseModel):
    """A person to add."""

    model_config = ConfigDict(extra="forbid")

    name: NewName
    role: Role
    password: NewPassword


class PersonChange(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    password: NewPassword | None = None


@router.get("", summary="List people")
def get_people(services: ServicesDep) -> People:
    """Everybody who may sign in, by name."""
    with reading(services.engine) as session:
        return People(people=[_view(person) for person in store.list_people(session)])


@router.post("", summary="Add a person", status_code=201)
def post_person(new: NewPerson, request: Request, services: ServicesDep) -> PersonView:
    """The person, who can sign in from now on."""
    name = valid_name(new.name)
    check_strength(new.password, name)
    hashed = hash_password(new.password)  # before the database is locked: it takes its time
    with writing(services.engine) as session:
        person = store.add_person(session, name=name, role=new.role, hashed=hashed)
        note_change(session, request, f"{name} as {new.role.value}", status=201)
    return _view(person)


@router.patch("/{name}", summary="Change a person")
def patch_person(name: Name, change: PersonChange, request: Request, services: ServicesDep) -> PersonView:
    """The person as changed. A new password ends their sessions; a new role counts in them within seconds."""
    hashed = None
    if change.password is not None:
        check_strength(change.password, name)
        hashed = hash_password(change.password)
    with writing(services.engine) as session:
        person = store.get_person(session, name)
        if change.role is not None:
            person = store.set_role(session, name, change.role)
            note_change(session, request, f"{person.name} is {change.role.value}")
        if hashed is not None:
            person = store.set_password(session, name, hashed)
            note_change(session, request, f"{person.name}: password")
    services.guard.sessions.forget()
    return _view(person)


@router.delete("/{name}", summary="Remove a person", status_code=204)
def delete_person(name: Name, request: Request, services: ServicesDep) -> None:
    """Nobody of this name can sign in any more, or is signed in. What they did keeps their name."""
    with writing(services.engine) as session:
        store.remove_person(session, name)
        note_change(session, request, name.lower(), status=204)
    services.guard.sessions.forget()


def _view(person: Person) -> PersonView:
    return PersonView(
        name=person.name,
        role=person.role,
        scopes=in_order(scopes_of(person.role)),
        created_at=person.created_at,
        seen_at=person.seen_at,
    )
