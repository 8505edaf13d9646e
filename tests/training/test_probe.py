"""A probe's head: the regression it claims to be, chosen on validation, right in the corners."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from sortline.engine.head import Head
from sortline.training.probe import Labelled, fit_probe

STRENGTHS = (0.03, 0.003, 0.0003)


def clouds(count: int, classes: int = 3, width: int = 16, seed: int = 0) -> Labelled:
    """`count` embeddings a class, around one centre each that every seed shares."""
    centres = np.random.default_rng(7).normal(0, 2, (classes, width))
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), count)
    return Labelled(
        embeddings=(centres[labels] + draw.normal(0, 1.5, (len(labels), width))).astype(np.float16),
        labels=labels,
    )


NOTHING = Labelled(embeddings=np.zeros((0, 16), np.float16), labels=np.zeros(0, np.int64))


def answers(head: Head, of: Labelled) -> NDArray[np.int64]:
    """The class with the largest logit, (N,)."""
    return (of.embeddings.astype(np.float32) @ head.weight.T + head.bias).argmax(axis=1)


def test_it_is_the_regression_that_scikit_learn_fits() -> None:
    """The same loss and penalty give the same logits, but for a constant a picture."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    train = clouds(60)
    found = fit_probe(train, NOTHING, classes=3, strengths=(0.01,))
    x = train.embeddings.astype(np.float64)
    x -= x.mean(axis=0)
    x /= np.sqrt(np.square(x).sum(axis=1).mean())
    # Its loss is a sum and its penalty 1 / C, ours a mean and λ.
    theirs = linear_model.LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-8, max_iter=1000).fit(
        x, train.labels
    )
    logits = train.embeddings.astype(np.float32) @ found.head.weight.T + found.head.bias
    expected = theirs.decision_function(x)
    ours = logits - logits.mean(axis=1, keepdims=True)
    assert np.abs(ours - (expected - expected.mean(axis=1, keepdims=True))).max() < 0.05


def test_validation_chooses_the_strength() -> None:
    """Of all tried the best on validation is kept, and every trial is told."""
    found = fit_probe(clouds(30), clouds(30, seed=1), classes=3, strengths=STRENGTHS)
    assert [trial.strength for trial in found.trials] == sorted(STRENGTHS, reverse=True)
    best = max(found.trials, key=lambda trial: (trial.accuracy or 0, -(trial.loss or 0)))
    assert found.strength == best.strength
    assert (answers(found.head, clouds(50, seed=2)) == clouds(50, seed=2).labels).mean() > 0.9


def test_without_validation_the_middle_strength_is_taken() -> None:
    """Nothing can be chosen, so nothing extreme is."""
    found = fit_probe(clouds(20), NOTHING, classes=3, strengths=STRENGTHS)
    assert found.strength == 0.003
    assert all(trial.accuracy is None for trial in found.trials)


def test_a_class_without_a_training_picture_is_never_answered() -> None:
    """It has a place in the outputs, and no picture ends up there."""
    found = fit_probe(clouds(30), clouds(10, seed=1), classes=4, strengths=STRENGTHS)
    assert found.head.weight.shape == (4, 16)
    assert 3 not in answers(found.head, clouds(50, seed=2))


def test_balanced_finds_the_rare_class_more_often() -> None:
    """Three pictures against three hundred: weighed alike, the rare class is found in more of its pictures."""
    common, rare = clouds(300), clouds(3)
    keep = common.labels != 2
    train = Labelled(
        embeddings=np.concatenate([common.embeddings[keep], rare.embeddings[rare.labels == 2]]),
        labels=np.concatenate([common.labels[keep], rare.labels[rare.labels == 2]]),
    )
    test = clouds(200, seed=3)
    recall = {}
    for balanced in (False, True):
        found = fit_probe(train, clouds(20, seed=1), classes=3, strengths=(0.03,), balanced=balanced)
        recall[balanced] = (answers(found.head, test) == 2)[test.labels == 2].mean()
    assert recall[True] > recall[False]


def test_a_class_of_one_validation_picture_counts_little_when_the_strength_is_chosen() -> None:
    """A sixth of a share where forty have nearly a whole one: its recall, 0 or 1, is a lot drawn."""
    train, held_out = clouds(60), clouds(40, seed=1)
    rare = 2
    rows = np.concatenate([np.flatnonzero(train.labels != rare), np.flatnonzero(train.labels == rare)[:3]])
    train = Labelled(embeddings=train.embeddings[rows], labels=train.labels[rows])
    large, one = np.flatnonzero(held_out.labels != rare), np.flatnonzero(held_out.labels == rare)[:1]
    rows = np.concatenate([large, one])
    held_out = Labelled(embeddings=held_out.embeddings[rows], labels=held_out.labels[rows])
    found = fit_probe(train, held_out, classes=3, strengths=STRENGTHS, balanced=True)
    told = {trial.strength: trial.accuracy for trial in found.trials}
    right = answers(found.head, held_out) == held_out.labels
    weight = np.where(held_out.labels == rare, 1 / 6, 1 / 45)
    assert told[found.strength] == pytest.approx(weight[right].sum() / weight.sum())


def test_it_ends_when_it_is_told_to() -> None:
    """What `check` raises comes out before the next fit."""

    class End(Exception):
        pass

    def check() -> None:
        raise End

    with pytest.raises(End):
        fit_probe(clouds(10), NOTHING, classes=3, strengths=STRENGTHS, check=check)


def test_the_first_fit_of_a_process_runs_one_thread_too() -> None:
    """Scipy, which is loaded as late as that, brings a pool of its own."""
    program = """
import numpy as np
from threadpoolctl import threadpool_info
from sortline.training.probe import Labelled, fit_probe
photos = Labelled(embeddings=np.eye(6, dtype=np.float32), labels=np.arange(6) % 2)
pools = []
look = lambda: pools.extend(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
fit_probe(photos, photos, classes=2, strengths=(0.1, 0.01), check=look)
print(set(pools))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "{1}\n"
