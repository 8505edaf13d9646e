"""Bad requests: each gets a problem document that names the cause, and the server goes on."""

import socket
from collections.abc import Iterator

import pytest

from tests.pictures import bad_inputs, photo
from tests.running import RunningServer, run_server

CLASSIFY = "/api/v1/lines/waste/classify"


@pytest.fixture(autouse=True)
def _still_answers(server: RunningServer) -> Iterator[None]:
    """After each refusal a good picture is classified as before."""
    yield
    assert server.client.post("/predict", files={"image": ("p.jpg", photo())}).status_code == 200


@pytest.mark.parametrize("name", sorted(bad_inputs()))
@pytest.mark.parametrize("url", [CLASSIFY, "/predict"])
def test_bad_picture_is_a_problem_that_says_why(server: RunningServer, url: str, name: str) -> None:
    """Whatever is wrong with the bytes, the answer is a 4xx problem with a type of its own and words for people."""
    answer = server.client.post(url, files={"image": (f"{name}.jpg", bad_inputs()[name], "image/jpeg")})
    document = answer.json()
    assert 400 <= answer.status_code < 500, document
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["status"] == answer.status_code
    assert document["type"].startswith("urn:sortline:")
    assert len(document["detail"]) > 20
    assert document["success"] is False
    assert document["error"] == document["detail"]


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (b"", "image/jpeg", "empty-image"),
        (b"", "multipart/form-data; boundary=x", "bad-multipart"),
        (b"hello", "text/plain", "not-an-image"),
        (b"{}", "application/json", "not-an-image"),
        (b"no boundary", "multipart/form-data", "bad-multipart"),
        (b"--x\r\n\r\nno headers\r\n--x--", "multipart/form-data; boundary=x", "bad-multipart"),
        (
            b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\ncut",
            "multipart/form-data; boundary=x",
            "bad-multipart",
        ),
    ],
)
def test_bad_body_is_a_problem_that_says_why(
    server: RunningServer, content: bytes, content_type: str, expected: str
) -> None:
    """Empty bodies, other types and broken forms are told apart."""
    answer = server.client.post(CLASSIFY, content=content, headers={"Content-Type": content_type})
    assert answer.json()["type"] == f"urn:sortline:{expected}"
    assert 400 <= answer.status_code < 500


def test_wrong_field_names_the_right_one(server: RunningServer) -> None:
    """A form without the expected field is told which it lacks and which it has."""
    answer = server.client.post(CLASSIFY, files={"picture": ("p.jpg", photo())})
    assert answer.json()["type"] == "urn:sortline:missing-image"
    assert "'image'" in answer.json()["detail"]
    assert "'picture'" in answer.json()["detail"]


def test_huge_upload_is_refused_before_it_is_read(server: RunningServer) -> None:
    """A body announced as 1 GB is refused from its headers, and none of it is waited for."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        head = f"POST {CLASSIFY} HTTP/1.1\r\nHost: {host}\r\nContent-Type: image/jpeg\r\n"
        connection.sendall(f"{head}Content-Length: {10**9}\r\n\r\n".encode() + b"\xff\xd8\xff")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert b"413" in answer.splitlines()[0]
    assert b"urn:sortline:body-too-large" in answer


def test_body_of_unknown_length_is_cut_at_the_limit(server: RunningServer) -> None:
    """A chunked body may not run past the limit either."""
    answer = server.client.post(
        CLASSIFY, content=(b"x" * 1_000_000 for _ in range(40)), headers={"Content-Type": "image/png"}
    )
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:sortline:body-too-large")


def test_unknown_line_names_those_there_are(server: RunningServer) -> None:
    """A wrong line is a 404 that lists the lines."""
    answer = server.client.post("/api/v1/lines/wast/classify", files={"image": ("p.jpg", photo())})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:sortline:unknown-line")
    assert "waste" in answer.json()["detail"]


def test_line_without_model_says_what_to_do(server: RunningServer) -> None:
    """Until a bundle is promoted, a line answers 409 and names the next step."""
    assert server.client.post("/api/v1/lines", json={"name": "bare"}).status_code in (201, 409)
    for url in ("/api/v1/lines/bare/classify", "/lines/bare/predict"):
        answer = server.client.post(url, files={"image": ("p.jpg", photo())})
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:sortline:no-model")
        assert "sortline models promote" in answer.json()["detail"]
    assert server.client.get("/lines/bare/health").status_code == 503


@pytest.mark.parametrize(
    "policy",
    [
        '{"min_confidence": 2}',
        '{"sample_share": -1}',
        '{"no_such_setting": 1}',
        '{"detector": "guess"}',
        '{"ood_threshold": NaN}',
        '{"ood_threshold": 1e999}',
        '{"watched": ["\\ud800"]}',
        '{"watched": ["a\\u0000"]}',
    ],
)
def test_bad_policy_changes_nothing(server: RunningServer, policy: str) -> None:
    """A policy with an unknown setting or a value out of range is refused, and the old one stays."""
    before = server.client.get("/api/v1/lines/waste").json()["policy"]
    answer = server.client.patch(
        "/api/v1/lines/waste",
        content=f'{{"policy": {policy}}}',
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:sortline:invalid-policy")
    assert server.client.get("/api/v1/lines/waste").json()["policy"] == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/lines/waste/counts?to=0001-01-01T00:00:00", 422),
        ("/api/v1/lines/waste/counts?from=9999-12-31T23:59:59", 422),
        ("/api/v1/lines/waste/predictions?class=%00", 422),
        ("/lines/nowhere/stats", 404),
        ("/lines/nowhere/classes", 404),
    ],
)
def test_odd_questions_are_refused(server: RunningServer, path: str, status: int) -> None:
    """What cannot be answered is told apart from what is not there, on both databases."""
    assert server.client.get(path).status_code == status


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("models/waste", "path.model: should be a bundle's hash or its first 6 characters at least"),
        ("runs/newest", "path.run_id: should be an id, 32 hex digits"),
        ("images/photo.jpg", "path.sha256: should be a picture's SHA-256, 64 hex digits"),
    ],
)
def test_a_reference_of_another_kind_is_told_in_words(server: RunningServer, path: str, words: str) -> None:
    """A pattern says nothing to a person."""
    answer = server.client.get(f"/api/v1/lines/waste/{path}")
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert "^" not in answer.json()["detail"]


def test_form_of_very_many_fields_is_refused(server: RunningServer) -> None:
    """Reading stops at the first field too many."""
    body = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 400_000 + b"--b--"
    answer = server.client.post(
        CLASSIFY + "/batch", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.json()["type"] == "urn:sortline:too-many-images"


def test_idle_upload_holds_no_place_of_others(server: RunningServer) -> None:
    """Clients that announce much and send nothing take nothing from the bytes the server may hold."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /predict/batch HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    )
    idle = [socket.create_connection((host, int(port))) for _ in range(3)]
    for connection in idle:
        connection.sendall(f"{head}Content-Length: {2**27}\r\n\r\n".encode())
    assert server.client.post("/predict", files={"image": ("p.jpg", photo())}).status_code == 200
    for connection in idle:
        connection.close()


def test_full_server_says_when_to_come_back(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Beyond its places and its bytes a server answers 503 with Retry-After, and holds nothing."""
    with run_server(tmp_path_factory.mktemp("full"), max_request_bytes=1000) as small:
        answer = small.client.post(CLASSIFY, files={"image": ("p.jpg", photo())})
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:sortline:overloaded")
        assert int(answer.headers["Retry-After"]) >= 1
        assert small.services.admission.bytes == small.services.admission.requests == 0
