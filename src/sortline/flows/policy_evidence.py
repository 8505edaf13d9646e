"""What a line's thresholds are judged by: pictures that a bundle remembers, and what came lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.db.session import reading
from sortline.engine.bundle import Bundle
from sortline.engine.calibration import softmax
from sortline.engine.classifier import Classifier
from sortline.engine.held_out import held_out
from sortline.engine.ood import Detector
from sortline.engine.routing import Policy, Reason
from sortline.engine.runtime import Outputs
from sortline.engine.traffic import Known, Traffic
from sortline.errors import SortlineError
from sortline.monitoring.sample_store import Sampled, per_day, sample

# Days of traffic that thresholds are judged by.
DAYS = 14
# Held-out pictures from which a bundle's mistakes can be told; predictions from which traffic can.
FEWEST_KNOWN, FEWEST_SEEN = 20, 200


class Seen:
    """What came lately to a line; by the bundle itself where that has seen enough."""

    def __init__(self, engine: Engine, line_id: int, bundle: Bundle, now: datetime) -> None:
        with reading(engine) as session:
            self.per_day: Sequence[float] = per_day(session, line_id, now, days=DAYS)
            rows = sample(session, line_id, now - timedelta(days=DAYS), now)
        own = [row for row in rows if row.bundle_hash == bundle.hash]
        self.same_bundle = len(own) >= FEWEST_SEEN
        self._rows: list[Sampled] = own if self.same_bundle else rows

    def traffic(self, policy: Policy, judge: Classifier) -> Traffic | None:
        """The predictions as thresholds judge them; None where there are too few."""
        rows = self._rows
        if len(rows) < FEWEST_SEEN:
            return None
        confidence = np.array([row.confidence for row in rows])
        unsure = np.zeros(len(rows), bool)
        if (sets := judge.sets(policy)) is not None:
            # Above a half no two classes are in a set, and it is empty below the floor. Otherwise: as it was decided.
            ambiguous = np.array([row.reason == Reason.AMBIGUOUS for row in rows])
            unsure = confidence < sets.floor if sets.floor > 0.5 else ambiguous
        return Traffic(
            unusual=np.array([row.ood_score for row in rows]),
            confidence=confidence,
            unreadable=np.array([row.reason == Reason.UNREADABLE for row in rows]),
            watched=np.array([row.class_name in policy.watched for row in rows]),
            ambiguous=unsure,
        )


def known_of(judge: Classifier, detector: Detector, policy: Policy) -> Known:
    """The bundle's held-out pictures as thresholds judge them."""
    found = held_out(judge.bundle)
    if found is None or len(found) < FEWEST_KNOWN:
        raise CannotFit(
            "the bundle has no linear head, or remembers too few held-out pictures to tell its mistakes"
        )
    probabilities = softmax(found.logits, judge.bundle.manifest.temperature)
    answers = probabilities.argmax(axis=1)
    watched = np.array([name in policy.watched for name in judge.classes])
    sets = judge.sets(policy)
    unsure: NDArray[np.bool_] = np.zeros(len(found), bool)
    if sets is not None:
        unsure = sets(probabilities).sum(axis=1) != 1
    return Known(
        unusual=detector(found.logits, found.embeddings).unusual,
        confidence=probabilities.max(axis=1).astype(np.float64),
        correct=answers == found.labels,
        watched=watched[answers],
        ambiguous=unsure,
    )


class Silent:
    """Stands where a network would: what a bundle remembers is judged without one."""

    name = "none"

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """Never called."""
        raise NotImplementedError

    def settle(self, batch: int) -> None:
        """Never called."""


class CannotFit(SortlineError):
    """Nothing tells what thresholds would come to."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"No thresholds follow from the budget: {problem}.")
