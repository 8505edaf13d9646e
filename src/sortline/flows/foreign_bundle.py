"""A network made elsewhere, once it is known how it reads pictures, as a bundle: held against its file, calibrated on
the photos there are, and with a card that says what is not known.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sortline.engine import golden, ood
from sortline.engine.bundle import Bundle, Licences, npz
from sortline.engine.calibration import softmax
from sortline.engine.canonical import canonical
from sortline.engine.choice import TOLERANCE
from sortline.engine.foreign.measuring import Asked, Observer, Photo, Tried, ask, spread, unobserved
from sortline.engine.foreign.reading import Reading
from sortline.engine.foreign.servable import Prepared, check, load, with_reading
from sortline.engine.image import Preprocessing, read
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.openvino_runtime import OpenVinoRuntime
from sortline.engine.runtime import Outputs
from sortline.evaluation import metrics
from sortline.evaluation.foreign_card import ForeignCard, render
from sortline.flows.import_notes import Facts, notes_of
from sortline.training.assemble import (
    FEWEST,
    VALIDATION,
    Draft,
    Known,
    Network,
    Origin,
    draft_bundle,
    finish,
    prefixes_of,
)

# Photos that calibrate and are remembered; more change nothing that can be seen.
MOST_PHOTOS = 2000
# Photos on which the bundle is held against its file, besides the drawn pictures.
CHECKED_PHOTOS = 16
_UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A network ready to become a bundle, and what is known of it. `named` says that somebody told how it reads
    pictures; `tried` what was measured, the best first; `left_out` folders of photos that name no class.
    """

    name: str
    path: Path
    format: str
    classes: tuple[str, ...]
    prepared: Prepared
    reading: Reading
    named: bool
    tried: tuple[Tried, ...]
    photos: tuple[Photo, ...]
    left_out: tuple[str, ...]
    licence: str | None
    data_licence: str | None

    @property
    def preprocessing(self) -> Preprocessing:
        """How a photo becomes the bundle's input."""
        return self.reading.preprocessing(self.prepared.network.size)


def assemble(chosen: Chosen, folder: Path, observe: Observer = unobserved) -> tuple[Bundle, tuple[str, ...]]:
    """The bundle in `folder`, and the notes of its card.

    Raises:
        ConversionDiffers: it does not answer as the file does.
    """
    model = with_reading(chosen.prepared, chosen.reading)
    runtime = load(model)
    asked = ask(runtime, spread(chosen.photos, MOST_PHOTOS), chosen.preprocessing, observe)
    observe("holding it against its file", 0, 0)
    difference = _check(chosen, model, asked)
    openvino = _openvino(model, runtime, chosen.prepared.network.size)
    observe("calibrating and writing the bundle", 0, 0)
    draft = _draft(chosen, model, runtime, asked)
    notes = notes_of(_facts(chosen, asked))
    accuracy = _accuracy(asked)
    figures: dict[str, Any] = {
        "conversion": {"largest_difference": difference, "openvino": openvino},
        "reading": {
            "name": chosen.reading.name,
            "tried": [
                {"name": each.reading.name, "right": each.right, "photos": each.total, "loss": each.loss}
                for each in chosen.tried
            ],
        },
    }
    if accuracy is not None:
        figures["given_photos_accuracy"] = dataclasses.asdict(accuracy)
    card = _card(chosen, draft, accuracy, difference, openvino, notes)
    return finish(draft, figures, render(card), folder), notes


def _check(chosen: Chosen, model: bytes, asked: Asked | None) -> float:
    """The largest difference of a probability from the file's own, on drawn pictures and some of the photos."""
    pictures = golden.draw(chosen.prepared.network.size)
    if asked is not None:
        some = spread(asked.photos, CHECKED_PHOTOS)
        photos = [read(photo.path.read_bytes(), chosen.preprocessing).pixels for photo in some]
        pictures = np.concatenate([pictures, np.stack(photos)])
    return check(chosen.prepared, model, chosen.reading, pictures)


def _openvino(model: bytes, reference: OnnxRuntime, size: int) -> str:
    """Whether OpenVINO answers as the reference does, in words."""
    pictures = golden.draw(size)
    try:
        found = OpenVinoRuntime(model, threads=1, precision="f32").infer(pictures).logits
    except Exception as error:  # noqa: BLE001  # a native library may raise anything; ONNX Runtime still serves
        return f"does not run it ({' '.join(str(error).split())[:160]}); ONNX Runtime serves."
    difference = float(np.abs(softmax(found) - softmax(reference.infer(pictures).logits)).max())
    if not difference <= TOLERANCE["f32"]:
        return f"answers differently (a probability by {difference:.2g}); ONNX Runtime serves."
    return f"agrees, to {difference:.1e} of a probability; the faster of both serves."


