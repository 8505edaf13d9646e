"""Classify, used in a real browser: photos in, verdicts out, corrections back."""

import re
from typing import TYPE_CHECKING

from tests.browser.visiting import Visit, a_photo, visiting
from tests.running import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_dropped_photo_gets_class_and_verdict(visit: Visit) -> None:
    """A class the line knows, a confidence, a verdict, where it looked; and "that is wrong" is kept."""
    page = visit.open("/")
    page.wait_for_selector("#classes li")
    known = page.locator("#classes li").all_text_contents()
    name, photo = a_photo()

    visit.drop(name, photo)

    card = page.locator("article[data-state=accept], article[data-state=review]")
    card.wait_for()
    shown = card.locator(".class").text_content()
    assert shown in known
    assert re.fullmatch(r"[<>]?\d+(\.\d)?%", card.locator(".confidence").text_content() or "")
    assert re.match(r"Accept|Review: \w+", card.locator(".verdict").text_content() or "")
    assert card.locator(".top li").count() == min(5, len(known))
    assert card.locator(".command code").text_content() == f"curl -F image=@{name} {visit.url}/predict"

    card.get_by_role("button", name="Show where it looked").click()
    card.locator(".sl-heat").wait_for(state="visible")

    card.get_by_role("button", name="That is wrong").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").click()
    right = next(name for name in known if name != shown)
    page.get_by_role("option", name=right, exact=True).click()
    dialog.get_by_role("button", name="Send the correction").click()
    card.get_by_text(f"Corrected to {right}").wait_for()
    assert visit.faults() == []


def test_many_photos_can_be_stopped_filtered_and_cleared(visit: Visit) -> None:
    """Each has a card of its own; Clear all leaves none."""
    page = visit.open("/")
    page.wait_for_selector("#classes li")
    _, photo = a_photo()
    files = [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": photo} for n in range(6)]

    page.locator("#files").set_input_files(files)

    page.get_by_role("heading", name="6 photos").wait_for()
    assert page.locator("article").count() == 6
    page.get_by_role("button", name="Clear all").click()
    page.locator("article").first.wait_for(state="detached")
    assert visit.faults() == []


def test_a_file_that_is_no_picture_says_so_and_stays_text(visit: Visit) -> None:
    """A refused file shows the server's reason and no retry; its hostile name is shown, not run."""
    page = visit.open("/")
    page.wait_for_selector("#classes li")
    name = '<img src=x onerror="document.title=1">.jpg'

    visit.drop(name, b"no picture at all")

    card = page.locator("article[data-state=failed]")
    card.wait_for()
    assert card.locator(".file").text_content() == name
    assert len(card.locator(".problem").text_content() or "") > 20
    assert not card.get_by_role("button", name="Try again").is_visible()  # it would be refused again
    assert "Sortline" in page.title()
    # Chromium itself reports the 4xx answer, which is what this test asked for.
    assert visit.faults("status of 4") == []


def test_the_camera_takes_a_photo(visit: Visit) -> None:
    """The photo is classified like any other; Chromium draws what the camera sees."""
    page = visit.open("/")
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the photo").click()
    page.locator("article .file", has_text="camera-").wait_for()
    assert visit.faults() == []


def test_a_phone_needs_no_sideways_scrolling(browser: "Browser", server: RunningServer) -> None:
    """At 360 px width a result fits, and the menu opens; somebody who is not signed in may classify."""
    with visiting(
        browser, server, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True
    ) as visit:
        page = visit.open("/")
        page.wait_for_selector("#classes li")
        visit.drop(*a_photo())
        page.locator(".confidence").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Models").wait_for()
        assert not page.get_by_role("link", name="Training").is_visible()
        assert visit.faults() == []
