"""Routing: a pure function of prediction, policy and id."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from sortline.engine.routing import Policy, Reason, Verdict, lot, route


@dataclass(frozen=True)
class Seen:
    """A prediction as routing sees it."""

    class_name: str
    confidence: float
    prediction_set: tuple[str, ...] | None
    ood: bool
    brightness: float
    sharpness: float
    width: int
    height: int


shares = st.floats(0, 1)
seen = st.builds(
    Seen,
    class_name=st.sampled_from("abc"),
    confidence=shares,
    prediction_set=st.none() | st.lists(st.sampled_from("abc"), unique=True).map(tuple),
    ood=st.booleans(),
    brightness=st.floats(0, 255),
    sharpness=st.floats(0, 1000),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
)
policies = st.builds(
    Policy,
    min_confidence=shares,
    watched=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
    sample_share=shares,
    min_brightness=st.floats(0, 255),
    max_brightness=st.floats(0, 255),
    min_sharpness=st.floats(0, 500),
    min_side=st.integers(1, 1000),
)
ids = st.text("0123456789abcdef", min_size=32, max_size=32)


def holding(sighting: Seen, policy: Policy, prediction_id: str) -> list[Reason]:
    """Every reason that holds, in the order of precedence, each said in its own words."""
    side = min(sighting.width, sighting.height)
    bright = policy.min_brightness <= sighting.brightness <= policy.max_brightness
    holds = {
        Reason.UNREADABLE: not bright or sighting.sharpness < policy.min_sharpness or side < policy.min_side,
        Reason.UNKNOWN: sighting.ood,
        Reason.WATCHED: sighting.class_name in policy.watched,
        Reason.AMBIGUOUS: sighting.confidence < policy.min_confidence
        or (sighting.prediction_set is not None and len(sighting.prediction_set) != 1),
        Reason.SAMPLED: lot(prediction_id) < policy.sample_share,
    }
    return [reason for reason, true in holds.items() if true]


@given(seen, policies, ids)
def test_first_reason_that_holds_is_the_reason(sighting: Seen, policy: Policy, prediction_id: str) -> None:
    """unreadable > unknown > watched > ambiguous > sampled; accept exactly when none holds."""
    expected = holding(sighting, policy, prediction_id)
    found = route(sighting, policy, prediction_id=prediction_id)
    assert found.reason == (expected[0] if expected else None)
    assert (found.verdict is Verdict.ACCEPT) == (not expected)


def test_control_share_is_the_share_asked_for() -> None:
    """Over many ids the lots are uniform: within four standard deviations of the share."""
    drawn = sum(lot(f"{number:032x}") < 0.2 for number in range(10_000))
    assert abs(drawn - 2000) < 4 * 40


@given(ids)
def test_lot_is_fixed_and_in_range(prediction_id: str) -> None:
    """The same id always draws the same lot, in [0, 1)."""
    assert 0 <= lot(prediction_id) == lot(prediction_id) < 1
