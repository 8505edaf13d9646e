"""A line's policy over HTTP: a budget tried, applied, followed by what is answered, flagged once it drifts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from sortline.db.ids import first_id, new_id
from sortline.db.session import reading, writing
from sortline.flows.lines import import_bundle
from sortline.flows.policy import FitNext
from sortline.lines.fits import get_fit
from sortline.lines.tables import policy_fits
from sortline.monitoring import store as monitoring
from sortline.monitoring.recorded import RecordedPrediction
from tests.bundles import head_variant
from tests.pictures import photo
from tests.running import RunningServer

JSON = dict[str, Any]


class PolicyLine:
    """A line of a test's own that the starter serves."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.name = server, f"p-{uuid4().hex[:12]}"
        answer = server.client.post("/api/v1/lines", json={"name": self.name, "bundle": "waste"})
        assert answer.status_code == 201, answer.text
        self.live = server.services.live[self.name]

    def call(self, method: str, path: str = "", status: int = 200, **arguments: Any) -> JSON:
        """The JSON that a call below the line answers."""
        answer = self.server.client.request(method, f"/api/v1/lines/{self.name}{path}", **arguments)
        assert answer.status_code == status, answer.text
        found: JSON = answer.json()
        return found

    def classify(self) -> JSON:
        """The answer for a drawn picture."""
        return self.call("POST", "/classify", files={"image": ("p.jpg", photo())})

    def see(self, n: int, *, reason: str | None = None, ago: timedelta = timedelta(hours=30)) -> None:
        """So many predictions of the starter are recorded, half a minute apart, up to `ago` before now."""
        chance = np.random.default_rng(n)
        start = datetime.now(UTC) - ago
        rows = []
        for number in range(n):
            at = start + timedelta(seconds=30 * number)
            rows.append(
                RecordedPrediction(
                    id=first_id(at)[:12] + new_id()[12:],
                    line_id=self.live.id,
                    at=at,
                    class_name="Glass",
                    confidence=float(chance.beta(8, 1)),
                    verdict="review" if reason else "accept",
                    reason=reason,
                    ood_score=float(chance.random()),
                    energy=-8.0,
                    bundle_hash=self.live.model.bundle.hash,
                    latency_ms=4.0,
                    source="api",
                )
            )
        with writing(self.server.services.engine) as session:
            monitoring.record(session, rows)


@pytest.fixture(scope="module")
def busy(server: RunningServer) -> Iterator[PolicyLine]:
    """A line with a thousand predictions of the last thirty hours."""
    line = PolicyLine(server)
    line.see(1000)
    yield line
    line.call("PUT", "/policy", json={"budget": None, "own": {}})


def test_a_preview_tells_what_a_budget_comes_to_and_changes_nothing(busy: PolicyLine) -> None:
    """Thresholds, load, error and catch rate with intervals, and what they rest on."""
    before = busy.call("GET", "/policy")
    found = busy.call("POST", "/policy/preview", json={"reviews_per_day": 100})
    load = found["expected"]["reviews_per_day"]
    assert load["low"] <= load["value"] <= load["high"]
    assert load["value"] <= 100
    assert found["within"]
    assert found["policy"]["ood_threshold"] is not None
    assert found["based_on"] == {"validation": 374, "traffic": 1000, "days": 1, "same_bundle": True}
    assert 0 < found["expected"]["catch_rate"]["value"] <= 1
    assert busy.call("GET", "/policy") == before


def test_a_budget_is_applied_by_put_and_answers_follow(busy: PolicyLine) -> None:
    """One error in a thousand asks for a confidence that the drawn picture does not have; null takes it back."""
    state = busy.call("PUT", "/policy", json={"budget": {"max_error": 0.001}})
    assert state["budget"]["max_error"] == 0.001
    assert state["fit"]["settings"]["min_confidence"] == state["policy"]["min_confidence"] > 0.9
    assert busy.call("GET", "")["policy"] == state["policy"]
    answer = busy.classify()
    assert (answer["reason"] in ("unknown", "ambiguous")) or answer["confidence"] >= state["policy"][
        "min_confidence"
    ]
    cleared = busy.call("PUT", "/policy", json={"budget": None})
    assert (cleared["budget"], cleared["fit"]) == (None, None)
    assert cleared["policy"]["min_confidence"] == 0.5


def test_own_settings_stand_beside_a_budget(busy: PolicyLine) -> None:
    """The line's own settings are kept but for the thresholds, which the budget gives."""
    own = {"sample_share": 0.2, "min_confidence": 0.1, "watched": ["Metal"]}
    state = busy.call("PUT", "/policy", json={"own": own, "budget": {"reviews_per_day": 400}})
    assert state["own"] == own
    assert state["policy"]["sample_share"] == 0.2
    assert state["policy"]["min_confidence"] == state["fit"]["settings"]["min_confidence"] != 0.1


