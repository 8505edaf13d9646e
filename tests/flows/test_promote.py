"""`flows/promote.py`: what may go live, what the ledger keeps of it, and the ways back."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine

from sortline.db.session import Session, reading, writing
from sortline.flows.bundles_of_line import resolve, roles
from sortline.flows.promote import (
    NoEvidence,
    Plan,
    ReasonNeeded,
    enter,
    keep_opinions,
    plan_promotion,
    promote,
    rollback,
    shadow,
    stop_shadow,
)
from sortline.lines import store as lines
from sortline.registry import shadows, store
from sortline.registry.ledger import AlreadyLive, LiveChanged, NeverLive, UnknownBundle
from sortline.serving.shadow import Opinion

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def waste(engine: Engine) -> Engine:
    """The database with the line waste, served by A, and with the bundles B and C, which know one class more."""
    with writing(engine) as session:
        lines.create_line(session, "waste", class_names=["Glass", "Metal"])
        for bundle, classes in (
            (A, ["Glass", "Metal"]),
            (B, ["Glass", "Metal", "Shoes"]),
            (C, ["Glass", "Hats"]),
        ):
            store.register_bundle(session, hash=bundle, name="x", path="x", classes=classes, metrics={})
        force(session, A)
    return engine


def force(session: Session, bundle: str) -> None:
    """The bundle is live, whatever speaks for it."""
    promote(session, "waste", bundle, who="ana", reason="I say so", force=True)


def verdict(*, promote: bool = True, against: str = A) -> Mapping[str, Any]:
    """What a run found."""
    return {"verdict": {"promote": promote, "text": "keep: Glass falls"}, "against": against}


def live(engine: Engine) -> str | None:
    """The hash of what is live."""
    with reading(engine) as session:
        return roles(session, lines.get_line(session, "waste").id).live


def test_a_comparison_that_speaks_for_a_bundle_makes_it_live(waste: Engine) -> None:
    """The entry has who, why, the run and what it found, and that nobody forced it."""
    with writing(waste) as session:
        entry = promote(session, "waste", B, who="ana", evidence=verdict(), run_id="f" * 32)
    assert live(waste) == B
    assert (entry.who, entry.action) == ("ana", "promote")
    assert entry.evidence == {**verdict(), "run": "f" * 32, "forced": False}


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (None, "no run compared it"),
        (verdict(promote=False), "Glass falls"),
        (verdict(against=C), "compared with another bundle"),
        ({"verdict": "fine"}, "no verdict"),
    ],
)
def test_nothing_goes_live_without_evidence_unless_forced(
    waste: Engine, evidence: Mapping[str, Any] | None, told: str
) -> None:
    """No comparison, one that says keep, and one with what is live no longer: each needs force, and that a reason."""
    with pytest.raises(NoEvidence, match=told), writing(waste) as session:
        promote(session, "waste", B, who="ana", reason="please", evidence=evidence)
    with pytest.raises(ReasonNeeded), writing(waste) as session:
        promote(session, "waste", B, who="ana", reason=" ", evidence=evidence, force=True)
    assert live(waste) == A
    with writing(waste) as session:
        entry = promote(session, "waste", B, who="ana", reason="demo", evidence=evidence, force=True)
    assert (live(waste), entry.evidence["forced"]) == (B, True)


def test_a_line_learns_the_classes_of_what_goes_live(waste: Engine) -> None:
    """They come after those it knew; none is taken away by a rollback."""
    with writing(waste) as session:
        force(session, B)
        force(session, C)
        rollback(session, "waste", who="ana")
        line = lines.get_line(session, "waste")
        names = [known.name for known in lines.list_classes(session, line.id)]
    assert names == ["Glass", "Metal", "Shoes", "Hats"]


def test_rolling_back_goes_to_what_was_before(waste: Engine) -> None:
    """Without a name one step at a time; with one to any that ever was live; never to one that was not."""
    with writing(waste) as session, pytest.raises(NeverLive, match="no other bundle"):
        rollback(session, "waste", who="bo")
    for bundle in (B, C):
        with writing(waste) as session:
            force(session, bundle)
    with writing(waste) as session:
        entry = rollback(session, "waste", who="bo", reason="worse on cans")
    assert (live(waste), entry.action, entry.evidence) == (B, "rollback", {"from": C})
    with writing(waste) as session:
        assert resolve(session, lines.get_line(session, "waste"), "previous").hash == A
        rollback(session, "waste", B, who="bo")  # the live one: roll it back
    assert live(waste) == A
    with writing(waste) as session:
        rollback(session, "waste", C, who="bo")
    assert live(waste) == C
    with writing(waste) as session:
        store.register_bundle(session, hash="d" * 64, name="d", path="d", classes=["a", "b"], metrics={})
        with pytest.raises(NeverLive, match="dddd"):
            rollback(session, "waste", "d" * 64, who="bo")


def test_what_is_live_is_not_promoted_again(waste: Engine) -> None:
    """The ledger has an entry for a change, not for a wish."""
    with writing(waste) as session, pytest.raises(AlreadyLive):
        force(session, A)
    with writing(waste) as session, pytest.raises(UnknownBundle):
        force(session, "9" * 64)


def test_a_shadow_that_goes_live_is_the_shadow_no_longer(waste: Engine) -> None:
    """What it saw stays; the live bundle cannot be the shadow."""
    with writing(waste) as session:
        line_id = lines.get_line(session, "waste").id
        with pytest.raises(AlreadyLive):
            shadow(session, "waste", A, who="ana")
        shadow(session, "waste", B, who="ana")
        assert resolve(session, lines.get_line(session, "waste"), "shadow").hash == B
    keep_opinions(waste, {Opinion(line_id, B, A, "Glass", "Shoes"): 3})
    with writing(waste) as session:
        force(session, B)
        assert shadows.list_shadows(session) == {}
        assert not stop_shadow(session, "waste", B)
        (saw,) = shadows.seen(session, line_id, B)
        with pytest.raises(UnknownBundle, match="shadow on the line waste"):
            resolve(session, lines.get_line(session, "waste"), "shadow")
    assert (saw.pictures, saw.disagreements[0].shadow_class) == (3, "Shoes")


def test_of_two_at_once_the_second_is_told(waste: Engine) -> None:
    """What was planned beside what was live is not made over what is live by now."""
    plans = []
    for bundle in (B, C):
        with reading(waste) as session:
            plans.append(plan_promotion(session, "waste", bundle, who="ana", reason="x", force=True))
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda plan: _entered(waste, plan), plans))
    assert sorted(outcomes) == ["done", "has changed meanwhile"]
    with reading(waste) as session:
        assert len(store.ledger(session, lines.get_line(session, "waste").id).items) == 2


def _entered(engine: Engine, plan: Plan) -> str:
    try:
        with writing(engine) as session:
            enter(session, plan)
    except LiveChanged as error:
        return "has changed meanwhile" if "has changed meanwhile" in str(error) else str(error)
    return "done"
