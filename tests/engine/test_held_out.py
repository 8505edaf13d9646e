"""What a bundle says of the pictures it was calibrated on, and what prediction sets then come to on others."""

import numpy as np
import pytest

from sortline.engine.calibration import softmax
from sortline.engine.classifier import Classifier
from sortline.engine.held_out import TEST, held_out
from sortline.engine.routing import Policy
from sortline.flows.policy_evidence import Silent
from tests.bundles import starter


def test_memory_and_head_say_what_the_network_said() -> None:
    """As many validation pictures are right as the bundle's own figures tell."""
    bundle = starter()
    known = held_out(bundle)
    assert known is not None
    right = (known.logits.argmax(axis=1) == known.labels).mean()
    assert right == pytest.approx(bundle.manifest.metrics["validation_accuracy"], abs=0.003)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95, 0.99])
def test_the_starter_covers_its_test_pictures_as_stated(coverage: float) -> None:
    """Of 751 pictures it was not calibrated on, at least the stated share but for chance."""
    bundle = starter()
    tested = held_out(bundle, TEST)
    sets = Classifier(bundle, Silent()).sets(Policy(coverage=coverage))
    assert tested is not None
    assert sets is not None
    within = sets(softmax(tested.logits, bundle.manifest.temperature))
    covered = within[np.arange(len(tested)), tested.labels].mean()
    assert covered >= coverage - 2.5 * np.sqrt(coverage * (1 - coverage) / len(tested))


def test_without_a_coverage_there_are_no_sets() -> None:
    """They cost nothing where nobody asked for them."""
    assert Classifier(starter(), Silent()).sets(Policy()) is None
