"""Review, worked by keyboard alone in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.api.catalogue import CatalogueLine
from tests.browser.seeding import to_review
from tests.browser.visiting import Visit, visiting
from tests.running import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

# Presses each key once another picture stands there, decoded and painted.
PRESSED = """async keys => {
  const shown = () => document.querySelector("[data-item]")?.dataset.item;
  const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  for (const key of keys) {
    const before = shown();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    while (shown() === before) await painted();
    const image = document.querySelector("[data-item]");
    if (image && !image.complete) await image.decode();
    await painted();
  }
}"""


def a_line(server: RunningServer, waiting: int) -> CatalogueLine:
    """A line with two classes and so many pictures that wait for a person."""
    line = CatalogueLine(server, "Glass", "Metal")
    to_review(server, line.name, waiting)
    return line


def test_pictures_are_labelled_by_keyboard_alone(visit: Visit) -> None:
    """A key gives a class, S passes on, X sets aside, U takes back, N makes a class; the server has it all."""
    line = a_line(visit.server, 6)
    page = visit.open("/review", line.name)
    page.get_by_text("6 waiting").wait_for()

    for key, waiting in (("1", 5), ("2", 4), ("u", 5), ("2", 4), ("x", 3)):
        page.keyboard.press(key)
        page.get_by_text(f"{waiting} waiting").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Working by keyboard").wait_for()
    # Who types on does not wait for the dialog to be gone.
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    page.get_by_text("4 waiting").wait_for()
    page.keyboard.press("x")
    page.get_by_text("3 waiting").wait_for()
    page.keyboard.press("n")
    page.get_by_role("textbox", name="Name of the new class").fill("Cork")
    page.keyboard.press("Enter")
    page.get_by_text("2 waiting").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("met")
    page.keyboard.press("Enter")
    page.get_by_text("1 waiting").wait_for()

    page.wait_for_load_state("networkidle")
    decided = {one["label"] for one in line.get("/review", state="done")["items"]}
    assert decided == {"Glass", "Metal", "Cork"}
    assert len(line.get("/review", state="unusable")["items"]) == 1
    assert visit.faults() == []


def test_several_are_selected_and_labelled_at_once(visit: Visit) -> None:
    """In the grid: arrows, Space, Shift; one key labels them; Undo brings them back."""
    line = a_line(visit.server, 5)
    page = visit.open("/review?mode=grid", line.name)
    page.get_by_text("5 waiting").wait_for()
    page.locator("[data-tile]").first.focus()

    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.get_by_text("3 selected").wait_for()
    page.keyboard.press("2")

    page.get_by_text("2 waiting").wait_for()
    page.keyboard.press("u")
    page.get_by_text("5 waiting").wait_for()
    page.keyboard.press("Control+a")
    page.get_by_text("5 selected").wait_for()
    page.keyboard.press("1")
    page.get_by_text("Nothing waits for a person").wait_for()
    page.wait_for_load_state("networkidle")
    assert {one["label"] for one in line.get("/review", state="done")["items"]} == {"Glass"}
    assert visit.faults() == []


def test_pictures_in_a_row_wait_for_no_answer(browser: Browser, server: RunningServer) -> None:
    """The next picture comes though the server has not answered what was decided; then all of it is decided."""
    line = a_line(server, 71)
    with visiting(browser, server) as visit:
        visit.sign_in()
        page = visit.open("/review", line.name)
        page.get_by_text("71 waiting").wait_for()
        page.locator("[data-item]").wait_for()
        asked: list[Route] = []

        def hold_the_first(route: Route) -> None:
            asked.append(route)
            if len(asked) > 1:
                route.continue_()

        page.route("**/review/decide", hold_the_first)

        page.evaluate(PRESSED, [str(1 + n % 2) for n in range(20)])

        assert len(asked) == 1
        asked[0].continue_()
        # More than are held ahead, so that some are leased on the way.
        page.evaluate(PRESSED, [str(1 + n % 2) for n in range(50)])
        page.get_by_text(re.compile("^1 waiting")).wait_for()
        page.wait_for_load_state("networkidle")
        assert line.get("/review/stats")["people"][0]["labels"] == 70
        assert visit.faults() == []
