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
from sortline.db.session import reading, writing
from sortline.flows.correct import AlreadyCorrected, Correction, UnknownPrediction, correct
from sortline.flows.review import Answers, Ask, decide
from sortline.flows.review_figures import review_figures
from sortline.flows.review_queue import Wanted, gather, kinds, lease_next, similar
from sortline.flows.review_undo import undo
from sortline.lines.classes import class_ids, list_classes
from sortline.monitoring import store as monitoring
from sortline.monitoring.recorded import RecordedPrediction
from sortline.review.item import ItemFilter, ReviewSettings
from sortline.review.outcome import NothingToUndo, outcome
from sortline.review.store import decisions, items, queue
from sortline.review.store.settings import set_settings
from sortline.review.tables import review_items
from tests.pictures import photo
from tests.review.queued import NOON, Queue


@pytest.fixture
def waiting(engine: Engine) -> Queue:
    """A line with an empty queue."""
    return Queue(engine)


def take(waiting: Queue, who: str, limit: int = 20, **wanted: object) -> list[str]:
    """Ids of what a person is given."""
    found = lease_next(
        waiting.engine,
        waiting.line_id,
        who=who,
        wanted=Wanted(**wanted),
        limit=limit,  # type: ignore[arg-type]
    )
    return [item.id for item in found.items]


def say(waiting: Queue, who: str, item: str, label: str | None, **more: object) -> Answers:
    """One person's opinion about one item; None: unusable."""
    ask = Ask(item=item, action="unusable" if label is None else "label", class_name=label, **more)  # type: ignore[arg-type]
    return decide(waiting.tools, waiting.line_id, [ask], who=who)


def label_of(waiting: Queue, item: str) -> str | None:
    """The class of an item's picture in the catalogue; raises where it is in none."""
    with reading(waiting.engine) as session:
        names = {one.id: one.name for one in list_classes(session, waiting.line_id)}
        entry = get_entry(
            session, waiting.line_id, items.get_item(session, waiting.line_id, item).image_sha256
        )
    return None if entry.class_id is None else names[entry.class_id]


def second_opinions(waiting: Queue, share: float) -> None:
    """So many items get two."""
    with writing(waiting.engine) as session:
        set_settings(session, waiting.line_id, ReviewSettings(second_opinions=share))


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
    """Of each kind the first comes before the second of any."""
    draw = np.random.default_rng(3)
    kinds_of = draw.standard_normal((3, 64))
    rows = [kinds_of[kind] + 0.05 * draw.standard_normal(64) for kind in (0, 0, 0, 0, 1, 2)]
    ids = waiting.add(*range(6), embeddings=rows)
    with writing(waiting.engine) as session:
        session.execute(update(review_items).values(control=False))
    of = dict(zip(ids, (0, 0, 0, 0, 1, 2), strict=True))
    assert {of[item] for item in take(waiting, "ada", 3)} == {0, 1, 2}


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


def prediction(waiting: Queue, class_name: str = "Glass") -> str:
    """The id of an accepted answer."""
    one = RecordedPrediction(
        id=f"{datetime.now(UTC).timestamp() * 1e6:032.0f}",
        line_id=waiting.line_id,
        at=datetime.now(UTC),
        class_name=class_name,
        confidence=0.9,
        verdict="accept",
        reason=None,
        ood_score=0.1,
        energy=-3.0,
        bundle_hash="ab" * 32,
        latency_ms=3.0,
        source="belt-1",
    )
    with writing(waiting.engine) as session:
        monitoring.record(session, [one])
    return one.id


def test_an_accepted_answer_is_corrected_with_or_without_its_picture(waiting: Queue) -> None:
    """Once; with the picture it is labelled as well; undone, both are taken back."""
    bare, shown = prediction(waiting), prediction(waiting)
    without = correct(
        waiting.tools, waiting.line_id, Correction(prediction=bare, class_name="Metal"), who="ada"
    )
    assert without.entry is None
    again = Correction(prediction=bare, class_name="Metal")
    with pytest.raises(AlreadyCorrected):
        correct(waiting.tools, waiting.line_id, again, who="ada")
    given = Correction(prediction=shown, class_name="Wood", new_class=True, data=photo(seed=9))
    with_it = correct(waiting.tools, waiting.line_id, given, who="ada")
    assert with_it.entry is not None
    with reading(waiting.engine) as session:
        (event,) = labels.history(session, with_it.entry)
        assert [one.n for one in review_figures(session, waiting.line_id).confusions] == [1, 1]
    assert event.origin == "correction"
    for decision in (with_it.decision, without.decision):
        (undone,), _ = undo(waiting.tools, waiting.line_id, [decision], who="bob")
        assert undone.item is None
    with reading(waiting.engine) as session:
        assert labels.history(session, with_it.entry)[-1].origin == "undo"
        assert review_figures(session, waiting.line_id).confusions == ()
    (redone,), _ = undo(waiting.tools, waiting.line_id, [undone.decision], who="bob")
    assert redone.item is None
    with pytest.raises(UnknownPrediction):
        correct(
            waiting.tools, waiting.line_id, Correction(prediction="0" * 32, class_name="Metal"), who="ada"
        )


def test_correcting_what_went_to_review_decides_its_item(waiting: Queue) -> None:
    """There is one way to a label."""
    (item,) = waiting.add(1)
    found = waiting.item(item)
    row = RecordedPrediction(
        id=found.prediction_id,
        line_id=waiting.line_id,
        at=NOON,
        class_name="Glass",
        confidence=0.4,
        verdict="review",
        reason="unknown",
        ood_score=0.9,
        energy=-3.0,
        bundle_hash="ab" * 32,
        latency_ms=3.0,
        source="belt-1",
    )
    with writing(waiting.engine) as session:
        monitoring.record(session, [row])
    given = Correction(prediction=found.prediction_id, class_name="Metal")
    made = correct(waiting.tools, waiting.line_id, given, who="ada")
    assert made.item == item
    assert waiting.item(item).state == "done"
    assert label_of(waiting, item) == "Metal"


def test_figures_tell_of_the_queue_and_of_the_line(waiting: Queue) -> None:
    """What waits by reason; pace; the accuracy of what was accepted, from what was drawn of it."""
    sampled = waiting.add(1, 2, 3, reason="sampled", class_name="Glass")
    waiting.add(4, reason="ambiguous")
    for item, label in zip(sampled, ("Glass", "Glass", "Metal"), strict=True):
        say(waiting, "ada", item, label, ms=2000)
    with reading(waiting.engine) as session:
        found = review_figures(session, waiting.line_id)
    assert found.waiting == {"ambiguous": 1}
    assert found.oldest == NOON
    assert found.accuracy is not None
    assert (found.accuracy.n, round(found.accuracy.value, 2)) == (3, 0.67)
    assert [(one.who, one.labels) for one in found.people] == [("ada", 3)]
    assert found.seconds_per_label == 2.0
    assert [(one.predicted, one.label, one.n) for one in found.confusions] == [("Glass", "Metal", 1)]
    assert found.per_day[-1].decided == 3


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
