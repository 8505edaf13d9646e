"""People in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update

from sortline.accounts.person import LastAdmin, NameTaken, Person, UnknownPerson, valid_name
from sortline.accounts.scopes import Role
from sortline.accounts.store.sessions import end_sessions
from sortline.accounts.tables import api_keys, people, sessions
from sortline.db.session import Session


def add_person(session: Session, *, name: str, role: Role, hashed: str) -> Person:
    """A new person, whose password has this hash.

    Raises:
        InvalidName: the name cannot be one.
        NameTaken: another person or key has it.
    """
    name = valid_name(name)
    check_free(session, name)
    row = {"name": name, "role": role.value, "password": hashed, "created_at": datetime.now(UTC)}
    session.execute(insert(people), row)
    return get_person(session, name)


def get_person(session: Session, name: str) -> Person:
    """The person of this name.

    Raises:
        UnknownPerson: there is none.
    """
    row = session.execute(_with_last_seen().where(people.c.name == name.lower())).one_or_none()
    if row is None:
        raise UnknownPerson(name)
    return _person(row)


def list_people(session: Session) -> list[Person]:
    """Everybody, by name."""
    return [_person(row) for row in session.execute(_with_last_seen().order_by(people.c.name))]


def password_of(session: Session, name: str) -> tuple[int, str] | None:
    """The id and the password's hash of the person of this name; None where there is none."""
    found = session.execute(
        select(people.c.id, people.c.password).where(people.c.name == name.strip().lower())
    ).one_or_none()
    return None if found is None else (found.id, found.password)


def set_role(session: Session, name: str, role: Role) -> Person:
    """The person in the new role; open sessions follow within seconds.

    Raises:
        UnknownPerson, LastAdmin: see their words.
    """
    found = get_person(session, name)
    if role != Role.ADMIN:
        _keep_an_admin(session, found)
    session.execute(update(people).where(people.c.id == found.id).values(role=role.value))
    return get_person(session, name)


def set_password(session: Session, name: str, hashed: str, *, keep: int | None = None) -> Person:
    """The person under a new password, signed out everywhere but in the session `keep`.

    Raises:
        UnknownPerson: there is none.
    """
    found = get_person(session, name)
    session.execute(update(people).where(people.c.id == found.id).values(password=hashed))
    end_sessions(session, found.id, keep=keep)
    return found


def remove_person(session: Session, name: str) -> None:
    """Nobody of this name can sign in any more, or is signed in; what they did keeps their name.

    Raises:
        UnknownPerson, LastAdmin: see their words.
    """
    found = get_person(session, name)
    _keep_an_admin(session, found)
    end_sessions(session, found.id)
    session.execute(delete(people).where(people.c.id == found.id))


def any_admin(session: Session) -> bool:
    """Whether somebody can sign in as an admin."""
    return session.scalar(select(people.c.id).where(people.c.role == Role.ADMIN.value).limit(1)) is not None


def check_free(session: Session, name: str) -> None:
    """Nothing, for a name that no person and no key in use has.

    Raises:
        NameTaken: one has.
    """
    of_people = select(people.c.name).where(people.c.name == name)
    of_keys = select(api_keys.c.name).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    if session.execute(of_people.union_all(of_keys).limit(1)).first():
        raise NameTaken(name)


def _with_last_seen() -> Select[Any]:
    seen = select(func.max(sessions.c.seen_at)).where(sessions.c.person_id == people.c.id).scalar_subquery()
    return select(people.c.id, people.c.name, people.c.role, people.c.created_at, seen.label("seen_at"))


def _keep_an_admin(session: Session, person: Person) -> None:
    # Locked, so that two admins who remove each other at once do not both succeed.
    admins = select(people.c.id).where(people.c.role == Role.ADMIN.value).with_for_update()
    if session.scalars(admins).all() == [person.id]:
        raise LastAdmin(person.name)


def _person(row: Row[Any]) -> Person:
    return Person(
        id=row.id, name=row.name, role=Role(row.role), created_at=row.created_at, seen_at=row.seen_at
    )
