"""The review loop, on both databases: who is given what, what is decided, undone and labelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from sortline.catalogue.entry import UnknownEntry
from sortline.catalogue.store import labels
from sortline.catalogue.store.entries import get_entry
from sortline.catalogue.store.erasing import bury
from sortline.catalogue.store.records import get_records
from sortline.db.session import reading, writing
from sortline.flows.review import Ask, decide
from sortline.flows.review_figures import review_figures
from sortline.flows.review_labels import fingerprint_ahead
from sortline.flows.review_queue import gather, kinds, similar
from sortline.flows.review_undo import undo
from sortline.lines.classes import class_ids, list_classes
from sortline.review.item import ItemFilter
from sortline.review.outcome import NothingToUndo, outcome
from sortline.review.store import decisions, items, queue, tallies
from sortline.review.tables import review_items
from tests.review.queued import NOON, Queue, label_of, say, second_opinions, take


def test_two_people_never_get_the_same_item(waiting: Queue) -> None:
    """What one has, the other is not given; who asks again has the same, and more."""
    ids = waiting.add(*range(5))
    ada, bob = take(waiting, "ada", 2), take(waiting, "bob", 2)
    assert len(ada) == len(bob) == 2
    assert not set(ada) & set(bob)
    again = take(waiting, "ada", 3)
    assert set(again[:2]) == set(ada)
    assert set(again) | set(bob) == set(ids)
    assert take(waiting, "cyd") == []


def test_a_lease_ends_by_itself_and_is_renewed_or_given_back(waiting: Queue) -> None:
    """After its end the next person has the item, and the first cannot renew it any more."""
    (item,) = waiting.add(1)
    take(waiting, "ada")
    now = datetime.now(UTC)
    with writing(waiting.engine) as session:
        soon = now + timedelta(minutes=10)
        assert queue.renew(session, waiting.line_id, [item], "ada", now, soon) == [item]
        assert queue.renew(session, waiting.line_id, [item], "bob", now, soon) == []
        over = now - timedelta(seconds=1)
        session.execute(update(review_items).values(lease_until=over))
        assert queue.renew(session, waiting.line_id, [item], "ada", now, soon) == []
    assert take(waiting, "bob") == [item]
    with writing(waiting.engine) as session:
        assert queue.release(session, waiting.line_id, [item], "ada", now) == []
        assert queue.release(session, waiting.line_id, [item], "bob", now) == [item]
    assert take(waiting, "ada") == [item]


def test_a_label_is_in_the_catalogue_and_waits_for_a_version(waiting: Queue) -> None:
    """The picture becomes an entry with an event of origin review, by who said it; the item is done."""
    (item,) = waiting.add(1)
    answers = say(waiting, "ada", item, "Metal", ms=1500)
    (made,) = answers.decided
    assert (made.state, made.label) == ("done", "Metal")
    assert label_of(waiting, item) == "Metal"
    with reading(waiting.engine) as session:
        entry = get_entry(session, waiting.line_id, waiting.item(item).image_sha256)
        (event,) = labels.history(session, entry.id)
        assert items.count_open(session, waiting.line_id) == 0
    assert (event.origin, event.who) == ("review", "ada")
    assert take(waiting, "bob") == []


def test_what_cannot_be_decided_does_not_keep_the_rest_from_it(waiting: Queue) -> None:
    """Each refusal says why; the others are decided."""
    held, done, unknown_class, fine = waiting.add(1, 2, 3, 4)
    say(waiting, "bob", done, "Glass")
    with writing(waiting.engine) as session:
        queue.lease(session, [held], "bob", datetime.now(UTC) + timedelta(minutes=5))
    asks = [
        Ask(item=held, action="label", class_name="Glass"),
        Ask(item=done, action="label", class_name="Metal"),
        Ask(item=unknown_class, action="label", class_name="Wood"),
        Ask(item="0" * 32, action="skip"),
        Ask(item=fine, action="label", class_name="Wood", new_class=True),
    ]
    answers = decide(waiting.tools, waiting.line_id, asks[:4], who="ada")
    assert [type(one.error).__name__ for one in answers.refused] == [
        "ItemHeld",
        "AlreadyDecided",
        "UnknownClass",
        "UnknownItem",
    ]
    answers = decide(waiting.tools, waiting.line_id, asks[4:], who="ada")
    assert [one.label for one in answers.decided] == ["Wood"]


def test_the_same_key_decides_once(waiting: Queue) -> None:
    """A client that lost the answer asks again and gets it."""
    (item,) = waiting.add(1)
    first = say(waiting, "ada", item, "Glass", key="k1")
    assert say(waiting, "ada", item, "Glass", key="k1") == first
    with reading(waiting.engine) as session:
        assert len(decisions.of_items(session, [item])[item]) == 1


def test_skipped_items_come_last_and_deferred_ones_later(waiting: Queue) -> None:
    """Nobody has them meanwhile; undoing brings them back where they were."""
    skipped, deferred, other = waiting.add(1, 2, 3, confidence=0.4)
    asks = [Ask(item=skipped, action="skip"), Ask(item=deferred, action="defer")]
    done = decide(waiting.tools, waiting.line_id, asks, who="ada")
    assert take(waiting, "ada") == [other, skipped]
    undo(waiting.tools, waiting.line_id, [one.decision for one in done.decided], who="ada")
    assert waiting.item(skipped).priority == pytest.approx(waiting.item(deferred).priority, abs=1.0)
    assert set(take(waiting, "bob")) == {deferred}


def test_a_second_opinion_is_blind_and_a_third_decides(waiting: Queue) -> None:
    """After the first the item is open and unlabelled; where the second differs, nothing is staged until a third."""
    second_opinions(waiting, 1.0)
    (item,) = waiting.add(1)
    (first,) = say(waiting, "ada", item, "Glass").decided
    assert (first.state, first.label) == ("open", None)
    assert take(waiting, "ada") == []
    assert type(say(waiting, "ada", item, "Glass").refused[0].error).__name__ == "OpinionGiven"
    assert take(waiting, "bob") == [item]
    (second,) = say(waiting, "bob", item, "Metal").decided
    assert (second.state, second.label) == ("disputed", None)
    with pytest.raises(UnknownEntry):
        label_of(waiting, item)
    assert take(waiting, "bob") == []
    assert take(waiting, "cyd") == [item]
    (third,) = say(waiting, "cyd", item, "Metal").decided
    assert (third.state, third.label) == ("done", "Metal")
    assert label_of(waiting, item) == "Metal"
    with reading(waiting.engine) as session:
        found = review_figures(session, waiting.line_id)
    assert found.agreement is not None
    assert (found.agreement.pairs, found.agreement.kappa) == (1, 0.0)


def test_undo_brings_the_item_back_and_redo_labels_it_again(waiting: Queue) -> None:
    """The label in the catalogue follows by events of its own."""
    (item,) = waiting.add(1)
    say(waiting, "ada", item, "Metal")
    (undone,), _ = undo(waiting.tools, waiting.line_id, [], who="ada")
    assert (undone.item, undone.state) == (item, "open")
    assert label_of(waiting, item) is None
    (redone,), _ = undo(waiting.tools, waiting.line_id, [undone.decision], who="bob")
    assert redone.state == "done"
    assert label_of(waiting, item) == "Metal"
    with reading(waiting.engine) as session:
        entry = get_entry(session, waiting.line_id, waiting.item(item).image_sha256)
        assert [event.origin for event in labels.history(session, entry.id)] == ["review", "undo", "review"]


def test_undo_is_refused_where_it_would_overrule_somebody(waiting: Queue) -> None:
    """A label changed since stays; a decision is undone once; who decided nothing undoes nothing."""
    (item,) = waiting.add(1)
    (made,) = say(waiting, "ada", item, "Metal").decided
    with writing(waiting.engine) as session:
        entry = get_entry(session, waiting.line_id, waiting.item(item).image_sha256)
        glass = class_ids(session, waiting.line_id, ["Glass"])["Glass"]
        labels.label(session, waiting.line_id, [entry.id], glass, origin="correction", who="eve")
    _, (left,) = undo(waiting.tools, waiting.line_id, [made.decision], who="ada")
    assert type(left.error).__name__ == "NotNewestEvent"
    assert waiting.item(item).state == "done"
    with pytest.raises(NothingToUndo):
        undo(waiting.tools, waiting.line_id, [], who="bob")
    (other,) = waiting.add(2)
    (skip,) = decide(waiting.tools, waiting.line_id, [Ask(item=other, action="skip")], who="ada").decided
    undo(waiting.tools, waiting.line_id, [skip.decision], who="ada")
    _, (again,) = undo(waiting.tools, waiting.line_id, [skip.decision], who="ada")
    assert type(again.error).__name__ == "AlreadyUndone"


def test_a_picture_that_came_again_waits_once_after_an_undo(waiting: Queue) -> None:
    """The item whose decision is undone gives way to the one that waits."""
    (first,) = waiting.add(1)
    say(waiting, "ada", first, "Metal")
    (second,) = waiting.add(1)
    assert second != first
    (undone,), _ = undo(waiting.tools, waiting.line_id, [], who="ada")
    assert (undone.item, undone.state) == (second, "open")
    assert waiting.item(first).state == "joined"
    assert take(waiting, "ada") == [second]


def test_a_picture_is_fingerprinted_while_somebody_looks(waiting: Queue) -> None:
    """So that the decision need not read it; one whose bytes are gone is left, and its decision tells."""
    here, gone = waiting.add(1, 2)
    hashes = [waiting.item(one).image_sha256 for one in (here, gone)]
    waiting.tools.blobs.delete(hashes[1])
    fingerprint_ahead(waiting.tools, hashes)
    with reading(waiting.engine) as session:
        kept = get_records(session, hashes)
    assert [kept[one].phash is None for one in hashes] == [False, True]
    waiting.tools.blobs.delete(hashes[0])
    assert not say(waiting, "ada", here, "Glass").refused
    assert type(say(waiting, "ada", gone, "Glass").refused[0].error).__name__ == "UnknownBlob"


def test_an_erased_picture_is_not_labelled(waiting: Queue) -> None:
    """Gone is gone, whoever looks at it just then; what was said of it is not undone."""
    item, done = waiting.add(1, 2)
    (made,) = say(waiting, "ada", done, "Glass").decided
    with writing(waiting.engine) as session:
        bury(session, [waiting.item(item).image_sha256, waiting.item(done).image_sha256])
    assert type(say(waiting, "ada", item, "Glass").refused[0].error).__name__ == "ErasedPicture"
    _, (left,) = undo(waiting.tools, waiting.line_id, [made.decision], who="ada")
    assert type(left.error).__name__ == "ErasedPicture"


def test_ten_photos_of_one_odd_thing_do_not_fill_the_page(waiting: Queue) -> None:
    """Of a kind a few come first; the fifth comes after the first of any other."""
    draw = np.random.default_rng(3)
    kinds_of = draw.standard_normal((3, 64))
    rows = [kinds_of[kind] + 0.05 * draw.standard_normal(64) for kind in (*[0] * 8, 1, 2)]
    ids = waiting.add(*range(10), embeddings=rows)
    with writing(waiting.engine) as session:
        session.execute(update(review_items).values(control=False))
    of = dict(zip(ids, (*[0] * 8, 1, 2), strict=True))
    assert sorted(of[item] for item in take(waiting, "ada", 6)) == [0, 0, 0, 0, 1, 2]


def test_what_was_drawn_by_lot_keeps_its_turn(waiting: Queue) -> None:
    """However alike: labelled for its looks it would not tell how good the accepted answers are."""
    draw = np.random.default_rng(3)
    odd = draw.standard_normal(64)
    one, near, lot = waiting.add(
        *range(3), embeddings=[odd + 0.1 * draw.standard_normal(64) for _ in range(3)]
    )
    with writing(waiting.engine) as session:
        session.execute(update(review_items).where(review_items.c.id == lot).values(reason="sampled"))
    assert [each.item.id for each in similar(waiting.engine, waiting.line_id, one, limit=10)] == [near]
    assert {each.item.id for each in similar(waiting.engine, waiting.line_id, lot, limit=10)} == {one, near}
    assert [kind.size for kind in kinds(waiting.engine, waiting.line_id, limit=5)] == [2]
    assert set(take(waiting, "ada", class_name="Glass")) == {one, near}
    assert take(waiting, "bob", class_name="Glass", reason="sampled") == [lot]
    assert take(waiting, "bob", class_name="Glass") == []
    assert take(waiting, "bob") == [lot]


def test_what_looks_alike_is_found_and_counted(waiting: Queue) -> None:
    """Nearest first, itself left out; what is decided is found no more, what is undone again."""
    draw = np.random.default_rng(3)
    odd, other = draw.standard_normal((2, 64))
    rows = [odd, odd + 0.1 * draw.standard_normal(64), odd + 0.3 * draw.standard_normal(64), other]
    one, near, far, stranger = waiting.add(*range(4), embeddings=rows)
    found = similar(waiting.engine, waiting.line_id, one, limit=10)
    assert [each.item.id for each in found] == [near, far, stranger]
    assert found[0].similarity > found[1].similarity > 0.8 > found[2].similarity
    first, second = kinds(waiting.engine, waiting.line_id, limit=5)
    assert (first.size, second.size) == (3, 1)
    assert {item.id for item in first.examples} == {one, near, far}
    say(waiting, "ada", near, "Wood", new_class=True)
    assert [each.item.id for each in similar(waiting.engine, waiting.line_id, near, limit=1)] == [one]
    assert near not in [each.item.id for each in similar(waiting.engine, waiting.line_id, one, limit=10)]
    undo(waiting.tools, waiting.line_id, [], who="ada")
    gather(waiting.engine, waiting.line_id)
    assert similar(waiting.engine, waiting.line_id, one, limit=10)[0].item.id == near
    kind = waiting.item(one).cluster_id
    with reading(waiting.engine) as session:
        listed = items.list_items(session, waiting.line_id, ItemFilter(cluster_id=kind)).items
    assert {item.id for item in listed} == {one, near, far}
    assert set(take(waiting, "bob", cluster_id=kind)) == {one, near, far}


PEOPLE = ("ada", "bob", "cyd")
STEP = st.one_of(
    st.tuples(st.just("lease"), st.sampled_from(PEOPLE), st.integers(1, 3)),
    st.tuples(
        st.just("label"), st.sampled_from(PEOPLE), st.integers(0, 3), st.sampled_from(["Glass", "Metal"])
    ),
    st.tuples(st.just("unusable"), st.sampled_from(PEOPLE), st.integers(0, 3)),
    st.tuples(st.just("skip"), st.sampled_from(PEOPLE), st.integers(0, 3)),
    st.tuples(st.just("expire")),
    st.tuples(st.just("undo"), st.sampled_from(PEOPLE), st.integers(0, 20)),
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEP, max_size=14), share=st.sampled_from([0.0, 1.0]))
def test_items_leases_and_labels_follow_from_what_people_did(
    engine: Engine, steps: list[tuple[object, ...]], share: float
) -> None:
    """Whatever people do in whatever order: nobody is given what another has, and the rows say what the events say."""
    waiting = Queue(engine)
    second_opinions(waiting, share)
    ids = waiting.add(1, 2, 3, 4)
    made: list[str] = []
    holds: dict[str, str] = {}
    for kind, *rest in steps:
        if kind == "expire":
            with writing(engine) as session:
                session.execute(update(review_items).values(lease_until=NOON))
            holds.clear()
        elif kind == "lease":
            who, limit = rest
            for item in take(waiting, str(who), limit):  # type: ignore[arg-type]  # drawn as an int
                assert holds.get(item, who) == who
                holds[item] = str(who)
        elif kind == "undo":
            who, place = rest
            if made:
                done, _ = undo(waiting.tools, waiting.line_id, [made[place % len(made)]], who=str(who))  # type: ignore[operator]
                made += [one.decision for one in done]
        else:
            who, place, *label = rest
            item = ids[place]  # type: ignore[index]
            ask = Ask(item=item, action=kind, class_name=str(label[0]) if label else None)  # type: ignore[arg-type]
            answers = decide(waiting.tools, waiting.line_id, [ask], who=str(who))
            if answers.decided:
                assert holds.pop(item, who) == who
                made.append(answers.decided[0].decision)
    _check_derived(waiting, ids)


def _check_derived(waiting: Queue, ids: list[str]) -> None:
    """Each row is what its decisions make it, and the catalogue's labels are the items'."""
    with reading(waiting.engine) as session:
        names = {one.id: one.name for one in list_classes(session, waiting.line_id)}
        rows = items.get_items(session, waiting.line_id, ids)
        events = decisions.of_items(session, ids)
    for item in ids:
        row, expected = rows[item], outcome(events[item], rows[item].needed)
        assert (row.state, row.class_id, row.opinions) == (
            expected.state,
            expected.class_id,
            len(expected.voters),
        )
        try:
            label = label_of(waiting, item)
        except UnknownEntry:  # never labelled
            label = None
        assert label == (None if row.class_id is None else names[row.class_id])
    waits = sum(row.waiting for row in rows.values())
    with reading(waiting.engine) as session:
        assert sum(tallies.waiting_by_reason(session, waiting.line_id).values()) == waits
        assert sum(tallies.arrived_by_day(session, waiting.line_id, NOON).values()) == len(ids)
