"""What tests of the web app share: a browser, and a visitor signed in as this machine's admin."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from sortline.api.webapp_files import FOLDER
from tests.browser.visiting import Visit, chromium, visiting
from tests.running import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium, for a web app that is built.

    Each file opens one: while it is open, an event loop runs in this thread, and no worker starts beside that.
    """
    if not (FOLDER / "index.html").exists():
        pytest.fail("the web app is not built: python frontend/build.py")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: "Browser", server: RunningServer) -> Iterator[Visit]:
    """A visitor who is signed in."""
    with visiting(browser, server) as visit:
        visit.sign_in()
        yield visit
