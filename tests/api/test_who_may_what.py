"""Every route for every kind of caller: what each may do, from one table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from sortline.accounts.passwords import hash_password
from sortline.accounts.scopes import Role, Scope
from sortline.accounts.store import keys, people
from sortline.accounts.tables import api_keys
from sortline.api.access import open_to_all
from sortline.api.app import create_app
from sortline.db.session import writing
from sortline.settings import Settings
from tests.running import RunningServer, run_server

PASSWORD = "correct horse battery"  # noqa: S105 - of people that are made here
ALL = ("classify", "review", "train", "admin")

# Who may pass a route that needs one of these scopes, and the status that all others get.
TABLE: dict[str, tuple[tuple[str, ...], int]] = {
    "viewer": (("classify",), 403),
    "operator": (("classify", "review"), 403),
    "trainer": (("classify", "review", "train"), 403),
    "admin": (ALL, 403),
    "key: classify": (("classify",), 403),
    "key: review": (("review",), 403),
    "key: train": (("train",), 403),
    "key: admin": (ALL, 403),
    "key that has expired": ((), 401),
    "key that was revoked": ((), 401),
    "invented key": ((), 401),
    "invented cookie": ((), 401),
    "nobody": ((), 401),
}


@dataclass
class Callers:
    """A server that is reached from elsewhere, and what each kind of caller sends."""

    server: RunningServer
    headers: dict[str, dict[str, str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    """One caller of each kind."""
    with run_server(tmp_path_factory.mktemp("table"), host="0.0.0.0") as server:
        found, engine, hashed = Callers(server), server.services.engine, hash_password(PASSWORD)
        with writing(engine) as session:
            for role in Role:
                people.add_person(session, name=f"a-{role.value}", role=role, hashed=hashed)
            for scope in Scope:
                _, secret = keys.create_key(session, name=f"k-{scope.value}", scopes=[scope], who="test")
                found.headers[f"key: {scope.value}"] = bearer(secret)
            gone, secret = keys.create_key(session, name="gone", scopes=[Scope.ADMIN], who="test")
            found.headers["key that was revoked"] = bearer(secret)
            keys.revoke_key(session, gone.id)
            old, secret = keys.create_key(session, name="old", scopes=[Scope.ADMIN], who="test")
            found.headers["key that has expired"] = bearer(secret)
            passed = datetime.now(UTC) - timedelta(seconds=1)
            session.execute(update(api_keys).where(api_keys.c.id == old.id).values(expires_at=passed))
        for role in Role:
            who = {"name": f"a-{role.value}", "password": PASSWORD}
            answer = httpx.post(f"{server.url}/api/v1/session", json=who)
            cookie = answer.headers["set-cookie"].partition(";")[0]
            found.headers[role.value] = {"Cookie": cookie, "Origin": server.url}
        name = cookie.partition("=")[0]
        found.headers["invented key"] = bearer("sl_" + "x" * 43)
        found.headers["invented cookie"] = {"Cookie": f"{name}=x", "Origin": server.url}
        found.headers["nobody"] = {}
        yield found


def bearer(secret: str) -> dict[str, str]:
    """How a key is sent."""
    return {"Authorization": f"Bearer {secret}"}


def routes() -> list[tuple[str, str, str]]:
    """Method, path and scope of every route that is not open; parameters name what there is not."""
    found = []
    for route in create_app(Settings()).routes:
        contexts: Any = getattr(route, "effective_route_contexts", lambda: ())()
        for one in contexts:
            calls = [dependency.call for dependency in one.dependant.dependencies]
            if open_to_all not in calls:
                (scope,) = [call.scope.value for call in calls if hasattr(call, "scope")]
                path = re.sub(r"{\w+(:\w+)?}", "nowhere", one.path)
                found += [(method, path, scope) for method in sorted(one.methods)]
    return found


def changes(method: str, path: str) -> bool:
    """Whether a request without a body does something to the line that there is: those are sent by nobody who may."""
    return method == "POST" and path == "/retrain"


@pytest.mark.parametrize("who", TABLE)
def test_every_route_lets_in_whom_the_table_says(callers: Callers, who: str) -> None:
    """Whoever may not gets 401 or 403, whatever they ask for; whoever may gets past."""
    may, refused = TABLE[who]
    wrong = []
    with httpx.Client(base_url=callers.server.url, headers=callers.headers[who]) as client:
        for method, path, scope in routes():
            if scope in may and changes(method, path):
                continue
            status = client.request(method, path).status_code
            if (status in (401, 403)) != (scope not in may) or (scope not in may and status != refused):
                wrong.append((method, path, scope, status))
    assert wrong == []


def test_no_page_of_another_site_writes(callers: Callers) -> None:
    """With an admin's cookie, on every route that writes but those that classify."""
    headers = callers.headers["admin"] | {"Origin": "https://evil.example"}
    with httpx.Client(base_url=callers.server.url, headers=headers) as client:
        found = {
            (method, path): client.request(method, path).status_code
            for method, path, _ in routes()
            if method not in ("GET", "HEAD")
        }
    assert set(found.values()) == {403}
