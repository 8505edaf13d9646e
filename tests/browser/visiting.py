"""A visitor of the web app in a real browser, under the server's own CSP, and all that goes wrong on the way."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw

from sortline.cli.links import sign_in_link
from tests.running import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

CHROMIUM = Path(os.environ.get("SORTLINE_TEST_CHROMIUM", "/usr/bin/chromium"))
DATA = Path(os.environ.get("SORTLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# The last five keep Chromium from calling home, which would count as foreign requests.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]

WATCH_CSP = """
window.violations = [];
addEventListener("securitypolicyviolation", e => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""
DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""
SERIOUS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations
    .filter(one => ["serious", "critical"].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
}"""


class Visit:
    """A page, and all that went wrong on it."""

    def __init__(self, page: Page, server: RunningServer) -> None:
        self.page, self.server = page, server
        self.url = server.url
        self._wrong: list[str] = []
        page.set_default_timeout(120_000)
        page.add_init_script(WATCH_CSP)
        page.on("console", lambda m: self._wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self._wrong.append(f"script: {error}"))
        page.on("requestfailed", self._note_failed)
        page.on("request", self._note_foreign)

    def sign_in(self) -> None:
        """As this machine's admin, by a one-time link."""
        services = self.server.services
        link = sign_in_link(services.engine, services.settings)
        assert link is not None
        self.page.goto(f"{self.url}{link.path}")
        self.page.get_by_role("navigation").get_by_text("Review").wait_for()

    def open(self, path: str, line: str | None = None) -> Page:
        """A page of the app, loaded anew, of a line."""
        self._wrong.clear()
        at = "" if line is None else f"{'&' if '?' in path else '?'}line={line}"
        self.page.goto(f"{self.url}{path}{at}")
        self.page.get_by_role("heading", level=1).wait_for()
        return self.page

    def settle(self) -> None:
        """Nothing loads any more, and charts are drawn."""
        self.page.locator("[role=status][aria-label=Loading]").first.wait_for(state="detached")
        self.page.wait_for_timeout(100)

    def drop(self, name: str, data: bytes, media_type: str = "image/jpeg") -> None:
        """Lets go of a file over the window."""
        self.page.evaluate(DROP, [name, media_type, base64.b64encode(data).decode()])

    def faults(self, *expected: str) -> list[str]:
        """Console and script errors, failed and foreign requests, CSP violations; without those that are expected."""
        found = self._wrong + [f"csp: {violation}" for violation in self.page.evaluate("violations")]
        return [one for one in found if not any(words in one for words in expected)]

    def serious(self) -> list[str]:
        """What axe finds to be serious or worse. Its source is evaluated: the CSP blocks a script of others."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text())
        found: list[str] = self.page.evaluate(SERIOUS)
        return found

    def _note_foreign(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:", f"blob:{self.url}/")):
            self._wrong.append(f"foreign: {request.url}")

    def _note_failed(self, request: Request) -> None:
        # What a page no longer waits for, since it was left, is no failure.
        if request.failure != "net::ERR_ABORTED":
            self._wrong.append(f"failed: {request.url} {request.failure}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
    if not CHROMIUM.exists():
        if "SORTLINE_TEST_CHROMIUM" in os.environ:  # asked for, so its absence is no reason to pass
            pytest.fail(f"SORTLINE_TEST_CHROMIUM names {CHROMIUM}, which is not there")
        pytest.skip(f"no Chromium at {CHROMIUM}; install it or set SORTLINE_TEST_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser, server: RunningServer, **options: Any) -> Iterator[Visit]:
    """A fresh visitor; `options` are the browser context's."""
    context = browser.new_context(
        **{"reduced_motion": "reduce", "viewport": {"width": 1280, "height": 860}, **options}
    )
    yield Visit(context.new_page(), server)
    context.close()


def a_photo() -> tuple[str, bytes]:
    """A real photo where the data folder is there, else a drawn one."""
    real = sorted((DATA / "realwaste-524").glob("*/*.jpg"))
    if real:
        return real[0].name, real[0].read_bytes()
    image = Image.new("RGB", (320, 240), "tan")
    ImageDraw.Draw(image).ellipse((90, 40, 230, 200), fill="seagreen", outline="black", width=4)
    file = io.BytesIO()
    image.save(file, "JPEG")
    return "drawn.jpg", file.getvalue()
