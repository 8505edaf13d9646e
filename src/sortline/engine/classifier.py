"""Pictures in, predictions out: the path that training's evaluation, the server and the library share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortline.engine import ood, quality
from sortline.engine.bundle import Bundle, read_bundle
from sortline.engine.calibration import softmax
from sortline.engine.choice import choose
from sortline.engine.conformal import ConformalSets, conformal_sets
from sortline.engine.head import Head
from sortline.engine.held_out import held_out
from sortline.engine.image import Limits, Picture, Preprocessing, read, resize
from sortline.engine.ood_scorers import energy as energy_of
from sortline.engine.ood_scorers import scorers
from sortline.engine.routing import Policy
from sortline.engine.runtime import Outputs, Runtime
from sortline.engine.saliency import class_activation_map
from sortline.errors import SortlineError

# Pictures decoded at once when many are classified: bounds the memory of a folder of any size.
CHUNK = 32

Image = str | Path | bytes | NDArray[np.uint8]


class NoActivationMap(SortlineError):
    """The bundle's head is not linear after global pooling, so it has no class activation map."""

    def __init__(self) -> None:
        super().__init__(
            "This bundle has no linear head, so it cannot show where it looked; ask without explain."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a bundle says of one picture.

    `confidence` and `probabilities` (C,) are calibrated (after temperature), `logits` (C,) and `energy` raw;
    `ood_score` in [0, 1] is the share of held-out known photos less unusual than this one, `ood` whether it is above
    the threshold. `prediction_set` holds the classes that a stated coverage leaves, most likely first; None where none
    was asked for. `embedding` (D,) is float16. `brightness` 0–255 and `sharpness` are of the network's input; `width`
    and `height` px of the picture as it is looked at.
    """

    class_name: str
    confidence: float
    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32]
    embedding: NDArray[np.float16]
    energy: float
    ood_score: float
    ood: bool
    brightness: float
    sharpness: float
    width: int
    height: int
    format: str
    prediction_set: tuple[str, ...] | None = None

    @property
    def ranked(self) -> dict[str, float]:
        """Class → calibrated probability, most likely first."""
        # Not by NumPy, which lets go of the interpreter's lock to sort nine numbers, and then waits for it.
        probabilities: list[float] = self.probabilities.tolist()
        order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
        return {self.classes[i]: probabilities[i] for i in order}


class Classifier:
    """A bundle on a runtime. Threads may share it."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle, self.runtime = bundle, runtime
        manifest = bundle.manifest
        self.classes = manifest.classes
        self.preprocessing: Preprocessing = manifest.preprocessing
        self._temperature = manifest.temperature
        self._reference = bundle.ood_reference()

    def classify(self, image: Image) -> Prediction:
        """The prediction for one picture: a path, an encoded file's bytes, or pixels (h, w, 3) uint8 RGB.

        Raises:
            ImageError: the picture cannot be read.
        """
        return self.classify_batch([image])[0]

    def classify_batch(self, images: Iterable[Image]) -> list[Prediction]:
        """The predictions for many pictures, in order. One that cannot be read raises its `ImageError`."""
        predictions: list[Prediction] = []
        chunk: list[Picture] = []
        for image in images:
            chunk.append(self._picture(image))
            if len(chunk) == CHUNK:
                predictions += self.predict(chunk)
                chunk = []
        return predictions + self.predict(chunk)

    def predict(self, pictures: Sequence[Picture], detector: ood.Detector | None = None) -> list[Prediction]:
        """The predictions for pictures already read; `detector` judges what is unknown, else the bundle's default."""
        if not pictures:
            return []
        images = np.stack([picture.pixels for picture in pictures])
        return self.interpret(pictures, images, self.runtime.infer(images), detector)

    def interpret(
        self,
        pictures: Sequence[Picture],
        images: NDArray[np.uint8],
        outputs: Outputs,
        detector: ood.Detector | None = None,
        sets: ConformalSets | None = None,
    ) -> list[Prediction]:
        """The predictions from what the network put out for `images` (N, S, S, 3), the pixels of `pictures`.

        With `sets` each has its prediction set.
        """
        probabilities = softmax(outputs.logits, self._temperature)
        best = probabilities.argmax(axis=1)
        found = (detector or self.default_detector)(outputs.logits, outputs.embedding)
        energy = energy_of(outputs.logits)
        brightness, sharpness = quality.measure(images)
        embedding = outputs.embedding.astype(np.float16)
        within = None if sets is None else sets(probabilities)
        return [
            Prediction(
                class_name=self.classes[best[i]],
                confidence=float(probabilities[i, best[i]]),
                classes=self.classes,
                probabilities=probabilities[i],
                logits=outputs.logits[i],
                embedding=embedding[i],
                energy=float(energy[i]),
                ood_score=float(found.unusual[i]),
                ood=bool(found.ood[i]),
                brightness=float(brightness[i]),
                sharpness=float(sharpness[i]),
                width=picture.width,
                height=picture.height,
                format=picture.format,
                prediction_set=None if within is None else self._named(within[i], probabilities[i]),
            )
            for i, picture in enumerate(pictures)
        ]

    def _named(self, within: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> tuple[str, ...]:
        return tuple(self.classes[i] for i in np.argsort(-probabilities, kind="stable") if within[i])

    def detector(self, policy: Policy) -> ood.Detector:
        """The detector a policy asks for, with the bundle's references and thresholds."""
        manifest = self.bundle.manifest
        chosen = manifest.ood_choice.detector if manifest.ood_choice else None
        wanted = ood.scorer_name(policy.detector, chosen, policy.ood_threshold)
        return ood.detector(
            policy.detector,
            self._reference,
            manifest.ood_thresholds,
            policy.ood_threshold,
            chosen=chosen,
            scorers=scorers(self.bundle.ood_statistics(), self.head, ("energy", wanted)),
        )

    def sets(self, policy: Policy) -> ConformalSets | None:
        """What makes the prediction sets of the coverage that a policy states; None where it states none.

        A bundle that remembers no held-out pictures rules nothing out.
        """
        if policy.coverage is None:
            return None
        known = held_out(self.bundle)
        if known is None:
            return ConformalSets(floor=0.0)
        return conformal_sets(softmax(known.logits, self._temperature), known.labels, policy.coverage)

    @cached_property
    def default_detector(self) -> ood.Detector:
        """The detector of the bundle's own policy."""
        return self.detector(self.bundle.manifest.policy)

    def explain(self, image: Image, class_name: str | None = None) -> NDArray[np.uint8]:
        """Where the network saw the class (the predicted one unless named): a map (S, S) uint8, 255 the strongest.

        Raises:
            ImageError: the picture cannot be read.
            NoActivationMap: the bundle's head is not linear.
        """
        outputs = self.runtime.infer(self._picture(image).pixels[None], features=True)
        map_ = self.activation_map(outputs, 0, class_name)
        if map_ is None:
            raise NoActivationMap
        return map_

    def activation_map(
        self, outputs: Outputs, row: int, class_name: str | None = None
    ) -> NDArray[np.uint8] | None:
        """The map of one picture of a batch that was inferred with features; None where the head is not linear."""
        if self.head is None or outputs.features is None:
            return None
        index = self.classes.index(class_name) if class_name else int(outputs.logits[row].argmax())
        return class_activation_map(outputs.features[row], self.head.weight[index], self.preprocessing.size)

    @cached_property
    def head(self) -> Head | None:
        """The linear head, where there is one."""
        return self.bundle.head()

    def _picture(self, image: Image, limits: Limits | None = None) -> Picture:
        if isinstance(image, np.ndarray):
            height, width = image.shape[:2]
            return Picture(
                pixels=resize(image, self.preprocessing), width=width, height=height, format="array"
            )
        data = image if isinstance(image, bytes) else Path(image).read_bytes()
        return read(data, self.preprocessing, limits=limits or Limits())


def load_classifier(
    folder: Path, *, threads: int = 1, runtime: str = "auto", memory: Path | None = None
) -> Classifier:
    """A classifier over the bundle in `folder`, verified, on the runtime chosen for this machine."""
    bundle = read_bundle(folder)
    chosen, _ = choose(bundle, threads=threads, preferred=runtime, memory=memory)
    return Classifier(bundle, chosen)
