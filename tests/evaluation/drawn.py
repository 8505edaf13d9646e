"""Answers drawn for tests: by hand from names, or many at random."""

from collections.abc import Sequence

import numpy as np

from sortline.evaluation.answers import Answers


def said(
    classes: Sequence[str],
    truth: Sequence[str],
    predicted: Sequence[str],
    *,
    confidence: float | Sequence[float] = 0.9,
    flagged: Sequence[bool] | None = None,
    keys: Sequence[str] | None = None,
) -> Answers:
    """Answers of a bundle that said `predicted`, each with that confidence, which must be above 1 / C."""
    count, others = len(truth), len(classes) - 1
    sure = np.broadcast_to(np.asarray(confidence, float), (count,))
    probabilities = np.repeat(((1 - sure) / others)[:, None], others + 1, axis=1)
    probabilities[np.arange(count), [list(classes).index(name) for name in predicted]] = sure
    return Answers(
        classes=tuple(classes),
        keys=tuple(str(i) for i in range(count)) if keys is None else tuple(keys),
        truth=tuple(truth),
        logits=np.log(np.maximum(probabilities, 1e-12)).astype(np.float32),
        temperature=1.0,
        flagged=np.zeros(count, bool) if flagged is None else np.asarray(flagged, bool),
    )


def at_random(
    classes: Sequence[str],
    truth: Sequence[str],
    *,
    skill: float = 3.5,
    seed: int = 0,
    hard: Sequence[str] = (),
    temperature: float = 1.0,
) -> Answers:
    """Plausible answers: the better the higher the skill, worse on `hard` classes. Part of the noise is the picture's,
    so that two bundles err on the same ones.
    """
    own, common = np.random.default_rng(seed + 1), np.random.default_rng(99)
    count, columns = len(truth), len(classes)
    logits = 0.8 * common.normal(size=(count, columns)) + 0.6 * own.normal(size=(count, columns))
    index = {name: i for i, name in enumerate(classes)}
    for row, name in enumerate(truth):
        if name in index:
            logits[row, index[name]] += skill * (0.5 if name in hard else 1.0)
    return Answers(
        classes=tuple(classes),
        keys=tuple(f"{row:064x}" for row in range(count)),
        truth=tuple(truth),
        logits=logits.astype(np.float32),
        temperature=temperature,
        flagged=own.random(count) < 0.05,
    )


def with_counts(both: int, only_candidate: int, only_live: int, neither: int) -> tuple[Answers, Answers]:
    """Candidate and live with these counts of right answers, over the classes a and b; all pictures are of a."""
    truth = ["a"] * (both + only_candidate + only_live + neither)
    ours = "a" * (both + only_candidate) + "b" * (only_live + neither)
    theirs = "a" * both + "b" * only_candidate + "a" * only_live + "b" * neither
    return said("ab", truth, ours), said("ab", truth, theirs)
