"""A candidate: the bundle that a run makes, whichever way its network was trained."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Licences
from sortline.engine.calibration import softmax
from sortline.engine.ood import Detector
from sortline.evaluation import metrics
from sortline.evaluation.card import Card, OodFigures, Provenance, TestFigures, render
from sortline.evaluation.checks import Parity
from sortline.evaluation.detectors import WORDS
from sortline.flows.compared import Said
from sortline.flows.training_data import PART_NAMES, TrainingData
from sortline.settings import available_cores
from sortline.training.assemble import (
    TEST,
    VALIDATION,
    Draft,
    Known,
    Network,
    Origin,
    draft_bundle,
    prefixes_of,
)
from sortline.training.ood_choice import Beforehand

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What training gave: a network, what it says of all pictures it knows, and how it came about.

    `parity` holds PyTorch beside ONNX Runtime where a network was exported; `figures` go into the manifest; `recipe` is
    what the manifest says beside the run's own; `licences` are of what the network was made from; `before` is what is
    known of the network's detectors.
    """

    network: Network
    data: TrainingData
    known: Known
    licences: Licences
    summary: str
    weights: str
    command: str
    epochs: str
    seconds: float
    parity: Parity | None = None
    before: Beforehand | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


def known_of(data: TrainingData, said: Said, remembered: NDArray[np.float32]) -> Known:
    """All pictures that a network knows: those of the version, in the order of `said`, then those remembered.

    `remembered`: what it says of these, logits (M, C).
    """
    place = {sha256: row for row, sha256 in enumerate(data.pictures.hashes)}
    rows = [place[sha256] for sha256 in said.hashes]
    labels = data.index(data.pictures.labels[rows])
    embeddings = said.embeddings
    if len(data.remembered):
        rest = data.remembered.embeddings
        embeddings = np.concatenate([embeddings, rest]) if len(said.hashes) else rest
    return Known(
        classes=data.classes,
        labels=np.concatenate([labels, data.index(data.remembered.labels)]),
        splits=np.concatenate([data.pictures.parts[rows], data.remembered.parts]),
        prefixes=np.concatenate([prefixes_of(said.hashes), data.remembered.prefixes]),
        logits=np.concatenate([said.logits, remembered]),
        embeddings=embeddings,
    )


def drafted(made: Made, *, name: str, version: str, recipe: Mapping[str, Any]) -> tuple[Draft, str, Figures]:
    """The bundle that follows from what was made, its card, and its figures."""
    origin = Origin(name=name, version=version, recipe={**recipe, **made.recipe}, licences=made.licences)
    draft = draft_bundle(made.network, made.known, origin, made.before)
    test = _test(made.known, draft.manifest.temperature)
    card = Card(
        provenance=_provenance(made, name, version),
        test=test,
        ood=OodFigures(
            method=WORDS[draft.detector.name],
            threshold=draft.detector.threshold,
            chosen="The threshold is the 95 % quantile of the validation photos.",
            test_flagged=_flagged(made.known, draft.detector),
            choice=draft.manifest.ood_choice,
        ),
        parity="the serving runtime is held against ONNX Runtime on real photos in the run's report.",
    )
    return draft, render(card), {**made.figures, **_manifest_figures(test, made.known)}


def bundle_name(line: str, method: str, moment: str) -> str:
    """A name that sorts by time: `waste-probe-20261127-120000`, of at most 63 characters."""
    tail = f"-{method}-{moment}"
    return line[: 63 - len(tail)] + tail


def _test(known: Known, temperature: float) -> TestFigures | None:
    rows = known.splits == TEST
    if not rows.any():
        return None
    logits, labels = known.logits[rows], known.labels[rows]
    answers = logits.argmax(axis=1)
    right = answers == labels
    confidences = softmax(logits, temperature).max(axis=1)
    confusion = metrics.confusion_matrix(labels, answers, len(known.classes))
    return TestFigures(
        accuracy=metrics.accuracy(labels, answers),
        macro_f1=metrics.macro_f1(confusion),
        classes=metrics.per_class(confusion, known.classes),
        confusion=confusion,
        ece_before=metrics.expected_calibration_error(softmax(logits).max(axis=1), right),
        ece_after=metrics.expected_calibration_error(confidences, right),
        temperature=temperature,
        accepted_error=metrics.accepted_error(confidences, right, 0.8),
    )


def _manifest_figures(test: TestFigures | None, known: Known) -> Figures:
    rows = known.splits == VALIDATION
    right = known.logits[rows].argmax(axis=1) == known.labels[rows]
    figures: Figures = {"validation_accuracy": float(right.mean()) if rows.any() else None}
    if test is None:
        return figures
    accuracy = test.accuracy
    return figures | {
        "test_accuracy": {
            "value": accuracy.value,
            "low": accuracy.low,
            "high": accuracy.high,
            "total": accuracy.total,
        },
        "test_macro_f1": test.macro_f1,
        "test_f1": {one.name: one.f1 for one in test.classes},
        "test_ece_before": test.ece_before,
        "test_ece": test.ece_after,
        "test_accepted_error_80": test.accepted_error,
    }


def _provenance(made: Made, name: str, version: str) -> Provenance:
    parts = np.bincount(made.known.splits, minlength=3).tolist()
    return Provenance(
        name=name,
        summary=made.summary,
        intended_use=f"Telling {_listed(made.known.classes)} apart in pictures like those it was trained on.",
        not_for="pictures of another kind, and decisions that nobody checks.",
        data=f"Version {version}: {len(made.data.pictures):,} pictures; {len(made.data.remembered):,} more are known "
        "by their embeddings from the bundle before.",
        data_licence=made.licences.data,
        weights=made.weights,
        weights_licence=made.licences.weights,
        split="as the line's catalogue has it: near-duplicates share a part, and no picture changes its part.",
        photos=dict(zip(PART_NAMES, parts, strict=True)),
        command=made.command,
        training_minutes=made.seconds / 60,
        hardware=_hardware(),
        epochs=made.epochs,
    )


def _flagged(known: Known, detector: Detector) -> float:
    rows = known.splits == TEST
    found = detector(known.logits[rows], known.embeddings[rows].astype(np.float32))
    return float(found.ood.mean()) if rows.any() else 0.0


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown} and {len(names) - 12} more classes"


def _hardware() -> str:
    return f"{available_cores()} CPU cores ({platform.machine()})"