def _draft(chosen: Chosen, model: bytes, runtime: OnnxRuntime, asked: Asked | None) -> Draft:
    network = Network(model=model, head=chosen.prepared.head, preprocessing=chosen.preprocessing)
    origin = Origin(
        name=chosen.name,
        version=_UNKNOWN,
        recipe={
            "method": "import",
            "file": chosen.path.resolve().name,
            "format": chosen.format,
            "sha256": _sha256(chosen.path),
            "reading": chosen.reading.name,
        },
        licences=Licences(data=chosen.data_licence or _UNKNOWN, weights=chosen.licence or _UNKNOWN),
    )
    draft = draft_bundle(network, _known(chosen, asked, runtime), origin)
    manifest, files = draft.manifest, dict(draft.files)
    if asked is None or _all_right(asked):
        # Without a mistake the likeliest temperature is none at all, and every answer would be certain.
        manifest = manifest.model_copy(update={"temperature": 1.0})
    if asked is None or len(asked.photos) < FEWEST:
        # A threshold from a handful of photos would call every twentieth of them, and half of all others, unknown.
        reference, thresholds = ood.never()
        files["ood.npz"] = npz(**reference)
        manifest = manifest.model_copy(update={"ood_thresholds": thresholds})
    return dataclasses.replace(draft, manifest=manifest, files=files)


def _known(chosen: Chosen, asked: Asked | None, runtime: OnnxRuntime) -> Known:
    """The photos as what the bundle remembers: all of them validation, for they chose how it reads pictures."""
    if asked is None:
        drawn = runtime.infer(golden.draw(chosen.preprocessing.size)[:1])
        asked = Asked(photos=(), outputs=Outputs(logits=drawn.logits[:0], embedding=drawn.embedding[:0]))
    hashes = [canonical(photo.path.read_bytes()).sha256.hex() for photo in asked.photos]
    return Known(
        classes=chosen.classes,
        labels=asked.labels,
        splits=np.full(len(asked.photos), VALIDATION, np.uint8),
        prefixes=prefixes_of(hashes),
        logits=asked.outputs.logits,
        embeddings=asked.outputs.embedding,
    )


def _facts(chosen: Chosen, asked: Asked | None) -> Facts:
    return Facts(
        classes=chosen.classes,
        prepared=chosen.prepared,
        reading=chosen.reading,
        named=chosen.named,
        tried=chosen.tried,
        given=len(chosen.photos),
        left_out=chosen.left_out,
        labels=np.empty(0, np.int64) if asked is None else asked.labels,
    )


def _all_right(asked: Asked) -> bool:
    return bool((asked.outputs.logits.argmax(axis=1) == asked.labels).all())


def _accuracy(asked: Asked | None) -> metrics.Proportion | None:
    return metrics.accuracy(asked.labels, asked.outputs.logits.argmax(axis=1)) if asked is not None else None


def _card(
    chosen: Chosen,
    draft: Draft,
    accuracy: metrics.Proportion | None,
    difference: float,
    openvino: str,
    notes: tuple[str, ...],
) -> ForeignCard:
    manifest = draft.manifest
    threshold = manifest.ood_thresholds["energy"]
    fitted = accuracy is not None and accuracy.total >= FEWEST
    return ForeignCard(
        name=manifest.name,
        file=manifest.recipe["file"],
        format=chosen.format,
        sha256=manifest.recipe["sha256"],
        classes=chosen.classes,
        size=manifest.preprocessing.size,
        reading=chosen.reading.words,
        measured=not chosen.named,
        ways=[(each.reading.words, each.right, each.total, each.loss) for each in chosen.tried],
        accuracy=accuracy,
        temperature=manifest.temperature,
        threshold=f"energy above {threshold:.3f}, the 95 % quantile of the photos given at the import."
        if fitted
        else "none; nothing is called unknown, see above.",
        difference=difference,
        openvino=openvino,
        data_licence=manifest.licences.data,
        weights_licence=manifest.licences.weights,
        notes=notes,
    )


def _sha256(path: Path) -> str:
    """Of a file, or of all files of a folder with their names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for each in sorted(path.rglob("*")):
        if each.is_file():
            digest.update(f"{each.relative_to(path).as_posix()} {_sha256(each)}\n".encode())
    return digest.hexdigest()
