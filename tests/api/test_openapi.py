"""The API as it describes itself: complete, and never a 5xx whatever fits (or breaks) the description."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from sortline.api.app import create_app
from sortline.settings import Settings
from tests.running import run_server

DOCUMENT = create_app(Settings()).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)


# What no answer may hold: how the server was built, and what it keeps secret.
LEAKS = ("Traceback", "sqlalchemy", "$argon2", "SELECT ")


@dataclass
class Fuzzed:
    """A server that may be left in any state, and what its callers send, one after the other."""

    url: str
    callers: Iterator[dict[str, str]]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """Half of what is sent is an admin's, so that it reaches the routes: by address, since a key would get revoked."""
    folder = tmp_path_factory.mktemp("fuzzed")
    with run_server(folder, host="0.0.0.0", trust=("127.0.0.1=admin",)) as server:
        people = []
        for role in ("viewer", "operator", "trainer"):
            who = {"name": f"a-{role}", "role": role, "password": "correct horse battery"}
            server.client.post("/api/v1/people", json=who).raise_for_status()
            signed_in = httpx.post(
                f"{server.url}/api/v1/session", json={k: who[k] for k in ("name", "password")}
            )
            cookie = signed_in.headers["set-cookie"].partition(";")[0]
            people += [{"Cookie": cookie, "Origin": server.url}, {}]
        yield Fuzzed(server.url, cycle(people))


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
def test_no_request_breaks_the_server(case: schemathesis.Case, fuzzed: Fuzzed) -> None:
    """Every operation answers what it promises, or a problem below 500, whoever asks; and gives nothing away."""
    case.headers.pop("Authorization", None)  # an invented key would be refused each time
    case.cookies.clear()
    answer = case.call(base_url=fuzzed.url, headers=next(fuzzed.callers))
    assert [leak for leak in LEAKS if leak in answer.text] == []
    case.validate_response(
        answer, checks=[not_a_server_error, response_schema_conformance, content_type_conformance]
    )


def test_every_operation_says_what_it_does() -> None:
    """Each operation has a summary and a description, and each parameter of ours is documented or plain."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
