"""What a server remembers of keys and sessions, and how it slows down those who guess."""

import pytest
from sqlalchemy import Engine

from sortline.accounts import guard as guards
from sortline.accounts.guard import Guard, Remembered
from sortline.accounts.passwords import WeakPassword, check_strength, hash_password, is_password
from sortline.accounts.scopes import EVERYTHING, Role, Scope, UnknownScope, scopes_named, scopes_of
from sortline.accounts.store import keys
from sortline.accounts.throttle import InvalidRate, Rate, SignInThrottle, TooManyRequests
from sortline.accounts.tokens import digest
from sortline.accounts.trust import InvalidTrust, scopes_from, trust_of
from sortline.db.session import reading, writing


def test_roles_allow_ever_more() -> None:
    """And a key's `admin` everything, while other scopes stand alone."""
    assert [len(scopes_of(role)) for role in Role] == [1, 2, 3, 4]
    assert scopes_of(Role.OPERATOR) == {Scope.CLASSIFY, Scope.REVIEW}
    assert scopes_named(["admin"]) == EVERYTHING
    assert scopes_named(["train"]) == {Scope.TRAIN}
    with pytest.raises(UnknownScope, match="classify, review, train, admin"):
        scopes_named(["everything"])


def test_a_password_is_checked_against_its_hash() -> None:
    """Each hash has its own salt; where there is none, or a broken one, nothing is right."""
    first, second = hash_password("a long enough one"), hash_password("a long enough one")
    assert first != second
    assert first.startswith("$argon2id$")
    assert is_password("a long enough one", first)
    assert not is_password("another one", first)
    assert not is_password("nobody's", None)
    assert not is_password("a long enough one", "not a hash")


@pytest.mark.parametrize("password", ["short", "a" * 201, "aaaaaaaaaaaa", "ada-lovelace1"])
def test_passwords_that_are_easy_to_guess_are_refused(password: str) -> None:
    """By length and variety, with the reason."""
    with pytest.raises(WeakPassword):
        check_strength(password, "ada-lovelace")
    check_strength("correct horse battery", "ada-lovelace")


def test_a_range_is_trusted_with_its_scopes() -> None:
    """What several ranges grant adds up; IPv4 callers of an IPv6 socket are IPv4 callers."""
    trusted = trust_of(["10.1.0.0/16=classify", "10.1.7.12=classify,review", "2001:db8::/32=train"])
    assert scopes_from("10.1.2.3", trusted) == {Scope.CLASSIFY}
    assert scopes_from("::ffff:10.1.7.12", trusted) == {Scope.CLASSIFY, Scope.REVIEW}
    assert scopes_from("2001:db8::1", trusted) == {Scope.TRAIN}
    assert scopes_from("10.2.0.1", trusted) == scopes_from("what", trusted) == frozenset()
    assert str(trusted[1]) == "10.1.7.12/32=classify,review"
    for wrong in ("10.0.0.0/8", "10.0.0.1/8=classify", "ten=classify", "10.0.0.0/8=", "10.0.0.0/8=x"):
        with pytest.raises(InvalidTrust):
            trust_of([wrong])


def test_a_rate_is_each_callers_own() -> None:
    """And says when to come back; without one nobody is counted."""
    rate = Rate("2/minute")
    rate.count("a")
    rate.count("a")
    rate.count("b")
    with pytest.raises(TooManyRequests) as refused:
        rate.count("a")
    assert 1 <= refused.value.retry_after <= 60
    for _ in range(100):
        Rate(None).count("a")
    with pytest.raises(InvalidRate):
        Rate("often")


def test_guessing_passwords_is_slow() -> None:
    """Five attempts for a name from an address; its owner, who signs in in between, starts anew."""
    throttle = SignInThrottle()
    for _ in range(4):
        throttle.attempt("ada", "192.0.2.1")
    throttle.succeeded("ada", "192.0.2.1")
    for _ in range(5):
        throttle.attempt("ada", "192.0.2.1")
    with pytest.raises(TooManyRequests):
        throttle.attempt("ada", "192.0.2.1")
    throttle.attempt("ada", "192.0.2.2")
    throttle.attempt("bob", "192.0.2.1")


def test_a_key_is_looked_up_once_and_its_use_is_noted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request finds it remembered; forgotten, it is looked up again; a revoked one is nobody's."""
    monkeypatch.setattr(guards, "REMEMBERED_S", 3600)
    with writing(engine) as session:
        key, secret = keys.create_key(session, name="camera", scopes=[Scope.CLASSIFY], who="x")
    guard, found = Guard(engine), digest(secret)
    assert guard.keys.peek(found) is None
    assert guard.keys.look_up(found) == key
    remembered = guard.keys.peek(found)
    assert remembered is not None
    assert remembered.holder == key
    with reading(engine) as session:
        noted = keys.list_keys(session)[0].last_used_at
    assert noted is not None
    guard.keys.forget()
    assert guard.keys.look_up(found) is not None
    with reading(engine) as session:
        assert keys.list_keys(session)[0].last_used_at == noted  # not again within the minute
    with writing(engine) as session:
        keys.revoke_key(session, key.id)
    guard.keys.forget()
    assert guard.keys.look_up(found) is None


def test_what_is_remembered_goes_stale_for_one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One looks it up, the others go on with what was known; a change meanwhile is not overwritten."""
    answers = ["first", "second", "third"]
    remembered = Remembered[str](lambda _: answers.pop(0))
    now = [0.0]
    monkeypatch.setattr(guards.time, "monotonic", lambda: now[0])
    remembered.look_up("x")
    now[0] = guards.REMEMBERED_S
    assert remembered.peek("x") is None
    known = remembered.peek("x")
    assert known is not None
    assert known.holder == "first"
    assert remembered.look_up("x") == "second"

    def changed_meanwhile(_: str) -> str:
        remembered.forget()
        return "old"

    monkeypatch.setattr(remembered, "_find", changed_meanwhile)
    assert remembered.look_up("x") == "old"
    assert remembered.peek("x") is None


def test_invented_tokens_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten."""
    monkeypatch.setattr(guards, "MOST", 3)
    remembered = Remembered[str](lambda _: None)
    for number in range(5):
        remembered.look_up(str(number))
    assert [remembered.peek(str(number)) is not None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
