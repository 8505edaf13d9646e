"""The starter's network, just trained, as a bundle: exported, quantised, and held against PyTorch."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sortline.engine.bundle import Licences
from sortline.engine.canonical import canonical
from sortline.engine.image import Preprocessing, read
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.runtime import Outputs
from sortline.training.assemble import Draft, Known, Network, Origin, draft_bundle
from sortline.training.corruptions import PICTURES
from sortline.training.export import linear_head, parity, to_onnx
from sortline.training.ood_choice import Beforehand, outliers_of
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


def draft_of(
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

    Parity with PyTorch is checked on test.
    """
    how = recipe.preprocessing()
    model = to_onnx(network, recipe)
    outputs = _run(OnnxRuntime(model), photos, how)
    known = Known(
        classes=classes,
        labels=np.array([p.label for p in photos]),
        splits=np.array([PARTS.index(p.part) for p in photos], np.uint8),
        prefixes=np.array(
            [int.from_bytes(canonical(p.path.read_bytes()).sha256[:8], "big") for p in photos], np.uint64
        ),
        logits=outputs.logits,
        embeddings=outputs.embedding,
    )
    draft = draft_bundle(
        Network(
            model=model,
            head=linear_head(network),
            preprocessing=how,
            quantised=quantise(model, _calibration(photos, how)),
        ),
        known,
        Origin(name=name, version=dataset, recipe=dataclasses.asdict(recipe), licences=licences),
        Beforehand(outliers=outliers_of(OnnxRuntime(model), _spread(photos, "validation", PICTURES, how))),
    )
    tested = np.stack([read(p.path.read_bytes(), how).pixels for p in photos if p.part == "test"])
    figures = {"parity": dataclasses.asdict(parity(network, model, tested, recipe))}
    return dataclasses.replace(draft, manifest=draft.manifest.model_copy(update={"metrics": figures}))


def _calibration(photos: Sequence[LabelledPhoto], how: Preprocessing) -> list[NDArray[np.uint8]]:
    """Training photos from all over the set, each (1, S, S, 3)."""
    return [pixels[None] for pixels in _spread(photos, "train", PHOTOS, how)]


def _spread(photos: Sequence[LabelledPhoto], part: Part, count: int, how: Preprocessing) -> NDArray[np.uint8]:
    """Some photos from all over a part, (n, S, S, 3)."""
    those = [p for p in photos if p.part == part]
    chosen = those[:: max(1, len(those) // count)]
    return np.stack([read(p.path.read_bytes(), how).pixels for p in chosen])


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
