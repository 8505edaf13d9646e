"""The packaged bundle with its detectors fitted anew: from what it remembers, without training it again.

    python -m sortline.training.refit

Its network, head, temperature and memory stay as they are.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from sortline.engine.bundle import Bundle, read_bundle, write_bundle
from sortline.engine.classifier import Classifier, load_classifier
from sortline.engine.image import Preprocessing, read
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.routing import Policy
from sortline.errors import SortlineError
from sortline.evaluation.card import OodFigures, with_detectors
from sortline.evaluation.detectors import WORDS
from sortline.training.assemble import TEST, Known, fit_detectors
from sortline.training.assess import trashnet_figures
from sortline.training.corruptions import PICTURES
from sortline.training.ood_choice import Beforehand, Outliers, outliers_of
from sortline.training.split import class_of, read_split

_BUNDLE = Path(__file__).parents[1] / "bundles" / "waste"
_SPLIT = Path(__file__).with_name("starter_split.csv")


class NoLinearHead(SortlineError):
    """A bundle whose logits do not follow from its embeddings, so that what it remembers is not enough."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(
            f"{bundle.manifest.name} has no linear head: its detectors cannot be fitted from its memory"
        )


def main(
    bundle: Annotated[Path, typer.Option(help="The bundle, which is replaced.")] = _BUNDLE,
    data: Annotated[Path, typer.Option(help="RealWaste: one folder a class.")] = Path(
        "../shared/data/realwaste"
    ),
    trashnet: Annotated[Path, typer.Option(help="TrashNet: one folder a class.")] = Path(
        "../shared/data/trashnet"
    ),
) -> None:
    """Fit every detector, choose one, and write the bundle with the figures."""
    found = read_bundle(bundle)
    detectors = fit_detectors(remembered(found), found.head(), Beforehand(outliers=corrupted(found, data)))
    policy = Policy.model_validate({**found.manifest.policy.model_dump(), "detector": "auto"})
    files = {name: (bundle / name).read_bytes() for name in found.manifest.files}
    files["ood.npz"] = detectors.stored()
    update = {"ood_thresholds": dict(detectors.thresholds), "ood_choice": detectors.choice, "policy": policy}
    found = write_bundle(bundle, found.manifest.model_copy(update=update), files)
    classifier = load_classifier(bundle, runtime="onnxruntime")
    figures, elsewhere = figures_of(classifier), trashnet_figures(classifier, trashnet)
    files["card.md"] = with_detectors(
        files["card.md"].decode(), figures, {elsewhere.name: elsewhere.flagged}
    ).encode()
    told = found.manifest.metrics["trashnet"] | {"flagged": elsewhere.flagged}
    told = found.manifest.metrics | {"test_flagged_unknown": figures.test_flagged, "trashnet": told}
    found = write_bundle(bundle, found.manifest.model_copy(update={"metrics": told}), files)
    Console().print(f"{found.hash[:12]}: {figures.method}, {figures.choice and figures.choice.why}")


def figures_of(classifier: Classifier) -> OodFigures:
    """The bundle's own detector, and what it says of the test pictures that the bundle remembers."""
    known, detector = remembered(classifier.bundle), classifier.default_detector
    test = known.splits == TEST
    flagged = detector(known.logits[test], known.embeddings[test].astype(np.float32)).ood
    return OodFigures(
        method=WORDS[detector.name],
        threshold=detector.threshold,
        chosen="The threshold is the 95 % quantile of the validation photos.",
        test_flagged=float(flagged.mean()),
        choice=classifier.bundle.manifest.ood_choice,
    )


def remembered(bundle: Bundle) -> Known:
    """The pictures that a bundle was made with, and what its head says of them.

    Raises:
        NoLinearHead: it has none.
    """
    head, memory = bundle.head(), bundle.memory()
    if head is None:
        raise NoLinearHead(bundle)
    return Known(
        classes=bundle.manifest.classes,
        labels=memory.labels.astype(np.int64),
        splits=memory.splits,
        prefixes=memory.prefixes,
        logits=memory.embeddings.astype(np.float32) @ head.weight.T + head.bias,
        embeddings=memory.embeddings,
    )


def corrupted(bundle: Bundle, data: Path) -> Outliers:
    """Some of the starter's validation photos, corrupted, as the network sees them."""
    names = [entry.name for entry in read_split(_SPLIT) if entry.part == "validation"]
    how: Preprocessing = bundle.manifest.preprocessing
    chosen = names[:: max(1, len(names) // PICTURES)]
    pixels = [read((data / class_of(name) / name).read_bytes(), how).pixels for name in chosen]
    return outliers_of(OnnxRuntime(bundle.model_path.read_bytes()), np.stack(pixels))


if __name__ == "__main__":
    typer.run(main)
