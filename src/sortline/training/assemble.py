"""From a trained network to a bundle: export, calibration, thresholds, memory, golden pictures."""

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sortline.engine import golden, ood
from sortline.engine.bundle import (
    QUANTISED,
    Bundle,
    Dataset,
    Licences,
    Manifest,
    Precision,
    npz,
    write_bundle,
)
from sortline.engine.calibration import fit_temperature
from sortline.engine.canonical import canonical
from sortline.engine.image import Preprocessing, read
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.routing import Policy
from sortline.engine.runtime import Outputs
from sortline.training.export import linear_head, parity, to_onnx
from sortline.training.quantise import PHOTOS, quantise
from sortline.training.recipe import FinetuneRecipe
from sortline.training.split import PARTS, Part

_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPhoto:
    """A photo on disk, its class's index in the bundle's order, and the part of the split it belongs to."""

    path: Path
    label: int
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A bundle's content but for figures and card: what the figures are then measured on."""

    manifest: Manifest
    files: Mapping[str, bytes]


def preprocessing(recipe: FinetuneRecipe) -> Preprocessing:
    """How serving must read pictures for a network trained by this recipe."""
    return recipe.preprocessing()


def draft_bundle(
    network: nn.Module,
    photos: Sequence[LabelledPhoto],
    *,
    name: str,
    classes: tuple[str, ...],
    dataset: str,
    licences: Licences,
    recipe: FinetuneRecipe,
) -> Draft:
    """Everything that follows from the network, in evaluation mode on the CPU, and its photos.

    Temperature and OOD thresholds come from the validation photos; parity with PyTorch is checked on test.
    """
    how = preprocessing(recipe)
    model = to_onnx(network, recipe)
    runtime = OnnxRuntime(model)
    outputs = _run(runtime, photos, how)
    held_out = np.array([p.part == "validation" for p in photos])
    labels = np.array([p.label for p in photos])
    reference, thresholds = ood.fit(outputs.logits[held_out], outputs.embedding[held_out])
    pictures = golden.draw(how.size)
    quantised = quantise(model, _calibration(photos, how))
    digests = [canonical(p.path.read_bytes()).sha256 for p in photos]
    head = linear_head(network)
    tested = np.stack([read(p.path.read_bytes(), how).pixels for p in photos if p.part == "test"])
    manifest = Manifest(
        name=name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        classes=classes,
        preprocessing=how,
        temperature=fit_temperature(outputs.logits[held_out], labels[held_out]),
        ood_thresholds=thresholds,
        policy=Policy(),
        metrics={"parity": dataclasses.asdict(parity(network, model, tested, recipe))},
        dataset=Dataset(version=dataset, hash=_dataset_hash(photos, classes, digests)),
        recipe=dataclasses.asdict(recipe),
        licences=licences,
        files={},
    )
    files = {
        "model.onnx": model,
        "ood.npz": npz(**reference),
        "memory.npz": npz(**_memory(outputs, photos, digests)),
        QUANTISED: quantised,
        "golden.npz": npz(
            pixels=pictures,
            logits=runtime.infer(pictures).logits,
            int8_logits=OnnxRuntime(quantised).infer(pictures).logits,
        ),
        "head.npz": npz(weight=head.weight, bias=head.bias),
    }
    return Draft(manifest=manifest, files=files)


def finish(
    draft: Draft,
    metrics: Mapping[str, Any],
    card: str,
    folder: Path,
    precisions: tuple[Precision, ...] = ("f32",),
) -> Bundle:
    """The bundle in `folder`: the draft with its figures (added to those it has), its card, and the arithmetic in
    which it may be served. A quantised network that may not serve is left out: the package has no room for it.
    """
    update = {"metrics": {**draft.manifest.metrics, **metrics}, "precisions": precisions}
    files = {**draft.files, "card.md": card.encode()}
    if "int8" not in precisions:
        del files[QUANTISED]
    return write_bundle(folder, draft.manifest.model_copy(update=update), files)


def _calibration(photos: Sequence[LabelledPhoto], how: Preprocessing) -> list[NDArray[np.uint8]]:
    """Training photos from all over the set, each (1, S, S, 3)."""
    train = [p for p in photos if p.part == "train"]
    chosen = train[:: max(1, len(train) // PHOTOS)]
    return [read(p.path.read_bytes(), how).pixels[None] for p in chosen]


def _run(runtime: OnnxRuntime, photos: Sequence[LabelledPhoto], how: Preprocessing) -> Outputs:
    """Logits (N, C) and embeddings (N, D) of all photos, in order."""
    parts = []
    for start in range(0, len(photos), _BATCH):
        batch = photos[start : start + _BATCH]
        parts.append(runtime.infer(np.stack([read(p.path.read_bytes(), how).pixels for p in batch])))
    return Outputs(
        logits=np.concatenate([p.logits for p in parts]),
        embedding=np.concatenate([p.embedding for p in parts]),
    )


def _memory(
    outputs: Outputs, photos: Sequence[LabelledPhoto], digests: Sequence[bytes]
) -> dict[str, NDArray[Any]]:
    return {
        "embeddings": outputs.embedding.astype(np.float16),
        "labels": np.array([p.label for p in photos], dtype=np.uint16),
        "splits": np.array([PARTS.index(p.part) for p in photos], dtype=np.uint8),
        "prefixes": np.array([int.from_bytes(d[:8], "big") for d in digests], dtype=np.uint64),
    }


def _dataset_hash(photos: Sequence[LabelledPhoto], classes: tuple[str, ...], digests: Sequence[bytes]) -> str:
    """SHA-256 over the sorted (image hash, label, split) rows, hex."""
    rows = sorted(f"{d.hex()},{classes[p.label]},{p.part}\n" for p, d in zip(photos, digests, strict=True))
    return hashlib.sha256("".join(rows).encode()).hexdigest()
