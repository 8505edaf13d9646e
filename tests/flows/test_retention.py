"""Accepted pictures: kept as the line says, let go of when their time has come, forgotten by source."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import Engine

from sortline.catalogue.image import ImageRecord
from sortline.catalogue.store.images import add_images, get_image
from sortline.db.ids import first_id, new_id
from sortline.db.session import reading, writing
from sortline.flows import retention
from sortline.flows.erase import erase_source
from sortline.flows.retention import Kept, expire
from sortline.jobs import store as jobs
from sortline.lines import store as lines
from sortline.lines.line import Line
from sortline.monitoring import store as monitoring
from sortline.monitoring.kept_store import keep_accepted, kept_before, kept_for
from sortline.monitoring.recorded import KeptPicture
from sortline.review.store.items import get_item, open_or_join
from sortline.storage.objects import ObjectBlobs
from tests.catalogue.test_entries_store import add, line_with, picture
from tests.monitoring.test_monitoring_store import prediction
from tests.pictures import drawn, encode, exif_with
from tests.review.test_review_store import sighting
from tests.running import RunningServer
from tests.training_runs import done, installed

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Keeper:
    """A line with pictures of accepted items."""

    kept: Kept
    line_id: int

    def accept(self, name: str, *, days_ago: float, source: str = "belt-1") -> str:
        """The hash of a picture that was accepted so long ago and kept."""
        sha256, at = hashlib.sha256(name.encode()).hexdigest(), NOW - timedelta(days=days_ago)
        prediction_id = first_id(at)[:12] + new_id()[12:]
        self.kept.blobs.put_many([(sha256, b"pixels")])
        with writing(self.kept.engine) as session:
            rows = [prediction(self.line_id, id=prediction_id, at=at, source=source)]
            monitoring.record(session, rows)
            add_images(session, [record(sha256, source)])
            kept = KeptPicture(
                line_id=self.line_id, prediction_id=prediction_id, image_sha256=sha256, source=source
            )
            keep_accepted(session, [kept])
        return sha256

    def line(self, share: float, days: int | None) -> Line:
        """The line, which keeps this much."""
        with writing(self.kept.engine) as session:
            name = lines.line_by_id(session, self.line_id).name
            return lines.set_retention(session, name, share=share, days=days)

    def there(self, sha256: str) -> tuple[bool, bool]:
        """Whether a picture's bytes are there, and its row."""
        with reading(self.kept.engine) as session:
            return self.kept.blobs.exists(sha256), get_image(session, sha256) is not None


def record(sha256: str, source: str) -> ImageRecord:
    """What is known of a picture."""
    return ImageRecord(
        sha256=sha256,
        media_type="image/jpeg",
        bytes=6,
        width=64,
        height=64,
        brightness=100.0,
        sharpness=50.0,
        source=source,
        client="10.0.0.7",
        first_seen=NOW,
    )


