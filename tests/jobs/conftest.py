"""Crews: a database of a test's own, or one that the tests of a file share together with a worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import migrate
from tests.jobs.crews import Crew


@pytest.fixture
def crew(database_url: str, tmp_path: Path) -> Iterator[Crew]:
    """A crew without workers."""
    with _crew(database_url, tmp_path) as crew:
        yield crew


@pytest.fixture(scope="module")
def working(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """A crew with a worker that has been at work for a while; the tests of a file share it."""
    with _crew(shared_database_url, tmp_path_factory.mktemp("crew")) as crew:
        crew.start()
        crew.ended(crew.enqueue("tick"))
        yield crew


@contextmanager
def _crew(url: str, folder: Path) -> Iterator[Crew]:
    engine = connect(url)
    migrate(engine, metadata)
    crew = Crew(engine, url, folder)
    yield crew
    crew.close()
    engine.dispose()
