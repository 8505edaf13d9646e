"""From a network and what it says of its pictures to a bundle: calibration, thresholds, memory, golden pictures.

Nothing here needs PyTorch: a probe's bundle is made wherever a bundle serves.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine import golden, ood, ood_scorers
from sortline.engine.bundle import (
    QUANTISED,
    Bundle,
    Dataset,
    Licences,
    Manifest,
    Memory,
    OodChoice,
    Precision,
    npz,
    write_bundle,
)
from sortline.engine.calibration import fit_temperature
from sortline.engine.head import Head
from sortline.engine.image import Preprocessing
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.ood_statistics import fit_space, fit_statistics, spread_rows
from sortline.engine.routing import Policy
from sortline.training.ood_choice import Beforehand, choose_detector
from sortline.training.probe import Labelled, one_thread

# The parts of a bundle's memory by their number there.
TRAIN, VALIDATION, TEST = 0, 1, 2
# Held-out pictures from which a temperature or a threshold can be told at all.
FEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The pictures a network was made with, N of them, and what it says of each.

    `labels` (N,) index `classes`; `splits` (N,) are 0 train, 1 validation, 2 test; `prefixes` (N,) uint64 the first 8
    bytes of each canonical picture's SHA-256; `logits` (N, C) float32, `embeddings` (N, D) float16 or float32.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.integer]
    splits: NDArray[np.uint8]
    prefixes: NDArray[np.uint64]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.floating]

    def memory(self) -> Memory:
        """The pictures as a bundle remembers them."""
        return Memory(
            embeddings=self.embeddings.astype(np.float16),
            labels=self.labels.astype(np.uint16),
            splits=self.splits.astype(np.uint8),
            prefixes=self.prefixes,
        )

    def of(self, part: int) -> Labelled:
        """Embeddings and labels of the pictures of a part."""
        chosen = self.splits == part
        return Labelled(embeddings=self.embeddings[chosen], labels=self.labels[chosen])

    def held_out(self) -> NDArray[np.bool_]:
        """The validation pictures, (N,); with the training pictures where they are too few to tell a threshold."""
        chosen: NDArray[np.bool_] = self.splits == VALIDATION
        return chosen if chosen.sum() >= FEWEST else self.splits != TEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network as a bundle holds it: its ONNX file, its head where it is linear, how it reads pictures.

    `backbone` is the hash of the bundle whose network it is but for the head, None where every layer is its own;
    `precisions` the arithmetic it may serve in, `quantised` the same network in 8 bits.
    """

    model: bytes
    head: Head | None
    preprocessing: Preprocessing
    backbone: str | None = None
    precisions: tuple[Precision, ...] = ("f32",)
    quantised: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a bundle comes from: its name, the version of the data, the recipe with every value, the licences."""

    name: str
    version: str
    recipe: Mapping[str, Any]
    licences: Licences


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A bundle's content but for figures and card: what the figures are then measured on. `detector` is that of the
    bundle's own policy.
    """

    manifest: Manifest
    files: Mapping[str, bytes]
    detector: ood.Detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectors:
    """Every detector that a network and its pictures allow, and the one chosen, where something could tell.

    `arrays` are what a bundle keeps of them, `thresholds` each one's.
    """

    scorers: Mapping[str, ood_scorers.OodScorer]
    reference: Mapping[str, NDArray[np.float32]]
    thresholds: Mapping[str, float]
    statistics: Mapping[str, NDArray[Any]]
    choice: OodChoice | None

    def stored(self) -> bytes:
        """As ood.npz."""
        return _stored({**self.reference, **self.statistics})

    def of(self, policy: Policy) -> ood.Detector:
        """The detector that a policy asks for."""
        return ood.detector(
            policy.detector,
            self.reference,
            self.thresholds,
            policy.ood_threshold,
            chosen=self.choice.detector if self.choice else None,
            scorers=self.scorers,
        )


