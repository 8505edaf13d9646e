"""A candidate and the live bundle on the same pictures: what each says of them, and how the two compare."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.db.session import reading
from sortline.engine.bundle import Bundle
from sortline.engine.calibration import softmax
from sortline.engine.choice import TOLERANCE, candidates
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.routing import Policy
from sortline.engine.runtime import Runtime
from sortline.evaluation.answers import Answers
from sortline.evaluation.checks import Parity
from sortline.evaluation.compare import Comparison, compare
from sortline.evaluation.figures import Measured, OutlierFigures, outlier_figures
from sortline.flows.embeddings import Embedder
from sortline.flows.inferred import Pictures, inferred
from sortline.flows.networks import Served, logits_of
from sortline.flows.training_data import TrainingData, trained_on
from sortline.lines.classes import class_ids, list_classes
from sortline.storage.blobs import Blobs
from sortline.training.assemble import TEST, prefixes_of

# Photos on which two runtimes are held against each other, and single pictures that a latency is the median of.
PARITY_PHOTOS, LATENCY_PICTURES = 8, 7

Check = Callable[[], object]
# A set of pictures of other things: its name, and their hashes.
Outliers = tuple[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a bundle says of N pictures: their hashes, logits (N, C), embeddings (N, D); why others have no answer."""

    hashes: tuple[str, ...]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.floating]
    missing: Mapping[str, str]
    fresh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Asks bundles about catalogued pictures."""

    engine: Engine
    blobs: Blobs

    def __call__(
        self,
        served: Served,
        hashes: Sequence[str],
        *,
        check: Check = lambda: None,
        progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> Said:
        """What the bundle says of the pictures: by its head from kept embeddings, or by its whole network."""
        head = served.bundle.head()
        if head is None:
            return self._whole(served, hashes, check, progress)
        embedder = Embedder(engine=self.engine, blobs=self.blobs, backbone=served.backbone)
        found = embedder(hashes, check=check, progress=progress)
        width = head.weight.shape[1]
        embeddings = found.embeddings if found.hashes else np.zeros((0, width), np.float16)
        return Said(
            hashes=found.hashes,
            logits=logits_of(head, embeddings),
            embeddings=embeddings,
            missing=found.missing,
            fresh=found.fresh,
        )

    def _whole(
        self, served: Served, hashes: Sequence[str], check: Check, progress: Callable[[int, int], object]
    ) -> Said:
        source, how = Pictures(engine=self.engine, blobs=self.blobs), served.bundle.manifest.preprocessing
        found: list[str] = []
        logits, embeddings, missing = [], [], dict[str, str]()
        with inferred(source, served.runtime, how, hashes) as batches:
            for batch in batches:
                check()
                found += batch.hashes
                missing.update(batch.missing)
                if batch.hashes:
                    logits.append(batch.logits)
                    embeddings.append(batch.embedding)
                progress(len(found) + len(missing), len(hashes))
        classes = len(served.bundle.manifest.classes)
        return Said(
            hashes=tuple(found),
            logits=np.concatenate(logits) if logits else np.zeros((0, classes), np.float32),
            embeddings=np.concatenate(embeddings) if embeddings else np.zeros((0, 1), np.float32),
            missing=missing,
            fresh=len(found),
        )


def compared(
    ask: Asker,
    line_id: int,
    data: TrainingData,
    candidate: Served,
    live: Served | None,
    *,
    policy: Callable[[Bundle], Policy],
    outliers: Sequence[Outliers] = (),
    check: Check = lambda: None,
) -> Comparison:
    """The candidate beside the live bundle on the test pictures of the version and of the live bundle's memory, without
    those that either was trained on; and how well each tells `outliers`, sets of other things, from the version's.
    """
    answers = answers_on_test(ask, line_id, data, candidate, policy=policy, check=check)
    theirs = None if live is None else answers_on_test(ask, line_id, data, live, policy=policy, check=check)
    measured = _measured(candidate, live)
    known = [data.pictures.hashes[row] for row in np.flatnonzero(data.pictures.parts == TEST)]
    told = [
        told_apart(ask, served, known, outliers, policy=policy, check=check) if served and known else ()
        for served in (candidate, live)
    ]
    return compare(
        answers,
        theirs,
        candidate_trained=_among(answers.keys, candidate.bundle),
        live_trained=_among(answers.keys, live.bundle) if live else (),
        candidate_measured=replace(measured[0], outliers=told[0]),
        live_measured=measured[1] and replace(measured[1], outliers=told[1]),
        # Of what is only remembered there is no picture to show.
        pictured=data.pictures.hashes,
    )


def told_apart(
    ask: Asker,
    served: Served,
    known: Sequence[str],
    outliers: Sequence[Outliers],
    *,
    policy: Callable[[Bundle], Policy],
    check: Check = lambda: None,
) -> tuple[OutlierFigures, ...]:
    """How well a bundle's detector tells each set of outliers from the `known` pictures; a set that cannot be read has
    no figures.
    """
    detector = served.classifier.detector(policy(served.bundle))
    ours = ask(served, known, check=check) if outliers else None
    found: list[OutlierFigures] = []
    for name, hashes in outliers:
        said = ask(served, hashes, check=check)
        if ours is not None and ours.hashes and said.hashes:
            usual = detector(ours.logits, ours.embeddings.astype(np.float32))
            unusual = detector(said.logits, said.embeddings.astype(np.float32))
            found.append(outlier_figures(name, usual.scores, unusual.scores, unusual.ood))
    return tuple(found)


def answers_on_test(
    ask: Asker,
    line_id: int,
    data: TrainingData,
    served: Served,
    *,
    policy: Callable[[Bundle], Policy],
    check: Check = lambda: None,
) -> Answers:
    """What a bundle says of the test pictures, under the names that the line's classes have today.

    Of what the live bundle remembers only embeddings are known, so only bundles of its backbone are asked about it.
    """
    rows = np.flatnonzero(data.pictures.parts == TEST)
    said = ask(served, [data.pictures.hashes[row] for row in rows], check=check)
    label = dict(zip(data.pictures.hashes, data.index(data.pictures.labels).tolist(), strict=True))
    keys, truth = list(said.hashes), [data.classes[label[sha256]] for sha256 in said.hashes]
    logits, embeddings = said.logits, said.embeddings
    head = served.bundle.head()
    if head is not None and data.remembered_backbone == served.bundle.backbone:
        memory = np.flatnonzero(data.remembered.parts == TEST)
        keys += [key_of(prefix) for prefix in data.remembered.prefixes[memory].tolist()]
        truth += [data.classes[index] for index in data.index(data.remembered.labels[memory]).tolist()]
        rest = data.remembered.embeddings[memory]
        logits = np.concatenate([logits, logits_of(head, rest)])
        embeddings = np.concatenate([embeddings, rest]) if len(embeddings) else rest
    chosen = policy(served.bundle)
    detector = served.classifier.detector(chosen)
    flagged = detector(logits, embeddings.astype(np.float32)).ood if len(keys) else np.zeros(0, bool)
    classes, logits = names_today(ask.engine, line_id, served.bundle.manifest.classes, logits)
    return Answers(
        classes=classes,
        keys=tuple(keys),
        truth=tuple(truth),
        logits=logits,
        temperature=served.bundle.manifest.temperature,
        flagged=flagged,
    )


def names_today(
    engine: Engine, line_id: int, classes: Sequence[str], logits: NDArray[np.float32]
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """A bundle's classes under today's names, and its logits (N, C) for these; classes merged since count together."""
    with reading(engine) as session:
        ids = class_ids(session, line_id, classes)
        names = {one.id: one.name for one in list_classes(session, line_id)}
    today = [names.get(ids.get(name, 0), name) for name in classes]
    unique = tuple(dict.fromkeys(today))
    if len(unique) == len(today):
        return unique, logits
    merged = np.full((len(logits), len(unique)), -np.inf, np.float32)
    for column, name in enumerate(today):
        place = unique.index(name)
        merged[:, place] = np.logaddexp(merged[:, place], logits[:, column])
    return unique, merged


def parity_on_photos(ask: Asker, data: TrainingData, served: Served) -> Parity:
    """How closely the serving runtime agrees with ONNX Runtime on real photos; golden pictures where there are none."""
    how = served.bundle.manifest.preprocessing
    order = np.argsort(data.pictures.parts != TEST, kind="stable")[:PARITY_PHOTOS]
    source = Pictures(engine=ask.engine, blobs=ask.blobs)
    pixels = source.pixels([data.pictures.hashes[row] for row in order], how)
    if not len(pixels):
        pixels = served.bundle.golden().pixels
    reference = softmax(OnnxRuntime(served.bundle.model_path.read_bytes()).infer(pixels).logits)
    serving = softmax(served.runtime.infer(pixels).logits)
    return Parity(
        between=f"ONNX Runtime and {served.runtime.name}",
        images=len(pixels),
        largest_difference=float(np.abs(reference - serving).max()),
        allowed=TOLERANCE[candidates()[served.runtime.name].precision],
        equal_answers=float((reference.argmax(axis=1) == serving.argmax(axis=1)).mean()),
    )


def key_of(prefix: int) -> str:
    """The key of a picture of which only the first 8 bytes of its hash are known."""
    return f"{prefix:016x}"


def _among(keys: Sequence[str], bundle: Bundle) -> list[str]:
    """The keys of those pictures that a bundle was trained or chosen on."""
    inside = np.isin(prefixes_of(keys), trained_on(bundle))
    return [keys[row] for row in np.flatnonzero(inside).tolist()]


def _measured(candidate: Served, live: Served | None) -> tuple[Measured, Measured | None]:
    """Each one's time for a picture, measured by turns, and its network's size."""
    runtimes = [served.runtime for served in (candidate, live) if served is not None]
    golden = [served.bundle.golden().pixels[:1] for served in (candidate, live) if served is not None]
    times: list[list[float]] = [[] for _ in runtimes]
    for _ in range(LATENCY_PICTURES):
        for runtime, pixels, found in zip(runtimes, golden, times, strict=True):
            found.append(_seconds(runtime, pixels))
    medians = [1000 * float(np.median(found)) for found in times]
    ours = Measured(latency_ms=medians[0], size_bytes=candidate.bundle.model_path.stat().st_size)
    if live is None:
        return ours, None
    return ours, Measured(latency_ms=medians[1], size_bytes=live.bundle.model_path.stat().st_size)


def _seconds(runtime: Runtime, pixels: NDArray[np.uint8]) -> float:
    begun = time.perf_counter()
    runtime.infer(pixels)
    return time.perf_counter() - begun