def test_drifted_thresholds_are_flagged(server: RunningServer) -> None:
    """After a fit that expects few unknown items, six hundred of them in a row are another rate."""
    line = PolicyLine(server)
    line.see(1000)
    line.call("PUT", "/policy", json={"budget": {"reviews_per_day": 50, "items_per_day": 1000}})
    assert line.call("GET", "/policy")["drift"]["drifted"] is False
    with writing(server.services.engine) as session:
        fit = get_fit(session, line.live.id, line.live.model.bundle.hash)
        assert fit is not None
        # As if it had been fitted two days ago.
        session.execute(
            policy_fits.update().where(policy_fits.c.line_id == line.live.id),
            {"at": fit.at - timedelta(days=2)},
        )
    line.see(600, reason="unknown", ago=timedelta(hours=10))
    drift = line.call("GET", "/policy")["drift"]
    assert drift["drifted"]
    assert drift["rates"]["unknown"]["drifted"]
    assert line.call("POST", "/policy/preview", json={"reviews_per_day": 100})["drifted"]
    assert line.call("GET", "/dashboard")["drifted"]


def test_a_bundle_that_goes_live_is_fitted_first(server: RunningServer, tmp_path: Path) -> None:
    """A promotion leaves a fit for the bundle behind, and its own thresholds are in force with it."""
    line, ready = PolicyLine(server), server.services.installation
    line.call("PUT", "/policy", json={"budget": {"max_error": 0.02}})
    bundle = import_bundle(
        ready.engine, ready.bundles_dir, ready.blobs, head_variant(tmp_path / "b", swap=True).folder
    )
    line.call("POST", f"/models/{bundle.hash}/promote", 201, json={"force": True, "reason": "a test"})
    state = line.call("GET", "/policy")
    assert state["fit"]["based_on"]["validation"] == 374
    assert state["policy"]["ood_threshold"] == state["fit"]["settings"]["ood_threshold"]
    with reading(ready.engine) as session:
        assert get_fit(session, line.live.id, bundle.hash) is not None


def test_a_bundle_that_went_live_otherwise_is_fitted_by_a_worker(server: RunningServer) -> None:
    """What stands in the ledger without a fit gets one at the worker's next look."""
    line, ready = PolicyLine(server), server.services.installation
    line.call("PUT", "/policy", json={"budget": {"max_error": 0.02}})
    with writing(ready.engine) as session:
        session.execute(policy_fits.delete().where(policy_fits.c.line_id == line.live.id))
    FitNext(ready.engine, ready.bundles_dir, ready.blobs).look()
    with reading(ready.engine) as session:
        fit = get_fit(session, line.live.id, line.live.model.bundle.hash)
    assert fit is not None
    server.services.follower.refresh()
    assert line.call("GET", "/policy")["policy"]["min_confidence"] == fit.settings["min_confidence"]


@pytest.mark.parametrize(
    ("budget", "status", "kind"),
    [
        ({}, 422, "invalid-budget"),
        ({"max_error": 1.5}, 422, "invalid-request"),
        ({"max_error": 0.1, "detector": "wastex"}, 409, "cannot-fit"),
        ({"reviews_per_day": 10, "colour": "red"}, 422, "invalid-request"),
    ],
)
def test_budgets_that_say_nothing_are_refused(busy: PolicyLine, budget: JSON, status: int, kind: str) -> None:
    """Each with its type and with what to do."""
    assert busy.call("POST", "/policy/preview", status, json=budget)["type"] == f"urn:sortline:{kind}"


def test_a_line_that_saw_nothing_says_what_it_needs(server: RunningServer) -> None:
    """So many reviews a day mean nothing without knowing how many items come; told that, they do."""
    line = PolicyLine(server)
    refused = line.call("POST", "/policy/preview", 409, json={"reviews_per_day": 50})
    assert "items_per_day" in refused["detail"]
    found = line.call("POST", "/policy/preview", json={"reviews_per_day": 50, "items_per_day": 1000})
    assert found["expected"]["reviews_per_day"]["value"] <= 50
    assert found["based_on"]["traffic"] == 0


def test_a_stated_coverage_gives_prediction_sets(server: RunningServer) -> None:
    """With it every answer has its set, and an item with any other number of classes than one is reviewed."""
    line = PolicyLine(server)
    assert line.classify()["prediction_set"] is None
    own = {"coverage": 0.99, "ood_threshold": 1e9, "min_confidence": 0, "sample_share": 0, "min_sharpness": 0}
    line.call("PUT", "/policy", json={"own": own})
    answer = line.classify()
    members = answer["prediction_set"]
    assert members == [name for name in answer["probabilities"] if name in members]
    assert answer["reason"] == (None if len(members) == 1 else "ambiguous")
    line.call("PUT", "/policy", 422, json={"own": {"coverage": 1.0}})


def test_when_versions_are_made_by_themselves_is_a_setting(server: RunningServer) -> None:
    """Each part is changed alone, and null turns it off."""
    line = PolicyLine(server)

    def set_to(**change: object) -> tuple[object, object]:
        found = line.call("PATCH", "", json=change)
        return found["auto_version_labels"], found["auto_probe"]

    assert set_to(auto_version_labels=200) == (200, False)
    assert set_to(auto_probe=True) == (200, True)
    assert set_to(default=None) == (200, True)
    assert set_to(auto_version_labels=None) == (None, True)
    line.call("PATCH", "", 422, json={"auto_version_labels": 0})
    line.call("PATCH", "", 422, json={"retention": {"accepted_share": 1.5}})
