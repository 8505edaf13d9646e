"""Data's pictures, scrolled in a real browser."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime

from sortline.catalogue.entry import NewPicture
from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.adding import add_pictures
from sortline.db.session import writing
from tests.api.catalogue import CatalogueLine
from tests.browser.visiting import Visit
from tests.running import RunningServer

DOWN = "scrollTo(0, document.documentElement.scrollHeight)"


def test_a_long_list_is_drawn_where_it_is_seen(visit: Visit, server: RunningServer) -> None:
    """Scrolled to its end, every picture was loaded, and the page holds no more of them than fit around the window."""
    line = CatalogueLine(server)
    with writing(server.services.engine) as session:
        add_pictures(
            session,
            server.services.live[line.name].id,
            [picture(n) for n in range(450)],
            origin="import",
            who="tests",
            trained=lambda _: None,
        )
    page = visit.open("/data", line.name)
    page.get_by_text("400+ pictures").wait_for()  # what is ahead is asked for before it is needed

    page.evaluate(DOWN)
    page.get_by_text("450 pictures").wait_for()
    page.evaluate(DOWN)
    page.get_by_role("button", name="Open 0.jpg").wait_for()

    assert page.locator(".sl-tile").count() < 100
    # Their pixels are nowhere, which Chromium tells of.
    assert visit.faults("status of 4", "status of 5") == []


def picture(number: int) -> NewPicture:
    """A picture that nobody took, for the catalogue alone."""
    record = ImageRecord(
        sha256=hashlib.sha256(f"unseen {number}".encode()).hexdigest(),
        media_type="image/jpeg",
        format="jpeg",
        bytes=20_000,
        width=320,
        height=240,
        brightness=120.0,
        sharpness=200.0,
        source="import",
        client=None,
        first_seen=datetime.now(UTC),
        phash=random.Random(number).randbytes(148),
    )
    return NewPicture(image=record, class_id=None, declared=None, source="import", name=f"{number}.jpg")