@pytest.fixture
def keeper(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """A line whose pictures count as old enough to be let go of as soon as they are there."""
    monkeypatch.setattr(retention, "_YOUNG", -timedelta(hours=1))
    with writing(engine) as session:
        line, _ = line_with(session, "Glass")
    return Keeper(Kept(engine=engine, blobs=ObjectBlobs(), thumbnails={160: ObjectBlobs()}), line)


def test_pictures_are_let_go_of_when_their_days_are_over(keeper: Keeper) -> None:
    """Of two pictures the one older than thirty days goes, row and bytes, and is counted."""
    old, fresh = keeper.accept("old", days_ago=31), keeper.accept("fresh", days_ago=29)
    removed = expire(keeper.kept, keeper.line(0.5, 30), NOW)
    assert (removed.pictures, removed.bytes, removed.shared) == (1, 6, 0)
    assert keeper.there(old) == (False, False)
    assert keeper.there(fresh) == (True, True)
    assert expire(keeper.kept, keeper.line(0.5, 30), NOW).pictures == 0


def test_a_line_that_keeps_nothing_any_more_lets_go_of_all(keeper: Keeper) -> None:
    """With a share of 0 everything goes; with a share and no days nothing ever does."""
    fresh = keeper.accept("fresh", days_ago=0)
    assert expire(keeper.kept, keeper.line(0.1, None), NOW).pictures == 0
    assert expire(keeper.kept, keeper.line(0.0, None), NOW).pictures == 1
    assert keeper.there(fresh) == (False, False)


def test_pictures_that_others_need_stay(keeper: Keeper) -> None:
    """One that is catalogued, one that was set aside, one that another line keeps; this line keeps them no longer."""
    engine = keeper.kept.engine
    names = {name: keeper.accept(name, days_ago=90) for name in ("catalogued", "reviewed", "other", "lonely")}
    with writing(engine) as session:
        add(session, keeper.line_id, picture("catalogued", None))
        open_or_join(session, [sighting(keeper.line_id, 0, image_sha256=names["reviewed"])])
        second = lines.create_line(session, f"l-{uuid4().hex[:8]}").id
        kept = KeptPicture(line_id=second, prediction_id=new_id(), image_sha256=names["other"], source="api")
        keep_accepted(session, [kept])
    removed = expire(keeper.kept, keeper.line(0.5, 30), NOW)
    assert (removed.pictures, removed.shared) == (1, 3)
    assert {name for name, sha256 in names.items() if all(keeper.there(sha256))} == {
        "catalogued",
        "reviewed",
        "other",
    }
    with reading(engine) as session:
        assert kept_before(session, keeper.line_id, None, 10) == []


def test_a_picture_that_comes_again_in_that_moment_stays_whole(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes were put a moment ago, so a server is about to write its row: both stay."""
    sha256 = keeper.accept("again", days_ago=90)
    monkeypatch.setattr(retention, "_YOUNG", timedelta(minutes=1))
    assert expire(keeper.kept, keeper.line(0.5, 30), NOW).pictures == 0
    assert keeper.there(sha256) == (True, True)


def test_a_source_is_forgotten_wherever_it_left_something(keeper: Keeper) -> None:
    """Kept, set aside and catalogued pictures of the source are erased, its predictions gone; counts stay."""
    engine, kept = keeper.kept.engine, keeper.kept
    mine, theirs = keeper.accept("mine", days_ago=1), keeper.accept("theirs", days_ago=1, source="belt-2")
    with writing(engine) as session:
        aside = hashlib.sha256(b"aside").hexdigest()
        add_images(session, [record(aside, "belt-1")])
        (item,) = open_or_join(session, [sighting(keeper.line_id, 0, image_sha256=aside, source="belt-1")])
        entered = picture("entered", None, source="belt-1").image.sha256
        add(session, keeper.line_id, picture("entered", None, source="belt-1"))
    done_ = erase_source(engine, kept.blobs, kept.thumbnails, keeper.line_id, "belt-1")
    assert set(done_.erased) == {mine, aside, entered}
    assert done_.predictions == 1
    assert keeper.there(theirs) == (True, True)
    with reading(engine) as session:
        assert [row.source for row in monitoring.recent(session, keeper.line_id).items] == ["belt-2"]
        assert monitoring.totals(session, keeper.line_id).total == 2
        assert get_item(session, keeper.line_id, item).state == "erased"
        found = get_image(session, mine)
        assert found is not None
        assert (found.erased_at is None, found.client) == (False, None)
        assert [kept.source for kept in kept_before(session, keeper.line_id, None, 10)] == ["belt-2"]


def test_the_job_reports_what_it_removed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log has a line for each line, its progress the figures of those that let go of something."""
    monkeypatch.setattr(retention, "_YOUNG", -timedelta(hours=1))
    with installed(database_url, tmp_path) as ready:
        with writing(ready.engine) as session:
            line = lines.create_line(session, "returns")
        keeper = Keeper(Kept(engine=ready.engine, blobs=ready.blobs, thumbnails=ready.thumbnails), line.id)
        keeper.accept("old", days_ago=1)
        with writing(ready.engine) as session:
            job = jobs.enqueue(session, retention.JOB, {}, who="test")
        done(ready, job.id)
        with reading(ready.engine) as session:
            ended, log = jobs.get_job(session, job.id), jobs.log_after(session, job.id)
    assert (ended.state, ended.error) == ("succeeded", None)
    assert ended.progress["removed"] == {"returns": {"pictures": 1, "bytes": 6, "shared": 0}}
    assert "returns keeps no accepted pictures: removed 1 (6 bytes)" in [line.text for line in log]


ACCEPT_ALL = {
    "ood_threshold": 1e9,
    "min_confidence": 0,
    "sample_share": 0,
    "min_sharpness": 0,
    "min_brightness": 0,
}


def test_accepted_pictures_are_kept_only_where_the_line_says_so(server: RunningServer) -> None:
    """None by default; with a share of 1 every one, durably and without its metadata, before the answer leaves."""
    client, name = server.client, f"k-{uuid4().hex[:10]}"
    assert client.post(
        "/api/v1/lines", json={"name": name, "bundle": "waste", "policy": ACCEPT_ALL}
    ).is_success
    line, line_id = f"/api/v1/lines/{name}", server.services.live[name].id

    def classified(seed: int) -> KeptPicture | None:
        data = encode(drawn(seed=seed), exif=exif_with(1))
        answer = client.post(f"{line}/classify", files={"image": ("p.jpg", data)}).json()
        assert answer["verdict"] == "accept"
        with reading(server.services.engine) as session:
            return kept_for(session, line_id, answer["id"])

    assert classified(101) is None
    changed = client.patch(line, json={"retention": {"accepted_share": 1, "days": 30}}).json()
    assert changed["retention"] == {"accepted_share": 1, "days": 30}
    kept = classified(102)
    assert kept is not None
    stored = server.services.installation.blobs.get(kept.image_sha256)
    assert b"Jane Doe" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()
    with reading(server.services.engine) as session:
        assert get_image(session, kept.image_sha256) is not None
    assert client.get(f"{line}/counts").json()["review_open"] == 0
