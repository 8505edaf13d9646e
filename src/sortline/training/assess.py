"""The starter's figures, all through the serving path: a classifier on the exported network."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Precision
from sortline.engine.calibration import softmax
from sortline.engine.choice import candidates
from sortline.engine.classifier import Classifier
from sortline.evaluation import metrics
from sortline.evaluation.card import ArithmeticFigures, OodFigures, TestFigures, TransferFigures
from sortline.evaluation.detectors import WORDS

# TrashNet's folders and the RealWaste class each one's photos belong to.
TRASHNET = {
    "cardboard": "Cardboard",
    "glass": "Glass",
    "metal": "Metal",
    "paper": "Paper",
    "plastic": "Plastic",
    "trash": "Miscellaneous Trash",
}


# Share of the validation photos that coarser arithmetic may get wrong more than float32 does, and still serve.
MOST_LOST = 0.005

# Paths of photos, and the name of each one's class.
Photos = tuple[Sequence[Path], Sequence[str]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a classifier said of N photos whose labels are known.

    `labels` and `predictions` (N,), `logits` (N, C), calibrated `confidences` (N,), and (N,)
    whether each was `flagged` as unknown.
    """

    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    logits: NDArray[np.float32]
    confidences: NDArray[np.float64]
    flagged: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which answers are right, (N,)."""
        return np.equal(self.labels, self.predictions)


def ask(classifier: Classifier, paths: Sequence[Path], names: Sequence[str]) -> Answers:
    """The answers for photos of the classes `names`, one per path."""
    index = {name: i for i, name in enumerate(classifier.classes)}
    found = classifier.classify_batch(paths)
    return Answers(
        labels=np.array([index[n] for n in names]),
        predictions=np.array([index[p.class_name] for p in found]),
        logits=np.stack([p.logits for p in found]),
        confidences=np.array([p.confidence for p in found]),
        flagged=np.array([p.ood for p in found]),
    )


def accuracy_figures(answers: Answers, classifier: Classifier, originals: Answers | None) -> TestFigures:
    """How well the classifier does on test, and on the originals in full size."""
    classes = classifier.classes
    confusion = metrics.confusion_matrix(answers.labels, answers.predictions, len(classes))
    return TestFigures(
        accuracy=metrics.accuracy(answers.labels, answers.predictions),
        macro_f1=metrics.macro_f1(confusion),
        classes=metrics.per_class(confusion, classes),
        confusion=confusion,
        ece_before=metrics.expected_calibration_error(softmax(answers.logits).max(axis=1), answers.right),
        ece_after=metrics.expected_calibration_error(answers.confidences, answers.right),
        temperature=classifier.bundle.manifest.temperature,
        accepted_error=metrics.accepted_error(answers.confidences, answers.right, 0.8),
        originals=metrics.accuracy(originals.labels, originals.predictions) if originals else None,
    )


def arithmetic_figures(
    reference: Classifier, validation: Photos, test: Photos, precisions: Sequence[Precision]
) -> tuple[ArithmeticFigures, ...]:
    """What serving in coarser arithmetic costs, for each kind that this machine computes in."""
    asked = (ask(reference, *validation), ask(reference, *test))
    found = []
    for name, candidate in candidates().items():
        if candidate.precision not in precisions:
            continue
        try:
            runtime = candidate.load(reference.bundle, 1, None)
        except RuntimeError as reason:
            log.warning("%s is not measured: %s", name, reason)
            continue
        classifier = Classifier(reference.bundle, runtime)
        held_out, tested = ask(classifier, *validation), ask(classifier, *test)
        lost = asked[0].right.mean() - held_out.right.mean()
        found.append(
            ArithmeticFigures(
                name=candidate.precision,
                validation=float(held_out.right.mean()),
                validation_f32=float(asked[0].right.mean()),
                test=float(tested.right.mean()),
                test_f32=float(asked[1].right.mean()),
                test_flagged=float(tested.flagged.mean()),
                serves=bool(lost <= MOST_LOST),
            )
        )
    return tuple(found)


def ood_figures(answers: Answers, classifier: Classifier) -> OodFigures:
    """The default threshold for unknown items and what it does to known test photos."""
    detector = classifier.default_detector
    return OodFigures(
        method=WORDS[detector.name],
        threshold=detector.threshold,
        chosen="The threshold is the 95 % quantile of the validation photos.",
        test_flagged=float(answers.flagged.mean()),
        choice=classifier.bundle.manifest.ood_choice,
    )


def trashnet_figures(classifier: Classifier, folder: Path) -> TransferFigures:
    """How the classifier does on TrashNet, whose photos come from another place and camera."""
    paths = sorted(p for p in folder.glob("*/*.jpg") if p.parent.name in TRASHNET)
    answers = ask(classifier, paths, [TRASHNET[p.parent.name] for p in paths])
    return TransferFigures(
        name="TrashNet",
        mapping=", ".join(f"{theirs} → {ours}" for theirs, ours in TRASHNET.items()),
        accuracy=metrics.accuracy(answers.labels, answers.predictions),
        auroc=metrics.auroc(answers.confidences[answers.right], answers.confidences[~answers.right]),
        flagged=float(answers.flagged.mean()),
    )
