"""What an attacker tries over HTTP, and what becomes of it."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from tests.running import RunningServer


def test_no_archive_has_the_server_fetch_addresses(server: RunningServer) -> None:
    """A manifest that is sent as an archive could name what only the server reaches (SSRF): it is refused unread."""
    asked: list[str] = []

    class Inside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    with HTTPServer(("127.0.0.1", 0), Inside) as inside:
        threading.Thread(target=inside.serve_forever, daemon=True).start()
        rows = f"path,label\nhttp://127.0.0.1:{inside.server_port}/secret,Glass\n".encode()
        for kind in ("manifest", "prefix", "idx", "folder"):
            answer = server.client.post(
                "/api/v1/lines/waste/imports", files={"file": ("a.zip", rows)}, data={"kind": kind}
            )
            assert (answer.status_code, answer.json()["type"]) == (422, "urn:sortline:invalid-request")
        inside.shutdown()
    assert asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/assets/..%2f..%2fapp.py",
        "/api/docs/assets/%2e%2e/%2e%2e/METADATA",
        "/static//etc/passwd",
        "/api/v1/lines/waste/runs/..%2f..%2fx/artefacts/..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out_of_a_folder(server: RunningServer, path: str) -> None:
    """Whatever its encoding."""
    url = httpx.URL(server.url).copy_with(raw_path=path.encode())
    answer = server.client.send(server.client.build_request("GET", url))
    assert answer.status_code in (400, 404, 422)
    assert "root:" not in answer.text


def test_what_people_name_is_never_a_page(server: RunningServer) -> None:
    """A class, a line or a file with markup for a name comes back as data that no browser takes for a page."""
    markup = "<img src=x onerror=alert(1)>"
    server.client.post("/api/v1/lines", json={"name": "attacked"})
    made = server.client.post("/api/v1/lines/attacked/classes", json={"name": markup})
    answers = [
        made,
        server.client.get("/lines/attacked/classes"),
        server.client.get(f"/api/v1/lines/{markup}"),
        server.client.get(f"/{markup}", headers={"Accept": "*/*"}),
        server.client.post("/predict", files={"image": (markup, b"no picture")}),
    ]
    assert made.status_code in (201, 409)
    for answer in answers:
        assert answer.headers["content-type"].startswith(("application/json", "application/problem+json"))
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
