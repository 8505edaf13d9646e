"""People, sessions, keys, links and the audit log in the database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from sortline.accounts.audit import Change
from sortline.accounts.key import InvalidKey, UnknownKey
from sortline.accounts.person import InvalidName, LastAdmin, NameTaken, Person, UnknownPerson
from sortline.accounts.scopes import EVERYTHING, Role, Scope
from sortline.accounts.sign_in import GRACE, IDLE, LINK_LIFE, LONGEST, InvalidLink, Purpose
from sortline.accounts.store import audit, keys, people, sessions
from sortline.accounts.tokens import digest, new_token
from sortline.db.session import Session, writing

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ada(session: Session, role: Role = Role.ADMIN) -> Person:
    """A person, without the work of hashing a password."""
    return people.add_person(session, name="Ada", role=role, hashed="hash of a password")


def test_a_name_is_one_persons_or_one_keys(engine: Engine) -> None:
    """In lower case; a revoked key gives its name back; reserved names and such with spaces are none."""
    with writing(engine) as session:
        assert ada(session).name == "ada"
        key, _ = keys.create_key(session, name="camera", scopes=[Scope.CLASSIFY], who="ada")
        with pytest.raises(NameTaken):
            ada(session)
        with pytest.raises(NameTaken):
            keys.create_key(session, name="ada", scopes=[Scope.CLASSIFY], who="ada")
        with pytest.raises(NameTaken):
            people.add_person(session, name="camera", role=Role.VIEWER, hashed="")
        keys.revoke_key(session, key.id)
        assert people.add_person(session, name="camera", role=Role.VIEWER, hashed="").role == Role.VIEWER
        for name in ("local", "cli", "two words", "", "-x", "a" * 64, "ü"):
            with pytest.raises(InvalidName):
                people.add_person(session, name=name, role=Role.VIEWER, hashed="")


def test_there_is_always_an_admin(engine: Engine) -> None:
    """The last one can be neither removed nor made anything else."""
    with writing(engine) as session:
        assert not people.any_admin(session)
        ada(session)
        for attempt in (
            lambda: people.set_role(session, "ada", Role.TRAINER),
            lambda: people.remove_person(session, "ada"),
        ):
            with pytest.raises(LastAdmin):
                attempt()
        people.add_person(session, name="bob", role=Role.ADMIN, hashed="")
        assert people.set_role(session, "ada", Role.VIEWER).role == Role.VIEWER
        people.remove_person(session, "ada")
        with pytest.raises(UnknownPerson):
            people.get_person(session, "ada")
        assert [person.name for person in people.list_people(session)] == ["bob"]


def test_a_session_ends_unused_and_after_a_month(engine: Engine) -> None:
    """Used, it lives on, but never longer than a month; only the hash of its token is stored."""
    with writing(engine) as session:
        token, person = new_token(), ada(session)
        begun = sessions.begin_session(session, person.id, token, address="192.0.2.1", now=NOW)
        assert (begun.name, begun.role) == ("ada", Role.ADMIN)
        found = digest(token)
        assert sessions.find_session(session, found, NOW + IDLE) is not None
        assert sessions.find_session(session, found, NOW + IDLE + timedelta(seconds=1)) is None
        sessions.see_session(session, begun.id, NOW + LONGEST)
        assert sessions.find_session(session, found, NOW + LONGEST) is not None
        assert sessions.find_session(session, found, NOW + LONGEST + timedelta(seconds=1)) is None


def test_a_session_changes_its_token_once(engine: Engine) -> None:
    """The old one opens it for a minute more, for requests under way; of two at once one rotates."""
    with writing(engine) as session:
        old, new, late = new_token(), new_token(), NOW + timedelta(hours=2)
        begun = sessions.begin_session(session, None, old, address=None, now=NOW)
        assert sessions.rotate_session(session, begun, digest(old), new, now=late)
        assert not sessions.rotate_session(session, begun, digest(old), new_token(), now=late)
        assert sessions.find_session(session, digest(new), late) is not None
        assert sessions.find_session(session, digest(old), late + GRACE / 2) is not None
        assert sessions.find_session(session, digest(old), late + GRACE) is None


def test_signing_out_everywhere_is_one_persons(engine: Engine) -> None:
    """A new password ends every session of theirs but the one it was changed in."""
    with writing(engine) as session:
        tokens = [new_token() for _ in range(3)]
        person = ada(session)
        owners = (person.id, person.id, None)
        begun = [
            sessions.begin_session(session, who, token, address=None, now=NOW)
            for who, token in zip(owners, tokens, strict=True)
        ]
        people.set_password(session, "ada", "other", keep=begun[1].id)
        left = [sessions.find_session(session, digest(token), NOW) is not None for token in tokens]
        assert left == [False, True, True]
        assert people.password_of(session, "ADA") == (person.id, "other")


def test_a_link_works_once_and_for_a_day(engine: Engine) -> None:
    """Used, expired and invented ones are told in the same words."""
    with writing(engine) as session:
        for token in ("first", "second"):
            sessions.add_link(session, Purpose.SETUP, token, NOW)
        assert sessions.take_link(session, "first", NOW) == Purpose.SETUP
        for token, at in (("first", NOW), ("second", NOW + LINK_LIFE), ("third", NOW)):
            with pytest.raises(InvalidLink):
                sessions.take_link(session, token, at)


def test_a_key_is_found_by_its_hash_and_holds_until_it_expires(engine: Engine) -> None:
    """Its secret is given out once; `admin` holds every scope."""
    soon = datetime.now(UTC) + timedelta(days=1)
    with writing(engine) as session:
        key, secret = keys.create_key(session, name="c", scopes=[Scope.ADMIN], who="x", expires_at=soon)
        assert secret.startswith(key.start)
        assert (len(secret), key.scopes) == (46, EVERYTHING)
        found = keys.find_key(session, digest(secret))
        assert found == key
        assert key.holds(soon - timedelta(seconds=1))
        assert not key.holds(soon)
        keys.use_key(session, key.id, NOW)
        revoked = keys.revoke_key(session, key.id)
        assert (revoked.last_used_at, revoked.holds(NOW)) == (NOW, False)
        assert keys.revoke_key(session, key.id) == revoked
        assert keys.list_keys(session, revoked=False) == []
        with pytest.raises(UnknownKey):
            keys.key_named(session, "c")
        for scopes, expires_at in (([], None), ([Scope.TRAIN], NOW - timedelta(days=99))):
            with pytest.raises(InvalidKey):
                keys.create_key(session, name="d", scopes=scopes, who="x", expires_at=expires_at)


def test_the_audit_log_is_paged_newest_first(engine: Engine) -> None:
    """With who did it, if asked for one person's."""
    with writing(engine) as session:
        for number in range(3):
            who = "ada" if number < 2 else "bob"
            change = Change(who=who, route="PATCH /x", target=str(number), status=200, address=None)
            audit.note(session, change)
        first = audit.list_events(session, limit=2)
        assert [event.target for event in first.items] == ["2", "1"]
        rest = audit.list_events(session, limit=2, cursor=first.next_cursor)
        assert ([event.target for event in rest.items], rest.next_cursor) == (["0"], None)
        assert [event.target for event in audit.list_events(session, who="ada").items] == ["1", "0"]
