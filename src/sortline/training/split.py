"""A split into train, validation and test that keeps photos of one object together.

Neighbours in a dataset are often the same object turned or moved, so a random split would test on objects
that were trained on. Photos are linked into groups, and a group goes to one part as a whole.
"""

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One photo: its name, the part it belongs to, and its group, named after the group's first photo."""

    name: str
    part: Part
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """When two photos of one class are taken to show one object.

    The numbers come from looking at pairs of RealWaste (cosine of ImageNet MobileNetV2 embeddings). Of photos
    numbered within 3 of each other nearly all at or above 0.80 show the same object, and about half at 0.72;
    of photos far apart in number only those from about 0.92 do. A 64-bit difference hash finds no more: every
    photo shows one object on plain ground, so pairs at distance 4 to 6 are different objects, and only equal
    or nearly equal hashes (at most 1) are told apart from chance.
    """

    near_numbers: int = 3
    near_cosine: float = 0.80
    far_cosine: float = 0.92
    hash_distance: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Share of each class's photos that validation and test receive; train takes the rest."""

    validation: float = 0.1
    test: float = 0.2


def split(
    names: Sequence[str],
    embeddings: NDArray[np.float32],
    hashes: NDArray[np.uint64],
    *,
    always_test: Collection[str] = (),
    linking: Linking | None = None,
    shares: Shares | None = None,
    seed: int = 0,
) -> list[Entry]:
    """One entry per photo, in the order of `names` ("Class_12.jpg"; embeddings (N, D), hashes (N,)).

    Groups of photos in `always_test`, and of those numbered directly beside one, go to test. The others are
    taken class by class in the order of a stable hash until test, then validation, has its share.
    """
    groups = link(names, embeddings, hashes, linking or Linking())
    forced = _with_neighbours(always_test)
    members: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, group in zip(names, groups, strict=True):
        members[class_of(name)][group].append(name)
    parts: dict[str, Part] = {}
    for of_class in members.values():
        parts.update(_assign(of_class, forced, shares or Shares(), seed))
    return [Entry(name=n, part=parts[g], group=g) for n, g in zip(names, groups, strict=True)]


def link(
    names: Sequence[str], embeddings: NDArray[np.float32], hashes: NDArray[np.uint64], linking: Linking
) -> list[str]:
    """Group of each photo, length N: the name of the first photo it is linked to, in the order of `names`."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    classes = np.array([class_of(n) for n in names])
    numbers = np.array([number_of(n) for n in names])
    parent = np.arange(len(names))
    for c in np.unique(classes):
        index = np.flatnonzero(classes == c)
        cosine = unit[index] @ unit[index].T
        near = np.abs(numbers[index, None] - numbers[None, index]) <= linking.near_numbers
        same_hash = np.bitwise_count(hashes[index, None] ^ hashes[None, index]) <= linking.hash_distance
        linked = (near & (cosine >= linking.near_cosine)) | (cosine >= linking.far_cosine) | same_hash
        for i, j in np.argwhere(np.triu(linked, 1)):
            a, b = _root(parent, index[i]), _root(parent, index[j])
            parent[max(a, b)] = min(a, b)
    return [names[_root(parent, i)] for i in range(len(names))]


def difference_hash(grey: NDArray[np.uint8]) -> np.uint64:
    """64-bit difference hash of a grey picture already scaled to shape (8, 9). Krawetz 2013."""
    bits = (grey[:, 1:] > grey[:, :-1]).ravel()
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "big"))


def class_of(name: str) -> str:
    """The class in a RealWaste file name: "Food Organics" of "Food Organics_12.jpg"."""
    return name.rpartition("_")[0]


def number_of(name: str) -> int:
    """The running number in a RealWaste file name: 12 of "Food Organics_12.jpg"."""
    found = re.search(r"_(\d+)\.\w+$", name)
    if found is None:
        raise ValueError(f"{name!r} does not end in _<number>.<extension>")
    return int(found.group(1))


def write_split(path: Path, entries: Iterable[Entry]) -> None:
    """Write entries as CSV with the columns name, split, group."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "split", "group"))
        writer.writerows((e.name, e.part, e.group) for e in entries)


def read_split(path: Path) -> list[Entry]:
    """The entries of a file that `write_split` wrote; ValueError on a part it does not know."""
    with path.open(newline="") as file:
        return [Entry(name=r["name"], part=_part(r["split"]), group=r["group"]) for r in csv.DictReader(file)]


def _assign(
    groups: dict[str, list[str]], forced: Collection[str], shares: Shares, seed: int
) -> dict[str, Part]:
    """Part of each group of one class."""
    total = sum(len(names) for names in groups.values())
    parts: dict[str, Part] = {g: "test" for g, names in groups.items() if any(n in forced for n in names)}
    filled = {"test": sum(len(groups[g]) for g in parts), "validation": 0}
    quota = {"test": shares.test * total, "validation": shares.validation * total}
    for group in sorted(
        groups.keys() - parts.keys(), key=lambda g: hashlib.sha256(f"{seed}:{g}".encode()).digest()
    ):
        size = len(groups[group])
        # A group is taken where it fits, so a large one never overfills a small part.
        part: Part = "train"
        if filled["test"] + size <= quota["test"]:
            part = "test"
        elif filled["validation"] + size <= quota["validation"]:
            part = "validation"
        if part != "train":
            filled[part] += size
        parts[group] = part
    return parts


def _with_neighbours(names: Collection[str]) -> set[str]:
    """The names, and those numbered one below and one above in the same class."""
    return {f"{class_of(n)}_{number_of(n) + step}{Path(n).suffix}" for n in names for step in (-1, 0, 1)}


def _root(parent: NDArray[np.int64], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def _part(text: str) -> Part:
    for part in PARTS:
        if part == text:
            return part
    raise ValueError(f"unknown part {text!r}; expected one of {', '.join(PARTS)}")
