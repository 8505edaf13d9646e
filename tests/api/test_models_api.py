"""Models over HTTP on real servers: what is promoted answers the next picture, and a broken one changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from sortline.db.session import writing
from sortline.engine.bundle import Bundle, read_bundle
from sortline.flows.bundle_files import bundle_from_zip
from sortline.flows.lines import import_bundle
from sortline.lines import store as lines
from sortline.registry import tables
from sortline.registry.store import add_candidate
from sortline.registry.store import promote as write_entry
from sortline.serving.live import LiveLine
from tests.bundles import broken, head_variant, other_backbone, starter
from tests.conftest import _database as database
from tests.pictures import photo
from tests.running import RunningServer, run_server
from tests.waiting import soon


@dataclass(frozen=True)
class Bundles:
    """A swapped head with one class more, another backbone, and a broken head."""

    head: Bundle
    backbone: Bundle
    broken: Bundle


@dataclass(frozen=True)
class Line:
    """A line of a server, and what its models' routes answer."""

    server: RunningServer
    name: str

    @property
    def live(self) -> LiveLine:
        """As it serves."""
        return self.server.services.live[self.name]

    def get(self, path: str = "") -> Any:
        """What a route of the line answers."""
        answer = self.server.client.get(f"/api/v1/lines/{self.name}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: object) -> httpx.Response:
        """The answer of a route of its models."""
        return self.server.client.post(f"/api/v1/lines/{self.name}/models/{path}", json=body)

    def force(self, bundle: str) -> httpx.Response:
        """The answer to a forced promotion."""
        return self.post(f"{bundle}/promote", force=True, reason="the test says so")

    def classify(self, seed: int = 0, query: str = "") -> Any:
        """What it says of a picture."""
        picture = {"image": ("p.jpg", photo(seed=seed))}
        answer = self.server.client.post(f"/api/v1/lines/{self.name}/classify{query}", files=picture)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def answering(self, seed: int = 0) -> str:
        """The hash of the bundle that answers now."""
        return str(self.classify(seed)["model"]["hash"])


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Made once for all tests."""
    folder = tmp_path_factory.mktemp("bundles")
    head = head_variant(folder / "head", swap=True, extra="Shoes")
    return Bundles(head, other_backbone(folder / "backbone"), broken(folder / "broken", head))


@pytest.fixture(scope="module")
def first() -> str:
    """The hash of what a new installation serves."""
    return starter().hash


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bundles: Bundles) -> Iterator[RunningServer]:
    """A server that knows the bundles."""
    with run_server(tmp_path_factory.mktemp("data"), runtime="onnxruntime") as running:
        know(running, bundles)
        yield running


@pytest.fixture
def line(server: RunningServer, bundles: Bundles) -> Line:
    """A line of this test's own that serves the packaged bundle and has the others as candidates."""
    name = f"line-{len(server.services.live.all())}"
    made = server.client.post("/api/v1/lines", json={"name": name, "bundle": "waste"})
    assert made.status_code == 201, made.text
    return offered(server, name, bundles)


def know(server: RunningServer, bundles: Bundles) -> None:
    """The server knows the bundles."""
    ready = server.services.installation
    for bundle in (bundles.head, bundles.backbone, bundles.broken):
        import_bundle(ready.engine, ready.bundles_dir, ready.blobs, bundle.folder)


def offered(server: RunningServer, name: str, bundles: Bundles) -> Line:
    """The line, with the bundles as candidates."""
    with writing(server.services.engine) as session:
        line_id = lines.get_line(session, name).id
        for bundle in (bundles.head, bundles.backbone, bundles.broken):
            add_candidate(session, line_id, bundle.hash, who="test")
    return Line(server, name)


def test_the_next_picture_is_answered_by_what_was_promoted(line: Line, bundles: Bundles, first: str) -> None:
    """A head, another backbone, back by rollbacks; the ledger knows who, why and what was live at each moment."""
    assert line.answering() == first
    for bundle in (bundles.head.hash, bundles.backbone.hash):
        made = line.force(bundle[:10])
        assert (made.status_code, made.json()["model"]["hash"]) == (201, bundle)
        assert line.answering() == bundle
    for bundle in (bundles.head.hash, first):
        assert line.post("previous/rollback", reason="back").json()["model"]["hash"] == bundle
        assert line.answering() == bundle
    assert line.post(f"{bundles.backbone.hash}/rollback").status_code == 201
    assert line.answering() == bundles.backbone.hash
    ledger = line.get("/promotions")["promotions"]
    assert [entry["action"] for entry in ledger] == ["rollback"] * 3 + ["promote"] * 3
    assert ledger[0]["dataset"] == starter().manifest.dataset.model_dump()
    assert (ledger[3]["who"], ledger[3]["reason"]) == ("tester", "the test says so")
    assert ledger[3]["evidence"]["forced"] is True
    for entry in ledger:
        assert line.get(f"/promotions?at={entry['at']}")["promotions"] == [entry]
    assert line.get("/promotions?at=2001-01-01")["promotions"] == []


def test_a_head_takes_the_network_that_is_warm(line: Line, bundles: Bundles) -> None:
    """The same network object, a class map that fits the new head, and a line that learned the new class."""
    before = line.live.model.runtime
    line.force(bundles.head.hash)
    assert line.live.model.runtime.network is before  # type: ignore[attr-defined]  # it is a Headed now
    assert "Shoes" in line.get()["classes"]
    explained = line.classify(query="?explain=true")
    assert explained["explanation"]["map"].startswith("data:image/png")
    assert len(explained["probabilities"]) == 10


def test_lines_of_one_backbone_share_a_network(line: Line, bundles: Bundles, first: str) -> None:
    """Three lines, three bundles, one network in memory; one's promotion does not touch the others."""
    live = line.server.services.live
    line.force(bundles.head.hash)
    assert line.live.model.runtime.network is live["waste"].model.runtime  # type: ignore[attr-defined]
    line.force(bundles.backbone.hash)
    assert Line(line.server, "waste").answering() == first
    line.force(first)
    assert line.live.model is live["waste"].model


def test_a_broken_bundle_changes_nothing(line: Line, bundles: Bundles, first: str) -> None:
    """The answer says why; the old one serves, and the ledger has no entry for what never was."""
    refused = line.force(bundles.broken.hash)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:sortline:bundle-not-usable"
    assert "golden picture" in refused.json()["detail"]
    assert line.answering() == first
    assert len(line.get("/promotions")["promotions"]) == 1
    assert line.get("/models")["problem"] is None


def test_nothing_goes_live_unasked(line: Line, bundles: Bundles, first: str) -> None:
    """Without a comparison it takes force and a reason; what is live, unknown or never was is refused by name."""
    head = bundles.head.hash
    for path, body, kind in (
        (f"{head}/promote", {}, "no-evidence"),
        (f"{head}/promote", {"force": True}, "reason-needed"),
        (f"{head}/promote", {"run": "f" * 32}, "unknown-run"),
        (f"{first}/promote", {"force": True, "reason": "x"}, "already-live"),
        (f"{'9' * 64}/promote", {"force": True, "reason": "x"}, "unknown-bundle"),
        ("previous/rollback", {}, "never-live"),
        (f"{head}/rollback", {}, "never-live"),
        (f"{first}/shadow", {}, "already-live"),
        ("shadow/promote", {}, "unknown-bundle"),
    ):
        assert line.post(path, **body).json()["type"] == f"urn:sortline:{kind}", path
    assert line.answering() == first


def test_models_are_listed_as_they_stand(line: Line, bundles: Bundles, first: str) -> None:
    """Newest first, page by page, with state, figures and what they were trained on."""
    line.force(bundles.head.hash)
    line.post(f"{bundles.backbone.hash}/shadow")
    found = line.get("/models")
    assert {one["hash"]: one["state"] for one in found["models"]} == {
        bundles.broken.hash: "candidate",
        bundles.backbone.hash: "shadow",
        bundles.head.hash: "live",
        first: "previous",
    }
    assert found["live"] == found["serving"] == bundles.head.hash
    assert found["shadow"] == bundles.backbone.hash
    page = line.get("/models?limit=3")
    rest = line.get(f"/models?limit=3&cursor={page['next_cursor']}")
    assert page["models"] + rest["models"] == found["models"]
    shown = line.get("/models/live")
    assert (shown["hash"], shown["backbone"]) == (bundles.head.hash, starter().backbone)
    assert shown["metrics"]["test_accuracy"]["total"] > 0


def test_a_model_that_was_downloaded_is_the_same(line: Line, tmp_path: Path) -> None:
    """Unpacked, it is the bundle that it was."""
    answer = line.server.client.get(f"/api/v1/lines/{line.name}/models/live/download")
    (tmp_path / "bundle.zip").write_bytes(answer.content)
    assert f"waste-{starter().hash[:12]}.zip" in answer.headers["content-disposition"]
    bundle_from_zip(tmp_path / "bundle.zip", tmp_path / "bundle")
    assert read_bundle(tmp_path / "bundle").hash == starter().hash


def test_a_shadow_sees_and_does_not_answer(line: Line, bundles: Bundles, first: str) -> None:
    """What it says is counted and kept; ended, it sees nothing more."""
    line.post(f"{bundles.head.hash}/shadow")
    assert {line.answering(seed) for seed in range(5)} == {first}
    told = f'sortline_shadow_total{{line="{line.name}"'
    soon(lambda: told in line.server.client.get("/metrics").text)
    assert line.post(f"{bundles.head.hash}/shadow", on=False).json()["state"] == "candidate"
    line.answering()

    def saw() -> list[tuple[str, int, int]]:
        shadowed = line.get(f"/models/{bundles.head.hash}")["shadowed"]
        return [(seen["live"], seen["pictures"], seen["dropped"]) for seen in shadowed]

    soon(lambda: saw() == [(first, 5, 0)])


def test_a_live_bundle_that_cannot_be_loaded_is_told(tmp_path: Path, bundles: Bundles, first: str) -> None:
    """Made live past all checks: the one before serves, also after a restart; health and models say why."""
    with run_server(tmp_path, runtime="onnxruntime") as server:
        know(server, bundles)
        line = offered(server, "waste", bundles)
        with writing(server.services.engine) as session:
            line_id = lines.get_line(session, "waste").id
            write_entry(session, line_id, bundles.broken.hash, who="test", reason="past all checks")
        soon(lambda: line.get("/models")["problem"] is not None)
        found = line.get("/models")
        assert (found["live"], found["serving"]) == (bundles.broken.hash, first)
        assert "rollback" in found["problem"]
        assert "golden picture" in server.client.get("/health").json()["message"]
        assert line.answering() == first
    with run_server(tmp_path, runtime="onnxruntime") as again:
        line = Line(again, "waste")
        assert line.answering() == first
        assert again.client.get("/health").status_code == 200
        assert line.post("previous/rollback").status_code == 201
        assert line.get("/models")["problem"] is None


def test_every_server_follows(tmp_path: Path, bundles: Bundles, first: str) -> None:
    """Two servers on one PostgreSQL with data folders of their own and one blob store, as on two machines."""
    settings = {"blobs_url": (tmp_path / "shared").as_uri(), "runtime": "onnxruntime"}
    with (
        database("postgresql", tmp_path) as url,
        run_server(tmp_path / "a", database_url=url, **settings) as one,
        run_server(tmp_path / "b", key=one.key, database_url=url, **settings) as other,
    ):
        know(one, bundles)
        with writing(one.services.engine) as session:
            # The first machine's folders are not there on the second.
            session.execute(update(tables.bundles).values(path="/nowhere"))
        here, there = offered(one, "waste", bundles), Line(other, "waste")
        for bundle in (bundles.head.hash, bundles.backbone.hash):
            assert here.force(bundle).status_code == 201
            soon(lambda wanted=bundle: there.answering() == wanted)  # type: ignore[misc]
        assert (tmp_path / "b" / "bundles" / bundles.head.hash).is_dir()
        assert there.post("previous/rollback").status_code == 201
        soon(lambda: here.answering() == bundles.head.hash)
