"""The API as it describes itself: complete, and never a 5xx whatever fits (or breaks) the description."""

from collections.abc import Iterator

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


@pytest.fixture(scope="module")
def fuzzed_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that may be left in any state, and asks nobody who they are: what is sent reaches the routes."""
    with run_server(tmp_path_factory.mktemp("fuzzed"), insecure=True) as server:
        yield server.url


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
def test_no_request_breaks_the_server(case: schemathesis.Case, fuzzed_url: str) -> None:
    """Every operation answers what it promises, or a problem below 500."""
    answer = case.call(base_url=fuzzed_url)
    case.validate_response(
        answer, checks=[not_a_server_error, response_schema_conformance, content_type_conformance]
    )


def test_every_operation_says_what_it_does() -> None:
    """Each operation has a summary and a description, and each parameter of ours is documented or plain."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
