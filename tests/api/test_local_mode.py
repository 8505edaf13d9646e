"""Local mode: a server on this machine's own address, whose start prints a link that signs in its admin."""

import httpx

from sortline.cli.links import base_url, sign_in_link
from sortline.settings import Settings
from tests.pictures import photo
from tests.running import RunningServer

SESSION = "/api/v1/session"


def token_of(server: RunningServer) -> str:
    """The token of a new link, as a start prints one."""
    link = sign_in_link(server.services.engine, server.services.settings)
    assert link is not None
    path, _, token = link.path.partition("#token=")
    assert path == "/sign-in"
    return token


def test_anybody_here_may_classify_and_no_more(server: RunningServer) -> None:
    """Without signing in."""
    with httpx.Client(base_url=server.url) as anybody:
        assert anybody.post("/predict", files={"image": ("p.jpg", photo())}).status_code == 200
        session = anybody.get(SESSION).json()
        assert session == {"name": None, "role": None, "scopes": ["classify"], "local": False, "setup": False}
        for method, path in (("GET", "/retrain/runs"), ("POST", "/retrain"), ("GET", "/api/v1/keys")):
            assert anybody.request(method, path).status_code == 401


def test_the_printed_link_signs_in_this_machines_admin_once(server: RunningServer) -> None:
    """And not through a proxy, where the session does not count either."""
    token = token_of(server)
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as browser:
        proxied = browser.post(f"{SESSION}/link", json={"token": token}, headers={"Via": "1.1 proxy"})
        assert proxied.status_code == 401
        admin = browser.post(f"{SESSION}/link", json={"token": token})
        assert admin.json() == {
            "name": "local",
            "role": "admin",
            "scopes": ["classify", "review", "train", "admin"],
            "local": True,
            "setup": False,
        }
        assert browser.get("/api/v1/keys").status_code == 200
        assert browser.get("/api/v1/keys", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
        assert browser.post(f"{SESSION}/link", json={"token": token}).json()["type"].endswith("invalid-link")
        assert browser.delete(SESSION).status_code == 204
        assert browser.get("/api/v1/keys").status_code == 401


def test_the_link_is_one_that_a_browser_here_can_open() -> None:
    """Whatever the address listened on."""
    found = [base_url(Settings(host=host), 8000) for host in ("127.0.0.1", "0.0.0.0", "::", "::1")]
    assert found == ["http://127.0.0.1:8000"] * 2 + ["http://[::1]:8000"] * 2
