"""Calibration and out-of-distribution scores against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import logsumexp
from scipy.special import softmax as reference_softmax

from sortline.engine import ood
from sortline.engine.calibration import fit_temperature, log_softmax, softmax
from sortline.engine.ood_scorers import energy, max_softmax
from sortline.evaluation.metrics import expected_calibration_error

logit_arrays = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12),
    elements=st.floats(-50, 50, width=32),
)


@given(logit_arrays)
def test_scores_agree_with_scipy(logits: np.ndarray) -> None:
    """Softmax, log-softmax and energy are what scipy computes in double precision."""
    wide = logits.astype(np.float64)
    assert np.allclose(softmax(logits), reference_softmax(wide, axis=1), atol=1e-6)
    assert np.allclose(
        log_softmax(logits), np.log(reference_softmax(wide, axis=1) + 1e-300), atol=1e-3, rtol=1e-3
    )
    assert np.allclose(energy(logits), -logsumexp(wide, axis=1), atol=1e-4)
    assert np.allclose(max_softmax(logits), 1 - reference_softmax(wide, axis=1).max(axis=1), atol=1e-6)


def test_temperature_undoes_overconfidence() -> None:
    """Logits three times too large are divided by about three, and the calibration error falls."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5)).astype(np.float32)
    drawn = softmax(logits).cumsum(axis=1) > rng.random((4000, 1))  # a class by its probability
    labels = drawn.argmax(axis=1)
    found = fit_temperature(logits * 3, labels)
    assert found == pytest.approx(3, rel=0.1)

    def error(temperature: float) -> float:
        shares = softmax(logits * 3, temperature)
        return expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == labels)

    assert error(found) < error(1) / 3


def test_five_percent_of_known_photos_are_unusual() -> None:
    """The fitted threshold is exceeded by 5 % of what it was fitted on, and scores rank by share."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (2000, 9)).astype(np.float32)
    reference, thresholds = ood.fit(logits, np.zeros((2000, 4), np.float32))
    for name in ("energy", "max_softmax"):
        found = ood.detector(name, reference, thresholds)(logits, logits)
        assert found.ood.mean() == pytest.approx(0.05, abs=0.002)
        assert np.array_equal(found.ood, found.scores > thresholds[name])
        assert found.unusual.min() == 0
        assert 0.99 < found.unusual.max() <= 1
        order = np.argsort(found.scores)
        assert (np.diff(found.unusual[order]) >= 0).all()


def test_wastex_rule_wants_both_energy_and_softmax() -> None:
    """Known only if energy is at most the threshold and the largest raw softmax at least 0.7."""
    logits = np.array([[9, 0, 0], [9, 8.9, 0], [1, 0, 0]], np.float32)  # sure; strong but torn; weak
    rule = ood.detector("wastex", {"energy": np.array([-9, -8], np.float32)}, {"energy": -5.0})
    assert rule(logits, logits).ood.tolist() == [False, True, True]