def draft_bundle(network: Network, known: Known, origin: Origin, before: Beforehand | None = None) -> Draft:
    """Everything that follows from a network and its pictures; `before` is what its detectors are tried on besides.

    Temperature and OOD thresholds come from the validation pictures. Where those are fewer than 20 the temperature
    stays 1, and the thresholds come from the training pictures as well, which makes them too tight; without any picture
    nothing is unknown.
    """
    reference_runtime = OnnxRuntime(network.model)
    pictures = golden.draw(network.preprocessing.size)
    detectors = fit_detectors(known, network.head, before)
    arrays: dict[str, NDArray[Any]] = {"pixels": pictures, "logits": reference_runtime.infer(pictures).logits}
    if network.quantised is not None:
        arrays["int8_logits"] = OnnxRuntime(network.quantised).infer(pictures).logits
    memory, policy = known.memory(), Policy()
    files = {
        "model.onnx": network.model,
        "ood.npz": detectors.stored(),
        "memory.npz": _stored({field.name: getattr(memory, field.name) for field in fields(memory)}),
        "golden.npz": npz(**arrays),
    }
    if network.head is not None:
        files["head.npz"] = npz(weight=network.head.weight, bias=network.head.bias)
    if network.quantised is not None:
        files[QUANTISED] = network.quantised
    manifest = Manifest(
        name=origin.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        classes=known.classes,
        preprocessing=network.preprocessing,
        temperature=temperature(known),
        precisions=network.precisions,
        ood_thresholds=dict(detectors.thresholds),
        policy=policy,
        metrics={},
        dataset=Dataset(version=origin.version, hash=dataset_hash(known)),
        recipe=dict(origin.recipe),
        licences=origin.licences,
        files={},
        backbone=network.backbone,
        ood_choice=detectors.choice,
    )
    return Draft(manifest=manifest, files=files, detector=detectors.of(policy))


def fit_detectors(known: Known, head: Head | None, before: Beforehand | None = None) -> Detectors:
    """Every detector, fitted and tried.

    What looks at embeddings is fitted on training pictures, and its threshold on validation: with fewer than 20 of
    either there are only the detectors that look at logits, and nothing is chosen.
    """
    held_out = known.held_out()
    if not held_out.any():
        reference, thresholds = ood.never()
        return Detectors(
            scorers=ood.SCORERS, reference=reference, thresholds=thresholds, statistics={}, choice=None
        )
    logits, embeddings = known.logits[held_out], known.embeddings[held_out].astype(np.float32)
    train, validation = known.of(TRAIN), known.of(VALIDATION)
    if min(len(train), len(validation)) < FEWEST or len(np.unique(train.labels)) < 2:
        reference, thresholds = ood.fit(logits, embeddings)
        return Detectors(
            scorers=ood.SCORERS, reference=reference, thresholds=thresholds, statistics={}, choice=None
        )
    before, rows = before or Beforehand(), spread_rows(train.labels)
    some = train.embeddings[rows].astype(np.float32)
    with one_thread():
        statistics = fit_statistics(some, train.labels[rows], head, fit_space(some, near=before.basis))
        scorers = ood_scorers.scorers(statistics, head)
        reference, thresholds = ood.fit(logits, embeddings, scorers)
        choice = choose_detector(train, validation, head, scorers, before)
    return Detectors(
        scorers=scorers,
        reference=reference,
        thresholds=thresholds,
        statistics={**statistics, **(before.outliers.arrays() if before.outliers else {})},
        choice=choice,
    )


def temperature(known: Known) -> float:
    """What confidences are divided by, fitted on validation; 1 where that is too small to tell."""
    chosen = known.splits == VALIDATION
    if chosen.sum() < FEWEST:
        return 1.0
    return fit_temperature(known.logits[chosen], known.labels[chosen])


def finish(
    draft: Draft,
    metrics: Mapping[str, Any],
    card: str,
    folder: Path,
    precisions: tuple[Precision, ...] | None = None,
) -> Bundle:
    """The bundle in `folder`: the draft with its figures (added to those it has), its card, and the arithmetic in
    which it may be served, where that is another than the draft's. A quantised network that may not serve is left out:
    it is a third of a bundle.
    """
    chosen = draft.manifest.precisions if precisions is None else precisions
    update = {"metrics": {**draft.manifest.metrics, **metrics}, "precisions": chosen}
    files = {**draft.files, "card.md": card.encode()}
    if "int8" not in chosen:
        files.pop(QUANTISED, None)
    return write_bundle(folder, draft.manifest.model_copy(update=update), files)


def _stored(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The arrays as .npz, not compressed: embeddings shrink by a tenth, and that would take half a second."""
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy types the keyword allow_pickle only
    return buffer.getvalue()


def dataset_hash(known: Known) -> str:
    """SHA-256 over the sorted (first 8 bytes of the picture's hash, label, split) rows, hex."""
    names = ("train", "validation", "test")
    rows = sorted(
        f"{prefix:016x},{known.classes[label]},{names[split]}\n"
        for prefix, label, split in zip(
            known.prefixes.tolist(), known.labels.tolist(), known.splits.tolist(), strict=True
        )
    )
    return hashlib.sha256("".join(rows).encode()).hexdigest()


def prefixes_of(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """The first 8 bytes of each SHA-256 (64 hex digits), as numbers (N,)."""
    return np.array([int(sha256[:16], 16) for sha256 in hashes], dtype=np.uint64)
