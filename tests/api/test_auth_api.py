"""Signing in and out, keys, trusted addresses, limits, the audit log: on an address that others can reach."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from sortline.accounts.passwords import hash_password
from sortline.accounts.scopes import Role
from sortline.accounts.store import people
from sortline.accounts.tables import api_keys, sessions
from sortline.accounts.throttle import Rate, SignInThrottle
from sortline.cli.links import sign_in_link
from sortline.db.session import writing
from tests.pictures import photo
from tests.running import RunningServer, run_server

PASSWORD = "correct horse battery"  # noqa: S105 - of people that are made here
SESSION = "/api/v1/session"


@pytest.fixture(scope="module")
def away(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that listens, as far as it knows, where other machines reach it; it trusts 127.0.0.9 to classify."""
    settings = {"host": "0.0.0.0", "trust": ("127.0.0.9=classify",), "database_url": shared_database_url}
    with run_server(tmp_path_factory.mktemp("away"), **settings) as running:
        hashed = hash_password(PASSWORD)
        with writing(running.services.engine) as session:
            for role in (Role.VIEWER, Role.OPERATOR, Role.TRAINER):
                people.add_person(session, name=role.value, role=role, hashed=hashed)
        yield running


OPENED: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def between(away: RunningServer) -> Iterator[None]:
    """Attempts to sign in of other tests do not count, and no client is left open."""
    away.services.guard.sign_ins = SignInThrottle()
    yield
    while OPENED:
        OPENED.pop().close()


