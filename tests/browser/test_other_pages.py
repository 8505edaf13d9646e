"""The other pages' main jobs, each done in a real browser against a real server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api.catalogue import CatalogueLine, zipped
from tests.browser.seeding import drawn, fill, working
from tests.browser.visiting import Visit, visiting
from tests.pictures import photo
from tests.running import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_person_signs_in_and_out(browser: Browser, server: RunningServer) -> None:
    """By name and password, to the pages of the role; signed out, only classifying is left."""
    server.client.post(
        "/api/v1/people", json={"name": "olga", "role": "operator", "password": "not a short one"}
    )
    with visiting(browser, server) as visit:
        page = visit.open("/sign-in")
        page.get_by_role("textbox", name="Name").fill("olga")
        page.get_by_role("textbox", name="Password").fill("wrong password")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        page.get_by_role("textbox", name="Password").fill("not a short one")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Review").wait_for()
        assert not page.get_by_role("link", name="People and keys").is_visible()

        page.get_by_role("button", name="Account").click()
        page.get_by_role("menuitem", name="Sign out", exact=True).click()
        page.get_by_role("link", name="Review").wait_for(state="detached")
        visit.open("/dashboard")
        page.get_by_role("heading", name="You may not see this page").wait_for()
        assert visit.faults("status of 401") == []


def test_the_dashboard_counts_what_came(visit: Visit) -> None:
    """Items, verdicts, latency, the model; a chart of the classes."""
    visit.server.client.post("/predict", files={"image": ("a.jpg", photo())}).raise_for_status()
    page = visit.open("/dashboard")
    page.get_by_role("heading", name="Items of each class").wait_for()
    page.locator(".recharts-surface").first.wait_for()
    page.get_by_text("Label controls in Review").or_(page.get_by_text("controls")).first.wait_for()
    page.get_by_text("7 days").click()
    page.wait_for_url("**span=7d*")
    assert visit.faults() == []


def test_a_zip_is_imported_and_its_report_read(visit: Visit, tmp_path: Path) -> None:
    """Progress, outcomes, refusals with their reasons; pictures, filters and one picture's label, undone."""
    line = CatalogueLine(visit.server)
    archive = tmp_path / "photos.zip"
    files = {f"{name}/{n}.jpg": data for n, (name, data) in enumerate(drawn(8))}
    archive.write_bytes(zipped(files | {"Red/broken.jpg": b"no picture"}))
    page = visit.open("/data/add", line.name)

    page.locator("#zip").set_input_files(archive)
    page.locator("[data-import=queued]").wait_for()
    line.work()

    page.locator("[data-import=done]").wait_for()
    page.get_by_text("8 added").wait_for()
    page.get_by_role("button", name=re.compile("Report")).click()
    page.get_by_role("dialog").get_by_text("broken.jpg").wait_for()
    page.keyboard.press("Escape")

    page.get_by_role("tab", name="Pictures").click()
    page.get_by_text("8 pictures").wait_for()
    page.get_by_label("Name contains").fill("0.jpg")
    page.get_by_text("1 picture", exact=True).wait_for()
    page.get_by_role("button", name=re.compile("Open")).click()
    page.get_by_role("dialog").get_by_role("combobox", name="Label").click()
    page.get_by_role("option", name="Blue").click()
    page.get_by_text("Labelled Blue").wait_for()
    page.get_by_role("alert").get_by_role("button", name="Undo").click()
    page.get_by_role("dialog").get_by_text("Undo", exact=False).first.wait_for()
    assert visit.faults() == []


