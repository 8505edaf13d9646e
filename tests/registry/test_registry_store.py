"""Bundles, candidates, promotions and shadows, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from sortline.db.session import Session, writing
from sortline.lines import store as lines
from sortline.registry import shadows, store
from sortline.registry.ledger import AmbiguousBundle, BundleRecord, UnknownBundle
from sortline.registry.shadows import Pair


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


def test_that_a_bundle_is_in_the_blob_store_is_not_forgotten(engine: Engine) -> None:
    """A server that registers it without the store does not take back what another said."""
    text = '{"temperature": 0.6991318084072915, "recipe": {"rate": 1e-22}}'
    with writing(engine) as session:
        store.register_bundle(
            session, hash="a" * 64, name="waste", path="x", classes=["a", "b"], metrics={}, manifest=text
        )
        assert register(session, "a").manifest == text


def test_a_bundle_is_found_by_how_its_hash_begins(engine: Engine) -> None:
    """The beginning must be one bundle's alone."""
    with writing(engine) as session:
        first = register(session, "a")
        store.register_bundle(
            session, hash="a" * 63 + "b", name="b", path="b", classes=["x", "y"], metrics={}
        )
        other = register(session, "0")
        assert store.bundle_that_begins(session, "000") == other
        assert store.bundle_that_begins(session, first.hash) == first
        with pytest.raises(AmbiguousBundle):
            store.bundle_that_begins(session, "aaaa")
        for unknown in ("b", "", "xyz", "a" * 65):
            with pytest.raises(UnknownBundle):
                store.bundle_that_begins(session, unknown)


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
        ledger = store.ledger(session, waste).items
    assert ledger[0] == entry
    assert [(each.action, each.who) for each in ledger] == [
        ("rollback", "bo"),
        ("promote", "ana"),
        ("promote", "ana"),
    ]
    assert ledger[1].evidence == {"gain": 0.02}


def test_the_ledger_knows_what_was_live_when(engine: Engine) -> None:
    """Each entry holds from its moment to the next one's, however fast they follow each other."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste").id
        made = [
            store.promote(session, line, register(session, digit).hash, who="ana", reason=digit)
            for digit in "abcab"
        ]
        moments = [entry.at for entry in made]
        assert moments == sorted(set(moments))
        for entry in made:
            assert store.live_at(session, line, entry.at) == entry
        assert store.live_at(session, line, moments[0] - timedelta(milliseconds=1)) is None
        first = store.ledger(session, line, limit=2)
        rest = store.ledger(session, line, limit=10, cursor=first.next_cursor)
    assert [*first.items, *rest.items] == made[::-1]


def test_rolling_back_twice_goes_back_twice(engine: Engine) -> None:
    """What was rolled back from is not what the next rollback leads to."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste").id
        a, b, c = (register(session, digit).hash for digit in "abc")
        for bundle in (a, b, c):
            store.promote(session, line, bundle, who="ana", reason="")
        assert store.served_bundles(session, line) == [a, b, c]
        store.promote(session, line, b, who="ana", reason="", action="rollback")
        assert store.served_bundles(session, line) == [a, b]
        store.promote(session, line, a, who="ana", reason="", action="rollback")
        store.promote(session, line, c, who="ana", reason="")
        assert store.served_bundles(session, line) == [a, c]
        assert store.once_live(session, line) == {a, b, c}


def test_candidates_are_a_line_s_own(engine: Engine) -> None:
    """Offered bundles and those that were live, once each, newest first, page by page."""
    with writing(engine) as session:
        waste, other = lines.create_line(session, "waste").id, lines.create_line(session, "other").id
        a, b, c = (register(session, digit).hash for digit in "abc")
        store.add_candidate(session, waste, a, who="ana")
        store.promote(session, waste, b, who="bo", reason="")
        store.add_candidate(session, waste, b, who="ana")
        store.add_candidate(session, other, c, who="ana")
        first = store.list_candidates(session, waste, limit=1)
        rest = store.list_candidates(session, waste, limit=1, cursor=first.next_cursor)
        assert store.find_candidate(session, waste, c) is None
    assert [(one.bundle.hash, one.who) for one in (*first.items, *rest.items)] == [(b, "bo"), (a, "ana")]
    assert rest.next_cursor is None


def test_only_a_known_bundle_is_promoted(engine: Engine) -> None:
    """The refusal says how to see which there are."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste")
        with pytest.raises(UnknownBundle, match="sortline bundles"):
            store.promote(session, line.id, "c" * 64, who="ana", reason="typo")


def test_a_line_has_one_shadow(engine: Engine) -> None:
    """Another takes its place; only the one that is can be stopped."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste").id
        a, b = register(session, "a"), register(session, "b")
        shadows.start_shadow(session, line, a.hash, who="ana")
        shadows.start_shadow(session, line, b.hash, who="bo")
        found = shadows.list_shadows(session)[line]
        assert (found.bundle, found.who) == (b, "bo")
        assert not shadows.stop_shadow(session, line, a.hash)
        assert shadows.stop_shadow(session, line, b.hash)
        assert shadows.list_shadows(session) == {}


def test_what_a_shadow_saw_adds_up(engine: Engine) -> None:
    """Agreement, disagreements by pair and what was dropped, apart for each bundle that was live meanwhile."""
    with writing(engine) as session:
        line = lines.create_line(session, "waste").id

    def pair(live: str, said: str, live_hash: str = "a") -> Pair:
        return Pair(line, "b" * 64, live_hash * 64, live, said)

    for _ in range(2):
        with writing(engine) as session:
            shadows.count_pairs(
                session,
                {
                    pair("Glass", "Glass"): 10,
                    pair("Glass", "Metal"): 2,
                    pair("Metal", "Glass"): 3,
                    pair("", ""): 4,
                    pair("Glass", "Glass", "c"): 1,
                },
            )
    with writing(engine) as session:
        first, second = shadows.seen(session, line, "b" * 64)
        assert shadows.seen(session, line, "a" * 64) == []
    assert (first.live_hash, first.pictures, first.agreed, first.dropped) == ("a" * 64, 30, 20, 8)
    assert [(one.live_class, one.shadow_class, one.n) for one in first.disagreements] == [
        ("Metal", "Glass", 6),
        ("Glass", "Metal", 4),
    ]
    assert (second.live_hash, second.pictures, second.dropped) == ("c" * 64, 2, 0)