def opened(server: RunningServer, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
    """A client at one of this machine's addresses; it is closed after the test."""
    transport = httpx.HTTPTransport(local_address=address)
    OPENED.append(httpx.Client(base_url=server.url, headers=headers, transport=transport))
    return OPENED[-1]


def visitor(server: RunningServer, address: str = "127.0.0.1", **headers: str) -> httpx.Client:
    """A browser on a page of the server."""
    return opened(server, address, **{"Origin": server.url, **headers})


def signed_in(server: RunningServer, name: str) -> httpx.Client:
    """A browser in which this person has signed in."""
    browser = visitor(server)
    assert browser.post(SESSION, json={"name": name, "password": PASSWORD}).status_code == 200
    return browser


def kind(answer: httpx.Response) -> tuple[int, str]:
    """The status of a problem and its type."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:sortline:")


def test_nothing_is_anonymous(away: RunningServer) -> None:
    """Not even classifying: an old client without a key gets a clear 401; health and the page are open."""
    stranger = visitor(away)
    answer = stranger.post("/predict", files={"image": ("p.jpg", photo())})
    assert kind(answer) == (401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "--trust" in answer.json()["error"]
    assert [stranger.get(path).status_code for path in ("/health", "/", "/metrics")] == [200, 200, 401]
    assert stranger.get(SESSION).json() == {
        "name": None,
        "role": None,
        "scopes": [],
        "local": False,
        "setup": True,
    }


def test_the_first_starts_link_makes_the_admin(away: RunningServer) -> None:
    """With name and password, once; a refused password does not use it up; then there is no other."""
    services = away.services
    link = sign_in_link(services.engine, services.settings)
    assert link is not None
    path, _, token = link.path.partition("#token=")
    assert path == "/setup"
    browser, new = visitor(away), {"token": token, "name": "Ada", "password": PASSWORD}
    assert kind(browser.post(f"{SESSION}/link", json={"token": token})) == (422, "setup-needed")
    weak = browser.post(f"{SESSION}/link", json=new | {"password": "ada"})
    assert kind(weak) == (422, "weak-password")
    made = browser.post(f"{SESSION}/link", json=new)
    assert (made.json()["name"], made.json()["role"], made.json()["setup"]) == ("ada", "admin", False)
    cookie = made.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert browser.get("/api/v1/people").status_code == 200
    assert kind(browser.post(f"{SESSION}/link", json=new)) == (401, "invalid-link")
    assert sign_in_link(services.engine, services.settings) is None
    assert browser.patch("/api/v1/people/ada", json={"role": "viewer"}).json()["type"].endswith("last-admin")


def test_signing_in_makes_a_new_session(away: RunningServer) -> None:
    """A token that somebody else planted is not taken over, and the browser's former session is over."""
    browser = visitor(away)
    name = f"sortline-{away.url.rpartition(':')[2]}"
    browser.cookies.set(name, "planted", domain="127.0.0.1")
    who = {"name": "Operator ", "password": PASSWORD}
    first = browser.post(SESSION, json=who).cookies[name]
    assert first != "planted"
    browser.cookies.clear()
    browser.cookies.set(name, first)
    second = browser.post(SESSION, json=who).cookies[name]
    assert second != first
    old = visitor(away, Cookie=f"{name}={first}")
    assert kind(old.get("/api/v1/lines")) == (401, "not-signed-in")


def test_wrong_names_and_wrong_passwords_are_told_alike(away: RunningServer) -> None:
    """And slowed down, with Retry-After; whoever is not guessing is not."""
    guesser = visitor(away, "127.0.0.8")
    wrong = [guesser.post(SESSION, json={"name": name, "password": "wrong"}) for name in ("nobody", "viewer")]
    assert wrong[0].json() == wrong[1].json()
    assert kind(wrong[0]) == (401, "wrong-password")
    answers = [guesser.post(SESSION, json={"name": "viewer", "password": "w"}) for _ in range(5)]
    assert kind(answers[-1]) == (429, "too-many-requests")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 300
    assert signed_in(away, "viewer").get(SESSION).json()["name"] == "viewer"


def test_behind_a_proxy_attempts_count_by_whom_it_saw(away: RunningServer) -> None:
    """The last address in the header is the proxy's own word; those before it are the client's."""
    wrong = {"name": "viewer", "password": "wrong"}
    for number in range(6):
        guesser = visitor(away, **{"X-Forwarded-For": f"10.0.0.{number}, 192.0.2.5"})
        answer = guesser.post(SESSION, json=wrong)
    assert answer.status_code == 429
    other = visitor(away, **{"X-Forwarded-For": "192.0.2.5, 192.0.2.6"})
    assert other.post(SESSION, json=wrong).status_code == 401
    newest = away.client.get("/api/v1/audit", params={"limit": 1}).json()["events"][0]
    assert (newest["target"], newest["address"]) == ("sign-in refused", "192.0.2.6")


def test_signing_out(away: RunningServer) -> None:
    """Here, or everywhere: at once, whatever the server remembered."""
    here, there, elsewhere = (signed_in(away, "operator") for _ in range(3))
    for browser in (here, there, elsewhere):
        assert browser.get("/api/v1/lines").status_code == 200
    token = dict(here.cookies)
    assert here.delete(SESSION).status_code == 204
    assert not here.cookies
    assert (
        visitor(away, Cookie="; ".join(f"{k}={v}" for k, v in token.items())).get("/api/v1/lines").status_code
        == 401
    )
    assert there.get("/api/v1/lines").status_code == 200
    assert there.delete(SESSION, params={"everywhere": True}).status_code == 204
    assert elsewhere.get("/api/v1/lines").status_code == 401


def test_a_cookie_counts_on_writes_of_our_own_pages_alone(away: RunningServer) -> None:
    """Without an Origin, and with a page's of another port of this machine, which is the same site to a browser."""
    browser = signed_in(away, "trainer")
    path = "/api/v1/lines/waste/versions/1/activate"
    assert browser.post(path).status_code == 404
    assert kind(browser.post(path, headers={"Origin": "http://127.0.0.1:1"})) == (403, "foreign-origin")
    del browser.headers["Origin"]
    assert kind(browser.post(path)) == (401, "not-signed-in")
    assert browser.get("/api/v1/lines").status_code == 200
    # Classify routes take loopback pages: as whom they are without the cookie.
    image = {"image": ("p.jpg", photo())}
    assert browser.post("/predict", files=image, headers={"Origin": "http://localhost:1"}).status_code == 401


def test_a_token_is_replaced_every_hour(away: RunningServer) -> None:
    """When the page asks who is signed in; the former one works for requests under way."""
    browser = signed_in(away, "viewer")
    before = dict(browser.cookies)
    with writing(away.services.engine) as session:
        session.execute(update(sessions).values(rotated_at=datetime.now(UTC) - timedelta(hours=2)))
    away.services.guard.sessions.forget()
    assert browser.get("/api/v1/lines").status_code == 200
    assert dict(browser.cookies) == before
    assert browser.get(SESSION).json()["name"] == "viewer"
    assert dict(browser.cookies) != before
    assert browser.get(SESSION).json()["name"] == "viewer"
    old = visitor(away, Cookie="; ".join(f"{name}={token}" for name, token in before.items()))
    assert old.get(SESSION).json()["name"] == "viewer"


def test_over_tls_the_cookie_is_secure(away: RunningServer) -> None:
    """Known by the page's origin; later reads, which name none, find it too."""
    host = "127.0.0.1"
    browser = visitor(away, Host=host, Origin=f"https://{host}")
    answer = browser.post(SESSION, json={"name": "viewer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-sortline=")
    assert "Secure" in cookie.split("; ")
    sent = cookie.partition(";")[0]
    reader = opened(away, Host=host, Cookie=sent, Via="1.1 proxy")
    assert reader.get(SESSION).json()["name"] == "viewer"


def test_a_new_password_ends_other_sessions(away: RunningServer) -> None:
    """One's own needs the old one, and keeps the session that it was changed in."""
    mine, other = signed_in(away, "trainer"), signed_in(away, "trainer")
    change = {"old": "wrong", "new": "another long password"}
    assert kind(mine.put(f"{SESSION}/password", json=change)) == (401, "wrong-password")
    assert mine.put(f"{SESSION}/password", json=change | {"old": PASSWORD}).status_code == 204
    assert (mine.get("/api/v1/lines").status_code, other.get("/api/v1/lines").status_code) == (200, 401)
    by_admin = away.client.patch("/api/v1/people/trainer", json={"password": PASSWORD})
    assert by_admin.json()["name"] == "trainer"
    assert mine.get("/api/v1/lines").status_code == 401
    assert away.client.put(f"{SESSION}/password", json=change).status_code == 403


def test_people_are_added_changed_and_removed(away: RunningServer) -> None:
    """Their sessions follow at once."""
    new = {"name": "Bob", "role": "viewer", "password": PASSWORD}
    assert away.client.post("/api/v1/people", json=new).json()["scopes"] == ["classify"]
    assert kind(away.client.post("/api/v1/people", json=new)) == (409, "name-taken")
    bob = signed_in(away, "bob")
    assert bob.get("/api/v1/lines/waste/images").status_code == 403
    away.client.patch("/api/v1/people/bob", json={"role": "operator"})
    assert bob.get("/api/v1/lines/waste/images").status_code == 200
    seen = {one["name"]: one["seen_at"] for one in away.client.get("/api/v1/people").json()["people"]}
    assert seen["bob"] is not None
    assert away.client.delete("/api/v1/people/bob").status_code == 204
    assert bob.get("/api/v1/lines").status_code == 401
    assert kind(away.client.delete("/api/v1/people/bob")) == (404, "unknown-person")


def make_key(server: RunningServer, name: str, *scopes: str, **more: Any) -> dict[str, Any]:
    """A new key, as the answer shows it."""
    answer = server.client.post("/api/v1/keys", json={"name": name, "scopes": scopes, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def with_key(server: RunningServer, secret: str) -> httpx.Client:
    """A machine client."""
    return opened(server, Authorization=f"Bearer {secret}")


def test_a_key_works_until_it_is_revoked_or_expires(away: RunningServer) -> None:
    """Its secret is shown once, its use noted; one that opens nothing is refused, also where an address is trusted."""
    made = make_key(away, "camera-1", "classify")
    camera = with_key(away, made["secret"])
    assert camera.post("/predict", files={"image": ("p.jpg", photo())}).status_code == 200
    assert kind(camera.get("/retrain/runs")) == (403, "not-allowed")
    assert camera.get(SESSION).json()["name"] == "camera-1"
    listed = away.client.get("/api/v1/keys").text
    assert made["secret"] not in listed
    (shown,) = [one for one in away.client.get("/api/v1/keys").json()["keys"] if one["name"] == "camera-1"]
    assert (shown["start"], shown["who"]) == (made["secret"][:9], "tester")
    assert shown["last_used_at"] is not None
    away.client.delete(f"/api/v1/keys/{made['id']}")
    assert kind(camera.get("/classes")) == (401, "unusable-key")
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    lent = make_key(away, "lent", "classify", expires_at=soon)
    borrower = with_key(away, lent["secret"])
    assert borrower.get("/classes").status_code == 200
    with writing(away.services.engine) as session:
        gone = update(api_keys).where(api_keys.c.id == lent["id"])
        session.execute(gone.values(expires_at=datetime.now(UTC)))
    away.services.guard.keys.forget()
    assert kind(borrower.get("/classes")) == (401, "unusable-key")
    trusted = visitor(away, "127.0.0.9", Authorization="Bearer sl_invented")
    assert kind(trusted.get("/classes")) == (401, "unusable-key")


def test_a_trusted_address_needs_no_key(away: RunningServer) -> None:
    """For what it is trusted with, and unless a proxy stands before it."""
    device = opened(away, "127.0.0.9")
    assert device.post("/predict", files={"image": ("p.jpg", photo())}).json()["success"]
    assert device.get(SESSION).json()["scopes"] == ["classify"]
    assert kind(device.post("/retrain")) == (401, "not-signed-in")
    proxied = device.get("/classes", headers={"X-Forwarded-For": "127.0.0.9"})
    assert kind(proxied) == (401, "not-signed-in")


def test_requests_are_limited_for_each_caller(away: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """By key, or by address; the 429 says when to come back."""
    monkeypatch.setattr(away.services.guard, "rate", Rate("2/minute"))
    camera = with_key(away, make_key(away, "camera-2", "classify")["secret"])
    answers = [camera.get("/classes") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert with_key(away, away.key).get("/classes").status_code == 200
    stranger = visitor(away, "127.0.0.7")
    assert [stranger.get("/classes").status_code for _ in range(3)] == [401, 401, 429]


def test_every_change_is_in_the_audit_log(away: RunningServer) -> None:
    """Who, by which route, what: also of routes that know nothing of it; not what failed, was read or classified."""
    machine = with_key(away, make_key(away, "line-maker", "admin")["secret"])
    assert machine.post("/api/v1/lines", json={"name": "audited"}).status_code == 201
    assert machine.post("/api/v1/lines", json={"name": "audited"}).status_code == 409
    machine.get("/api/v1/lines")
    machine.post("/predict", files={"image": ("p.jpg", photo())})
    events = machine.get("/api/v1/audit", params={"who": "line-maker"}).json()["events"]
    assert [(e["route"], e["target"], e["status"], e["address"]) for e in events] == [
        ("POST /api/v1/lines", "/api/v1/lines", 201, "127.0.0.1")
    ]
    (made,) = machine.get("/api/v1/audit", params={"limit": 1, "who": "tester"}).json()["events"]
    assert made["target"].startswith("line-maker (sl_")
    signed_in(away, "viewer")
    refused = visitor(away).post(SESSION, json={"name": "viewer", "password": "wrong"})
    assert refused.status_code == 401
    newest = machine.get("/api/v1/audit", params={"limit": 2}).json()
    told = [(e["who"], e["target"], e["status"]) for e in newest["events"]]
    assert told == [("viewer", "sign-in refused", 401), ("viewer", "signed in", 200)]
    older = machine.get("/api/v1/audit", params={"cursor": newest["next_cursor"], "limit": 1}).json()
    assert older["events"][0]["id"] < newest["events"][-1]["id"]


def test_a_file_on_the_server_needs_an_admin(away: RunningServer) -> None:
    """A recipe's weights may name one: who may train may not read the server's files through it."""
    trainer = with_key(away, make_key(away, "trainer-key", "train", "review")["secret"])
    runs, recipe = "/api/v1/lines/waste/runs", {"weights": "/etc/passwd", "backbone": "mobilenetv2_100"}
    asked = {"method": "finetune", "recipe": recipe}
    assert kind(trainer.post(runs, json=asked)) == (403, "not-allowed")
    assert with_key(away, away.key).post(runs, json=asked).status_code != 403
    assert kind(trainer.post("/api/v1/lines/waste/imports/from-location", json={"location": "/etc"})) == (
        403,
        "not-allowed",
    )


def test_answers_with_secrets_are_kept_by_no_cache(away: RunningServer) -> None:
    """Who is signed in, people, keys, the log."""
    for path in (SESSION, "/api/v1/people", "/api/v1/keys", "/api/v1/audit"):
        assert away.client.get(path).headers["cache-control"] == "no-store"
