"""Bundles and promotions, on both databases."""

import pytest
from sqlalchemy import Engine

from sortline.db.session import Session, writing
from sortline.lines import store as lines
from sortline.registry import store
from sortline.registry.ledger import BundleRecord, UnknownBundle


def register(session: Session, digit: str, path: str = "bundles/waste") -> BundleRecord:
    """A bundle whose hash is one digit repeated."""
    return store.register_bundle(
        session,
        hash=digit * 64,
        name="waste",
        path=path,
        classes=["Metal", "Glass"],
        metrics={"accuracy": 0.9},
    )


def test_registering_a_bundle_again_only_moves_it(engine: Engine) -> None:
    """One hash is one bundle; where its folder stands may change."""
    with writing(engine) as session:
        first = register(session, "a")
        again = register(session, "a", path="elsewhere/waste")
        assert store.list_bundles(session) == [again]
    assert (again.path, again.created_at) == ("elsewhere/waste", first.created_at)
    assert (again.classes, again.metrics) == (("Metal", "Glass"), {"accuracy": 0.9})


def test_the_newest_promotion_is_live(engine: Engine) -> None:
    """Promoting and rolling back only ever add to the ledger; lines do not meet."""
    with writing(engine) as session:
        waste, other = lines.create_line(session, "waste").id, lines.create_line(session, "other").id
        old, new = register(session, "a"), register(session, "b")
        assert store.live_bundles(session).get(waste) is None
        store.promote(session, waste, old.hash, who="ana", reason="first")
        store.promote(session, waste, new.hash, who="ana", reason="better", evidence={"gain": 0.02})
        assert store.live_bundles(session).get(waste) == new
        entry = store.promote(session, waste, old.hash, who="bo", reason="worse on cans", action="rollback")
        assert store.live_bundles(session).get(waste) == old
        assert store.live_bundles(session).get(other) is None
        ledger = store.ledger(session, waste)
    assert ledger[0] == entry
    assert [(each.action, each.who) for each in ledger] == [
        ("rollback", "bo"),
        ("promote", "ana"),
        ("promote", "ana"),
    ]
    assert ledger[1].evidence == {"gain": 0.02}


def test_only_a_known_bundle_is_promoted(engine: Engine) -> None:
    """The refusal says how to see which there are."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste")
        with pytest.raises(UnknownBundle, match="sortline bundles"):
            store.promote(session, line.id, "c" * 64, who="ana", reason="typo")
