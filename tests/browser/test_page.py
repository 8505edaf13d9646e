"""The page at `/` and the API documentation, used in a real browser under the server's own CSP."""

import base64
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FileChooser, Page, Request

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")

CHROMIUM = Path(os.environ.get("SORTLINE_TEST_CHROMIUM", "/usr/bin/chromium"))
DATA = Path(os.environ.get("SORTLINE_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
# The last five keep Chromium from calling home, which would count as foreign requests.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync"]

WATCH_CSP = """
window.violations = [];
addEventListener("securitypolicyviolation", e => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""
DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  document.querySelector("#drop").dispatchEvent(drop);
}"""


class Visit:
    """A page, and all that went wrong on it."""

    def __init__(self, page: "Page", server_url: str) -> None:
        self.page = page
        self.url = server_url.rstrip("/")
        self._wrong: list[str] = []
        page.add_init_script(WATCH_CSP)
        page.on("console", lambda m: self._wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self._wrong.append(f"script: {error}"))
        page.on("requestfailed", lambda r: self._wrong.append(f"failed: {r.url}"))
        page.on("request", self._note_foreign)

    def faults(self) -> list[str]:
        """Console and script errors, failed and foreign requests, CSP violations."""
        return self._wrong + [f"csp: {violation}" for violation in self.page.evaluate("violations")]

    def drop(self, name: str, data: bytes, media_type: str = "image/jpeg") -> None:
        """Lets go of a file over the drop zone."""
        self.page.evaluate(DROP, [name, media_type, base64.b64encode(data).decode()])

    def _note_foreign(self, request: "Request") -> None:
        if not request.url.startswith((f"{self.url}/", "data:", f"blob:{self.url}/")):
            self._wrong.append(f"foreign: {request.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium."""
    if not CHROMIUM.exists():
        if "SORTLINE_TEST_CHROMIUM" in os.environ:  # asked for, so its absence is no reason to pass
            pytest.fail(f"SORTLINE_TEST_CHROMIUM names {CHROMIUM}, which is not there")
        pytest.skip(f"no Chromium at {CHROMIUM}; install it or set SORTLINE_TEST_CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def visit(browser: "Browser", server_url: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A fresh visitor, once in each colour scheme."""
    context = browser.new_context(color_scheme=request.param, reduced_motion="reduce")
    yield Visit(context.new_page(), server_url)
    context.close()


def test_a_dropped_photo_gets_class_and_verdict(visit: Visit, tmp_path: Path) -> None:
    """Dropping a photo shows a class the line knows, a confidence, a verdict and the curl line."""
    page = visit.page
    page.goto(visit.url)
    page.wait_for_selector("#classes li")
    known = page.locator("#classes li").all_text_contents()

    name, photo = a_photo()
    visit.drop(name, photo)

    card = page.locator(".card[data-state=accept], .card[data-state=review]")
    card.wait_for()
    assert card.locator(".class").text_content() in known
    assert re.fullmatch(r"[<>]?\d+(\.\d)?%", card.locator(".confidence").text_content() or "")
    assert re.match(r"Accept|Review: \w+", card.locator(".badge").text_content() or "")
    assert card.locator(".bars.top li").count() == min(5, len(known))
    assert card.locator(".curl code").text_content() == f"curl -F image=@{name} {visit.url}/predict"
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert visit.faults() == []


def test_shows_where_the_network_looked(visit: Visit, tmp_path: Path) -> None:
    """The toggle lays the activation map over the photo, and takes it away again."""
    page = visit.page
    page.goto(visit.url)
    page.wait_for_selector("#classes li")
    visit.drop(*a_photo())

    page.get_by_role("button", name="Show where it looked").click()
    page.locator(".heat").wait_for(state="visible")
    page.screenshot(path=tmp_path / "looked.png")
    page.get_by_role("button", name="Hide where it looked").click()

    page.locator(".heat").wait_for(state="hidden")
    assert visit.faults() == []


def test_a_file_that_is_no_picture_says_so_and_stays_text(visit: Visit) -> None:
    """A refused file shows the server's reason and no retry; its hostile name is shown, not run."""
    page = visit.page
    page.goto(visit.url)
    page.wait_for_selector("#classes li")
    name = '<img src=x onerror="document.title=1">.jpg'

    visit.drop(name, b"no picture at all")

    card = page.locator(".card[data-state=error]")
    card.wait_for()
    assert card.locator(".file").text_content() == name
    assert len(card.locator(".problem-detail").text_content() or "") > 10
    assert not card.get_by_role("button", name="Try again").is_visible()  # it would be refused again
    assert page.title() == "Sortline"
    # Chromium itself reports the 4xx answer, which is what this test asked for.
    assert [fault for fault in visit.faults() if "status of 4" not in fault] == []


def test_the_keyboard_reaches_the_file_chooser(visit: Visit) -> None:
    """Enter and Space on the drop zone open the file chooser."""
    page = visit.page
    # Listening before the page loads: told later, Chromium opens the first chooser itself.
    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.goto(visit.url)
    for presses, key in enumerate(("Enter", "Space"), start=1):
        page.locator("#drop").focus()
        page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert len(choosers) == presses
        assert choosers[-1].is_multiple()


def test_a_phone_needs_no_sideways_scrolling(browser: "Browser", server_url: str, tmp_path: Path) -> None:
    """At 360 px width a result fits."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    visit = Visit(context.new_page(), server_url)
    visit.page.goto(visit.url)
    visit.page.wait_for_selector("#classes li")
    visit.drop(*a_photo())
    visit.page.locator(".confidence").wait_for()

    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360
    visit.page.screenshot(path=tmp_path / "phone.png", full_page=True)
    context.close()


def test_api_documentation_works_offline(visit: Visit, tmp_path: Path) -> None:
    """Swagger UI draws our routes from installed files alone."""
    page = visit.page
    page.goto(f"{visit.url}/api/docs")

    page.locator(".opblock-summary-path", has_text=re.compile(r"/classify$")).first.click()

    page.locator(".opblock.is-open input[type=file]").first.wait_for()
    page.screenshot(path=tmp_path / "docs.png")
    assert visit.faults() == []


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
