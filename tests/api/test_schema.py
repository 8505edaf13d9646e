"""The OpenAPI document that the web app's types are generated from."""

from pathlib import Path

from sortline.api.schema import text

COMMITTED = Path(__file__).parents[2] / "frontend" / "openapi.json"


def test_the_committed_document_is_that_of_the_api() -> None:
    """The web app is built without the API at hand; `make types` brings both together again."""
    assert COMMITTED.read_text() == text(), "frontend/openapi.json is older than the API: make types"
