"""Why a network made elsewhere cannot become a bundle: one error for each cause, with what to do.

ForeignModelError
├── UnreadableModel       damaged, empty, or not what its name says
├── ModelTooLarge         more bytes than the limit
├── UnknownModelFormat    a kind of file Sortline does not read
├── MissingReader         … unless an optional package is installed
├── RunsCode              the file holds Python code, which is never run
├── UnsupportedLayer      a layer or operation that cannot be translated
├── UnsupportedNetwork    inputs or outputs that do not fit a picture and its class
├── ConversionDiffers     the translated network answers differently from the original
├── WrongClassCount       as many classes as outputs are needed
├── InvalidClasses        the list of classes cannot be read
├── InvalidName           a bundle cannot have this name
├── PreprocessingNeeded   without photos somebody must say how pictures are read
├── UnknownPreprocessing  no way of reading pictures has this name
└── NoUsablePhotos        none of the photos shows a class of the network
"""

from collections.abc import Sequence
from pathlib import Path

from sortline.errors import SortlineError


class ForeignModelError(SortlineError):
    """Base of all reasons for which a network made elsewhere is refused."""


class UnreadableModel(ForeignModelError):
    """The file is damaged, or not what its name says."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} cannot be read: {reason}")


class ModelTooLarge(ForeignModelError):
    """The file holds more than the limit; refused before it is read."""

    def __init__(self, path: Path, size: int, limit: int) -> None:
        self.path, self.size, self.limit = path, size, limit
        super().__init__(f"{path} holds {size:,} bytes, the limit is {limit:,}")


class UnknownModelFormat(ForeignModelError):
    """A kind of file that Sortline does not read."""

    def __init__(self, path: Path, advice: str = "") -> None:
        self.path = path
        readable = "a .onnx, .h5, .keras, .tflite, .pb or .xml file or a SavedModel folder"
        super().__init__(f"{path} is not {readable}. {advice}".strip())


class MissingReader(ForeignModelError):
    """A format that needs an optional package."""

    def __init__(self, path: Path, package: str, install: str) -> None:
        self.path, self.package = path, package
        super().__init__(f"{path} needs the package {package} to be read: {install}")


class RunsCode(ForeignModelError):
    """A part of the network is Python code in the file; a file from elsewhere gets nothing run."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        super().__init__(
            f"the layer {layer!r} is Python code inside the file, and Sortline runs no code of others: "
            "replace it by a layer of Keras (Rescaling instead of a Lambda that scales) and save again, "
            "or export to ONNX where you trust it"
        )


class UnsupportedLayer(ForeignModelError):
    """A layer or operation that cannot be translated."""

    def __init__(
        self, kind: str, name: str, why: str = "it is not one of those that Sortline translates"
    ) -> None:
        self.kind, self.name = kind, name
        super().__init__(
            f"the layer {name!r} is a {kind}: {why}; export the network to ONNX instead, "
            "for instance with tf2onnx, and import that"
        )


class UnsupportedNetwork(ForeignModelError):
    """Inputs or outputs that do not fit one picture and its class."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"this network cannot sort pictures here: {reason}")


class ConversionDiffers(ForeignModelError):
    """The network as it would be served answers differently from the file; the largest difference of a probability."""

    def __init__(self, difference: float) -> None:
        self.difference = difference
        super().__init__(
            f"the converted network answers differently from the file (a probability by {difference:.2g}); "
            "nothing was imported: please report this, with the kind of network"
        )


class WrongClassCount(ForeignModelError):
    """The list of classes does not fit the network's outputs."""

    def __init__(self, outputs: int, classes: int) -> None:
        self.outputs, self.classes = outputs, classes
        hint = " (a single output tells two classes apart)" if outputs == 1 else ""
        super().__init__(f"the network has {outputs} outputs{hint}, but {classes} classes were named")


class InvalidClasses(ForeignModelError):
    """The list of classes cannot be read."""

    def __init__(self, given: str, reason: str) -> None:
        self.given, self.reason = given, reason
        super().__init__(f"the classes in {given} cannot be used: {reason}")


class InvalidName(ForeignModelError):
    """A bundle cannot have this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"a bundle cannot be named {name!r}: take 1 to 63 of a-z, 0-9 and '-'")


class PreprocessingNeeded(ForeignModelError):
    """Nothing to measure with, and nobody said how the network wants its pictures."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(
            "how the network wants its pictures is not known: give a few labelled photos with --photos "
            f"to have it measured, or name it with --preprocess: {', '.join(names)}"
        )


class UnknownPreprocessing(ForeignModelError):
    """No way of reading pictures has this name."""

    def __init__(self, given: str, names: Sequence[str]) -> None:
        self.given, self.names = given, tuple(names)
        super().__init__(
            f"there is no preprocessing {given!r}: take one of {', '.join(names)}; "
            "each may be followed by -rgb or -bgr and by -squash or -crop"
        )


class NoUsablePhotos(ForeignModelError):
    """None of the photos shows a class of the network."""

    def __init__(self, folder: Path, found: Sequence[str], classes: Sequence[str]) -> None:
        self.folder, self.found, self.classes = folder, tuple(found), tuple(classes)
        super().__init__(
            f"{folder} has no readable photo in a folder named by a class ({', '.join(classes[:20])}); "
            f"folders in it: {', '.join(found[:20]) or 'none'}"
        )
