"""Answers that were accepted are corrected, and what the figures of review tell of the line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sortline.catalogue.store import labels
from sortline.db.session import reading, writing
from sortline.flows.correct import AlreadyCorrected, Correction, UnknownPrediction, correct
from sortline.flows.review_figures import review_figures
from sortline.flows.review_undo import undo
from sortline.monitoring import store as monitoring
from sortline.monitoring.recorded import RecordedPrediction
from tests.pictures import photo
from tests.review.queued import NOON, Queue, label_of, say


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
