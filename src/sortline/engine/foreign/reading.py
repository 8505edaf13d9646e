"""The ways a network may want its pictures: how values are scaled, in which order channels stand, how a picture
becomes a square. A file does not say, and the wrong one costs accuracy without a sound.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sortline.engine.foreign.errors import UnknownPreprocessing
from sortline.engine.image import Preprocessing

Colour = Literal["rgb", "bgr"]
Resize = Literal["squash", "crop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """(x / 255 − mean) / std for x in 0..255, mean and std in the order R, G, B."""

    words: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    usual: Colour = "rgb"


def _three(value: float) -> tuple[float, float, float]:
    return (value, value, value)


SCALINGS = {
    "unit": Scaling(words="x / 255, so 0 to 1", mean=_three(0.0), std=_three(1.0)),
    "signed": Scaling(words="x / 127.5 - 1, so -1 to 1", mean=_three(0.5), std=_three(0.5)),
    "imagenet": Scaling(
        words="x / 255 less ImageNet's mean, by its deviation",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    ),
    "raw": Scaling(words="x as it is, 0 to 255", mean=_three(0.0), std=_three(1 / 255)),
    # What Caffe's networks and Keras' VGG and ResNet take.
    "caffe": Scaling(
        words="x less ImageNet's mean, about -120 to 150",
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
        std=_three(1 / 255),
        usual="bgr",
    ),
}

# How well-known sources of networks read pictures.
SOURCES = {
    "torchvision": "imagenet-rgb-crop",
    "teachable-machine": "signed-rgb-crop",
    "keras-mobilenet": "signed-rgb-squash",
    "keras-resnet": "caffe-bgr-squash",
}


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """One way of reading pictures: a scaling by name, the order of channels, and the resize rule."""

    scale: str
    colour: Colour = "rgb"
    resize: Resize = "squash"

    @property
    def name(self) -> str:
        """As it is written on a command line."""
        return f"{self.scale}-{self.colour}-{self.resize}"

    @property
    def usual(self) -> bool:
        """Whether channels stand in the order that goes with the scaling nearly everywhere."""
        return self.colour == SCALINGS[self.scale].usual

    @property
    def words(self) -> str:
        """As a person would say it."""
        square = "centre square" if self.resize == "crop" else "squashed to a square"
        return f"{self.colour.upper()}, {SCALINGS[self.scale].words}, {square}"

    def preprocessing(self, size: int) -> Preprocessing:
        """What a bundle's manifest says of it; scaling and channel order stand inside the graph."""
        scaling = SCALINGS[self.scale]
        return Preprocessing(size=size, resize=self.resize, mean=scaling.mean, std=scaling.std)


def parse(name: str) -> Reading:
    """The reading of that name: a scaling, then where they differ from the usual, channel order and resize rule.

    Raises:
        UnknownPreprocessing: it names none.
    """
    words = _spelt_out(name.lower()).split("-")
    scale = words[0]
    if scale not in SCALINGS:
        raise UnknownPreprocessing(name, names())
    colour, resize = SCALINGS[scale].usual, "squash"
    for word in words[1:]:
        if word in ("rgb", "bgr"):
            colour = word  # type: ignore[assignment]  # just looked
        elif word in ("squash", "crop"):
            resize = word
        else:
            raise UnknownPreprocessing(name, names())
    return Reading(scale, colour, resize)  # type: ignore[arg-type]  # just looked


def _spelt_out(name: str) -> str:
    """The name with a source's at its beginning replaced by what that stands for; what follows overrules it."""
    found = next((source for source in SOURCES if name == source or name.startswith(f"{source}-")), None)
    return name if found is None else SOURCES[found] + name.removeprefix(found)


def names() -> tuple[str, ...]:
    """What `parse` takes, without the endings for channel order and resize."""
    return (*SCALINGS, *SOURCES)


def readings(*, scales: tuple[str, ...] = tuple(SCALINGS), coloured: bool = True) -> Iterator[Reading]:
    """Every way to try, by resize rule so that photos are read once for each; grey pictures have no channel order."""
    colours: tuple[Colour, ...] = ("rgb", "bgr") if coloured else ("rgb",)
    for resize in ("squash", "crop"):
        for scale in scales:
            for colour in colours:
                yield Reading(scale, colour, resize)
