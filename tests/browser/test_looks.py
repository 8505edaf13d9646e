"""Every page in both colour schemes: nothing serious for axe, nothing foreign, nothing broken; and a picture of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.catalogue import CatalogueLine
from tests.browser.seeding import classified, drawn, fill, photos, ran, to_review
from tests.browser.visiting import Visit, a_photo, visiting
from tests.running import RunningServer, run_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

PAGES = {
    "classify": "/",
    "review": "/review",
    "review-grid": "/review?mode=grid",
    "review-clusters": "/review?mode=clusters",
    "review-queue": "/review?mode=queue",
    "review-figures": "/review?mode=figures",
    "dashboard": "/dashboard",
    "pictures": "/data",
    "versions": "/data/versions",
    "add": "/data/add",
    "insights": "/data/insights",
    "duplicates": "/data/duplicates",
    "staged": "/data/staged",
    "training": "/training?line={trained}",
    "run": "/training/{run}?line={trained}",
    "models": "/models?line={trained}",
    "ledger": "/models?tab=ledger&line={trained}",
    "model": "/models/{model}?line={trained}",
    "compare": "/models/compare?a={live}&b={model}&line={trained}",
    "policy": "/settings/line",
    "classes": "/settings/line?tab=classes",
    "line": "/settings/line?tab=line",
    "people": "/settings/people",
    "jobs": "/settings/jobs",
}


DESK: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}


class Seeded:
    """A server whose default line has seen some work, and the addresses of what came of it."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        line = server.client.get("/api/v1/lines").json()["lines"][0]
        pictures = photos(60)
        classified(server, line["name"], pictures[:18])
        fill(server, line["name"], pictures)
        to_review(server, line["name"], 4)
        # A line of its own without a model: its run has nothing to be held against, which takes a third of the time.
        trained = CatalogueLine(server)
        fill(server, trained.name, drawn(40))
        run = ran(server, trained.name, note="first labels")
        archive = server.client.get(f"/api/v1/lines/{line['name']}/models/live/download").content
        trained.post("/models", 201, files={"file": ("waste.zip", archive)})
        made = run["bundle"]["hash"]
        trained.post(f"/models/{made}/promote", 201, json={"force": True, "reason": "the first"})
        image = server.client.get(f"/api/v1/lines/{line['name']}/images").json()["images"][0]
        label = f"/api/v1/lines/{line['name']}/images/{image['sha256']}/label"
        server.client.put(label, json={"class": line["classes"][0]}).raise_for_status()
        server.client.post(
            "/api/v1/people", json={"name": "ada", "role": "operator", "password": "a long password"}
        ).raise_for_status()

        self.places = {
            "run": run["id"],
            "model": made,
            "live": line["model"]["hash"],
            "trained": trained.name,
        }


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeded]:
    """One server with something to see on every page."""
    with run_server(tmp_path_factory.mktemp("looks")) as server:
        yield Seeded(server)


@pytest.fixture(scope="module")
def looking(browser: Browser, seeded: Seeded) -> Iterator[Visit]:
    """A visitor who is signed in."""
    with visiting(browser, seeded.server) as visit:
        visit.sign_in()
        yield visit


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_by_everyone(name: str, looking: Visit, seeded: Seeded, tmp_path: Path) -> None:
    """Contrast, names and roles as axe sees them, in light and dark; on a phone, too; no fault of the browser's."""
    page = looking.open(PAGES[name].format(**seeded.places))
    if name == "classify":
        looking.drop(*a_photo())
        page.locator(".confidence").wait_for()
    looking.settle()
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.screenshot(path=shot(tmp_path, f"{name}-{scheme}"), full_page=True)
        found[scheme] = looking.serious()
    page.set_viewport_size(PHONE)
    page.screenshot(path=shot(tmp_path, f"{name}-phone"), full_page=True)
    sideways = page.evaluate("document.documentElement.scrollWidth") - PHONE["width"]
    page.set_viewport_size(DESK)
    assert found == {"light": [], "dark": []}
    assert sideways <= 0
    assert looking.faults() == []


def shot(tmp_path: Path, name: str) -> Path:
    """Where a screenshot goes: $SORTLINE_TEST_SHOTS, or the test's own folder."""
    folder = Path(os.environ.get("SORTLINE_TEST_SHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.png"