def test_photos_with_their_classes_become_a_version(visit: Visit, tmp_path: Path) -> None:
    """A class for all, another for one; staged; a version of them; its difference from the first."""
    line = CatalogueLine(visit.server, "Glass", "Metal")
    line.add("Glass", 90)
    line.post("/versions", 201, json={"from": "staged"})
    page = visit.open("/data/add", line.name)
    photos = [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": photo(seed=n)} for n in (91, 92)]

    page.locator("#batch").set_input_files(photos)
    page.get_by_role("combobox", name="Class of all").click()
    page.get_by_role("option", name="Glass").click()
    page.get_by_role("combobox", name="Class of 92.jpg").click()
    page.get_by_role("option", name="Metal").click()
    page.get_by_role("button", name="Add 2 photos").click()
    page.get_by_text("Added", exact=True).nth(1).wait_for()

    page.get_by_role("tab", name="Staged labels").click()
    page.get_by_text("Staged: 2 pictures").wait_for()
    page.get_by_label("Name (optional)").fill("second")
    page.get_by_role("button", name="Make a version of them").click()
    page.get_by_text("Version 2 against 1").wait_for()
    page.get_by_text("Added 2").wait_for()
    assert line.get("/versions/active")["name"] == "second"
    assert visit.faults() == []


def test_a_run_is_started_watched_and_its_model_promoted(visit: Visit) -> None:
    """From the form to the verdict, live; then promoted on that evidence, which the ledger keeps; its job is listed."""
    line = CatalogueLine(visit.server)
    fill(visit.server, line.name, drawn(80))
    page = visit.open("/training", line.name)
    page.get_by_role("button", name="Start a run").click()
    page.get_by_label("What it is for").fill("a first try")
    with working(visit.server):
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_role("heading", name="Verdict").wait_for(timeout=600_000)
    page.get_by_role("tab", name="Comparison").wait_for()
    page.get_by_role("tab", name="Report").click()
    page.frame_locator("iframe").get_by_role("heading").first.wait_for()

    page.get_by_role("link", name="To the model").click()
    page.get_by_role("button", name="Promote").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("it is the first")
    dialog.get_by_role("button", name=re.compile("^Promote")).click()
    page.get_by_text(re.compile(r"^\S+ is live$")).wait_for()

    visit.open("/models?tab=ledger", line.name)
    page.get_by_role("cell", name="it is the first").wait_for()
    visit.open("/settings/jobs")
    page.get_by_role("button", name="Log").first.click()
    page.get_by_role("dialog").get_by_text("Asked for").wait_for()
    assert visit.faults() == []


def test_a_budget_is_previewed_and_used(visit: Visit) -> None:
    """What it comes to is shown as one types; by hand, a change can be undone."""
    page = visit.open("/settings/line")
    page.get_by_label("At most so many wrong among the accepted").fill("5")
    page.get_by_text("What this comes to").wait_for()
    page.get_by_role("button", name="Use this budget").click()
    page.get_by_text("In force", exact=True).wait_for()
    page.get_by_role("button", name="Set thresholds by hand").click()
    page.get_by_text("The thresholds are set by hand now").wait_for()
    assert visit.faults() == []


def test_a_class_is_added_and_says_what_to_do(visit: Visit) -> None:
    """Its tip is set, and shown in the list."""
    line = CatalogueLine(visit.server, "Glass")
    page = visit.open("/settings/line?tab=classes", line.name)
    page.get_by_label("Name of the class").fill("Cork")
    page.get_by_role("button", name="Add a class").click()
    page.get_by_role("button", name="Change Cork").click()
    page.get_by_role("menuitem", name="What to do with it").click()
    page.get_by_role("textbox", name="What to do with it").fill("Compost")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("cell", name="Compost").wait_for()
    assert visit.faults() == []


def test_people_and_keys_are_made_and_end(visit: Visit) -> None:
    """A person with a role; a key whose secret is shown once, then revoked; the changes are listed."""
    page = visit.open("/settings/people")
    page.get_by_role("button", name="Add a person").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("paul")
    dialog.get_by_label(re.compile("^Password")).fill("a long enough one")
    dialog.get_by_role("button", name="Add").click()
    page.get_by_role("cell", name="paul").wait_for()

    page.get_by_role("tab", name="API keys").click()
    page.get_by_role("button", name="Make a key").click()
    page.get_by_label("What it is for").fill("camera-7")
    page.get_by_role("button", name="Create").click()
    assert (page.locator("[data-secret]").text_content() or "").startswith("sl_")
    page.get_by_role("dialog").get_by_text("Close", exact=True).click()
    row = page.get_by_role("row", name=re.compile("camera-7"))
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    row.get_by_text("Revoked").wait_for()

    page.get_by_role("tab", name="Changes").click()
    page.get_by_role("cell", name="/api/v1/keys").first.wait_for()
    assert visit.faults() == []


def test_api_documentation_works_offline(visit: Visit) -> None:
    """Swagger UI draws our routes from installed files alone."""
    page = visit.page
    page.goto(f"{visit.url}/api/docs")
    page.locator(".opblock-summary-path", has_text=re.compile(r"/classify$")).first.click()
    page.locator(".opblock.is-open input[type=file]").first.wait_for()
    assert visit.faults() == []
