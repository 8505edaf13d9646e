"""The built web app as the server sends it: its page, its files, and what is none of both."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sortline.api.webapp_files import WebApp

BROWSER = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    """An app with one route that serves a built web app of a few files."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(
        '<meta nonce="SORTLINE_NONCE"><script nonce="SORTLINE_NONCE"></script>'
    )
    (tmp_path / "assets" / "app-1a.js").write_text("plain")
    (tmp_path / "assets" / "app-1a.js.br").write_text("brotli")
    (tmp_path / "assets" / "app-1a.js.gz").write_text("gzip")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path / ".stamp.json").write_text("{}")
    (tmp_path.parent / "secret.txt").write_text("secret")
    app = FastAPI()
    app.post("/predict")(lambda: None)
    app.router.default = WebApp(tmp_path)
    return TestClient(app)


def test_the_page_is_fresh_and_has_a_nonce_of_its_own(client: TestClient) -> None:
    """Any path that a browser asks a document from gives it, each time with another nonce, which the CSP lets in."""
    first, second = (client.get("/data/versions", headers=BROWSER) for _ in range(2))
    assert first.headers["cache-control"] == "no-cache"
    nonces = [set(re.findall(r'nonce="([^"]+)"', answer.text)) for answer in (first, second)]
    assert len(nonces[0]) == len(nonces[1]) == 1
    assert nonces[0] != nonces[1]
    policy = first.headers["content-security-policy"]
    assert f"style-src 'self' 'nonce-{nonces[0].pop()}'" in policy
    assert "script-src 'self';" in policy


def test_a_file_named_by_its_hash_is_kept_for_a_year(client: TestClient) -> None:
    """The smallest copy that the client takes; one that it refuses by q=0 is not sent."""

    def sent(accepts: str) -> tuple[str, str | None]:
        with client.stream("GET", "/assets/app-1a.js", headers={"accept-encoding": accepts}) as answer:
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["content-type"].startswith("text/javascript")
            return b"".join(answer.iter_raw()).decode(), answer.headers.get("content-encoding")

    assert sent("gzip, deflate, br") == ("brotli", "br")
    assert sent("gzip, br;q=0") == ("gzip", "gzip")
    assert sent("br;q=0.0, gzip;q=0") == ("plain", None)
    assert sent("identity") == ("plain", None)
    assert client.get("/favicon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone.js",
        "/api/v1/nothing",
        "/api/gone.html",
        "/health/nothing",
        "/assets/app-1a.js.br",
        "/assets",
    ],
)
def test_what_is_no_page_is_not_found(client: TestClient, path: str) -> None:
    """Under the API and the assets a browser, too, is told that there is nothing; nobody else ever gets the page."""
    assert client.get(path, headers=BROWSER).status_code == 404
    assert client.get("/review").status_code == 404


@pytest.mark.parametrize(
    "path", ["/%2e%2e%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/.stamp.json", "/index.html"]
)
def test_nothing_outside_the_folder_is_sent(client: TestClient, path: str) -> None:
    """A path that leads out of the folder, or names what is kept beside the app, gives no file."""
    answer = client.get(path)
    assert (answer.status_code, "secret" in answer.text) == (404, False)


def test_a_wrong_method_on_a_route_stays_one(client: TestClient) -> None:
    """The app is no catch-all for routes that exist; it takes no writes."""
    assert client.get("/predict", headers=BROWSER).status_code == 405
    assert client.post("/review").status_code == 404
