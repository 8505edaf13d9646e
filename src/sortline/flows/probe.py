"""A probe's candidate: the live network with a new head, fitted on the version and on what is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Licences
from sortline.engine.head import Head
from sortline.engine.heads import compose
from sortline.flows.candidates import Made, known_of
from sortline.flows.compared import Asker, Said
from sortline.flows.embeddings import Embedder
from sortline.flows.networks import Served, logits_of
from sortline.flows.outliers import with_other_lines
from sortline.flows.training_data import TrainingData, without
from sortline.training.assemble import TRAIN, VALIDATION, Network
from sortline.training.ood_choice import beforehand
from sortline.training.probe import Labelled, Probe, fit_probe
from sortline.training.recipe import ProbeRecipe

Tell = Callable[..., object]


def made_by_probe(
    ask: Asker,
    data: TrainingData,
    base: Served,
    recipe: ProbeRecipe,
    *,
    check: Callable[[], object],
    tell: Tell,
    line: str,
) -> Made:
    """The base's network under a new head for the data's classes.

    Args:
        ask: Where pictures are.
        data: What it learns, validates and tests on; the memory in it is of the base's backbone.
        base: The live bundle, or the packaged one for a line that has none.
        recipe: How the head is fitted.
        check: Called often, raises when the run is to end.
        tell: Told of phases and progress.
        line: The line's name, for the card.

    Raises:
        NothingToTrain: too few pictures can still be read.
    """
    begun = time.monotonic()
    tell(phase="embeddings")
    embedder = Embedder(engine=ask.engine, blobs=ask.blobs, backbone=base.backbone)
    found = embedder(
        data.pictures.hashes, check=check, progress=lambda done, total: tell(done=done, total=total)
    )
    if found.missing:
        data = without(data, found.missing)
    trained = int((data.pictures.parts == TRAIN).sum() + (data.remembered.parts == TRAIN).sum())
    before = beforehand(base.bundle, data.classes, trained)
    before = replace(
        before, outliers=with_other_lines(before.outliers, embedder, recipe.outliers, check=check)
    )
    tell(phase="fit")
    embeddings = _both(found.embeddings, data.remembered.embeddings)
    labels = np.concatenate([data.index(data.pictures.labels), data.index(data.remembered.labels)])
    parts = np.concatenate([data.pictures.parts, data.remembered.parts])
    probe = fit_probe(
        Labelled(embeddings=embeddings[parts == TRAIN], labels=labels[parts == TRAIN]),
        Labelled(embeddings=embeddings[parts == VALIDATION], labels=labels[parts == VALIDATION]),
        classes=len(data.classes),
        strengths=recipe.strengths,
        balanced=recipe.class_weights == "balanced",
        check=check,
    )
    tell(phase="bundle")
    said = Said(
        hashes=found.hashes,
        logits=logits_of(probe.head, found.embeddings) if found.hashes else _none(probe.head),
        embeddings=found.embeddings,
        missing=found.missing,
        fresh=found.fresh,
    )
    rest = data.remembered.embeddings
    known = known_of(data, said, logits_of(probe.head, rest) if len(rest) else _none(probe.head))
    manifest = base.bundle.manifest
    return Made(
        network=Network(
            model=compose(base.bundle.model_path.read_bytes(), probe.head),
            head=probe.head,
            preprocessing=manifest.preprocessing,
            backbone=base.bundle.backbone,
            # The accuracy lost in coarser arithmetic is lost below the head.
            precisions=tuple(one for one in manifest.precisions if one != "int8"),
        ),
        data=data,
        known=known,
        licences=Licences(
            data=_together(manifest.licences.data, f"pictures of line {line}"),
            weights=manifest.licences.weights,
        ),
        summary=f"The network of bundle {manifest.name} ({base.bundle.hash[:12]}) under a new linear head.",
        weights=f"those of bundle {manifest.name}; none but the head's was trained anew.",
        command=f"sortline train --line {line} --method probe",
        epochs=_told(probe),
        seconds=time.monotonic() - begun,
        # Whoever fine-tunes on from here must know whose layers these are.
        recipe={key: manifest.recipe[key] for key in ("backbone", "backbone_args") if key in manifest.recipe},
        before=before,
        figures={"probe": {"strength": probe.strength, "trials": [asdict(one) for one in probe.trials]}},
    )


def _both(ours: NDArray[np.float16], rest: NDArray[np.float16]) -> NDArray[np.float16]:
    """The rows of both; one without any has no width either."""
    if not len(ours) or not len(rest):
        return ours if len(ours) else rest
    return np.concatenate([ours, rest])


def _none(head: Head) -> NDArray[np.float32]:
    return np.zeros((0, len(head.bias)), np.float32)


def _together(licence: str, more: str) -> str:
    return licence if more in licence else f"{licence}; {more}"


def _told(probe: Probe) -> str:
    tried = ", ".join(f"{trial.strength:g}" for trial in probe.trials)
    return f"strengths {tried} tried, {probe.strength:g} chosen on validation"
