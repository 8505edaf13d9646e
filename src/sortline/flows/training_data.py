"""What a run is trained and compared on: a version's pictures, and what the live bundle remembers beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from sortline.catalogue.entry import Split
from sortline.catalogue.store.entries import get_entries
from sortline.catalogue.store.members import members_after
from sortline.catalogue.store.versions import active_version
from sortline.catalogue.version import Version
from sortline.db.session import Session, reading
from sortline.engine.bundle import Bundle
from sortline.lines.classes import class_ids, list_classes
from sortline.lines.store import get_line
from sortline.training.assemble import TEST, TRAIN, VALIDATION, prefixes_of
from sortline.training.run import NothingToTrain

_CHUNK = 500
# Pictures of a set of outliers: their AUROC is then known to within two points.
MOST_OUTLIERS = 500
_PARTS = {Split.TRAIN: TRAIN, Split.VALIDATION: VALIDATION, Split.TEST: TEST}
PART_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """N pictures of a version: `hashes` (SHA-256 in hex), `labels` (N,) class ids, `parts` (N,) 0 train, 1 validation,
    2 test, and what each was called.
    """

    hashes: tuple[str, ...]
    labels: NDArray[np.int64]
    parts: NDArray[np.uint8]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.hashes)

    def take(self, rows: Iterable[int]) -> Pictures:
        """Some of them, in the order of `rows`."""
        picked = list(rows)
        return Pictures(
            hashes=tuple(self.hashes[row] for row in picked),
            labels=self.labels[picked],
            parts=self.parts[picked],
            names=tuple(self.names[row] for row in picked),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a bundle's memory adds, M rows: embeddings (M, D) float16, class ids, parts and prefixes, each (M,)."""

    embeddings: NDArray[np.float16]
    labels: NDArray[np.int64]
    parts: NDArray[np.uint8]
    prefixes: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """All a run learns from and is held against.

    `classes` are the names in the order of the outputs, and `ids` the line's class of each; `remembered_backbone` is
    the hash of the network whose embeddings are remembered.
    """

    classes: tuple[str, ...]
    ids: tuple[int, ...]
    pictures: Pictures
    remembered: Remembered
    remembered_backbone: str | None

    def index(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class ids as indices into `classes`, same shape."""
        order = np.argsort(self.ids)
        found: NDArray[np.int64] = order[np.searchsorted(np.array(self.ids)[order], labels)]
        return found

    def counts(self) -> dict[str, Any]:
        """Pictures by part, of the version and remembered, and by class: what a run says that it was made from."""
        labels = np.concatenate([self.index(self.pictures.labels), self.index(self.remembered.labels)])
        parts = np.concatenate([self.pictures.parts, self.remembered.parts])
        return {
            "pictures": _by_part(self.pictures.parts),
            "remembered": _by_part(self.remembered.parts),
            "classes": {name: _by_part(parts[labels == index]) for index, name in enumerate(self.classes)},
        }


def training_data(
    engine: Engine, version: Version, live: Bundle | None, *, check: Callable[[], object] = lambda: None
) -> TrainingData:
    """A version's labelled pictures and the memory of the live bundle, without what both have.

    A label in the version counts before what a memory says. A class of the bundle is the class its name leads to on
    the line today; what it remembers of classes that the line does not have, or has retired, is left out.

    Raises:
        NothingToTrain: there are not two classes with a training picture.
    """
    pictures = version_pictures(engine, version, check=check)
    with reading(engine) as session:
        names = {one.id: one.name for one in list_classes(session, version.line_id)}
        known = _remembered(session, version.line_id, live, pictures)
    order = _order(known[1], pictures, tuple(names))
    data = TrainingData(
        classes=tuple(names[one] for one in order),
        ids=order,
        pictures=pictures,
        remembered=known[0],
        remembered_backbone=live.backbone if live else None,
    )
    _require_two(data)
    return data


def version_pictures(
    engine: Engine, version: Version, *, check: Callable[[], object] = lambda: None
) -> Pictures:
    """The pictures of a version that are in one of its splits, in the order they joined the line."""
    hashes: list[str] = []
    names: list[str] = []
    labels: list[int] = []
    parts: list[int] = []
    after = 0
    while True:
        check()
        with reading(engine) as session:
            members = members_after(session, version, after, _CHUNK)
            entries = get_entries(session, version.line_id, [member.entry_id for member in members])
        for member in members:
            if (part := _PARTS.get(member.split)) is not None:
                entry = entries[member.entry_id]
                hashes.append(entry.image_sha256)
                names.append(entry.name or entry.image_sha256[:12])
                labels.append(member.class_id)
                parts.append(part)
        if len(members) < _CHUNK:
            break
        after = members[-1].entry_id
    return Pictures(
        hashes=tuple(hashes),
        labels=np.array(labels, np.int64),
        parts=np.array(parts, np.uint8),
        names=tuple(names),
    )


def outlier_sets(
    engine: Engine, lines: Sequence[str], *, first: int = TEST, most: int = MOST_OUTLIERS
) -> list[tuple[str, tuple[str, ...]]]:
    """Of each line's active version some pictures, by hash: test pictures first, or another part's; a line without a
    version gives none.

    Raises:
        UnknownLine: there is no such line.
    """
    found = []
    for name in lines:
        with reading(engine) as session:
            version = active_version(session, get_line(session, name).id)
        if version is None:
            continue
        pictures = version_pictures(engine, version)
        order = np.argsort(pictures.parts != first, kind="stable")[:most].tolist()
        found.append((name, pictures.take(order).hashes))
    return found


def without(data: TrainingData, gone: Iterable[str]) -> TrainingData:
    """The data without the pictures of these hashes, which cannot be read any more.

    Raises:
        NothingToTrain: too little is left.
    """
    missing = set(gone)
    rows = [row for row, sha256 in enumerate(data.pictures.hashes) if sha256 not in missing]
    left = replace(data, pictures=data.pictures.take(rows))
    _require_two(left)
    return left


def trained_on(bundle: Bundle | None) -> NDArray[np.uint64]:
    """Prefixes of the pictures that a bundle was trained or chosen on, sorted; none without a bundle."""
    if bundle is None:
        return np.zeros(0, np.uint64)
    prefixes, splits = bundle.remembered()
    return np.unique(prefixes[splits != TEST])


def _remembered(
    session: Session, line_id: int, live: Bundle | None, pictures: Pictures
) -> tuple[Remembered, tuple[int, ...]]:
    """What the memory adds to the pictures, and the line's class of each of the bundle's classes, in its order."""
    if live is None:
        nothing = np.zeros(0, np.int64)
        return (
            Remembered(
                embeddings=np.zeros((0, 0), np.float16),
                labels=nothing,
                parts=nothing.astype(np.uint8),
                prefixes=nothing.astype(np.uint64),
            ),
            (),
        )
    names = live.manifest.classes
    found = class_ids(session, line_id, names)
    usable = {one.id for one in list_classes(session, line_id, retired=False)}
    ids = np.array([found[name] if found.get(name) in usable else 0 for name in names], np.int64)
    memory = live.memory()
    labels = ids[memory.labels]
    keep = (labels > 0) & ~np.isin(memory.prefixes, prefixes_of(pictures.hashes))
    return (
        Remembered(
            embeddings=memory.embeddings[keep],
            labels=labels[keep],
            parts=memory.splits[keep],
            prefixes=memory.prefixes[keep].astype(np.uint64),
        ),
        tuple(dict.fromkeys(int(one) for one in ids if one)),
    )


def _order(first: Sequence[int], pictures: Pictures, line: Sequence[int]) -> tuple[int, ...]:
    """Class ids in the order of the outputs: the live bundle's, then those of the pictures as the line learned them."""
    there = set(pictures.labels.tolist())
    return tuple(dict.fromkeys([*first, *(one for one in line if one in there)]))


def _require_two(data: TrainingData) -> None:
    of_train = [
        *data.pictures.labels[data.pictures.parts == TRAIN].tolist(),
        *data.remembered.labels[data.remembered.parts == TRAIN].tolist(),
    ]
    if len(found := set(of_train)) < 2:
        raise NothingToTrain(
            f"{len(found) or 'no'} class{'' if len(found) == 1 else 'es'} with training pictures, and two are needed; "
            "label pictures of another class and make a version of them"
        )


def _by_part(parts: NDArray[np.uint8]) -> dict[str, int]:
    return dict(zip(PART_NAMES, np.bincount(parts, minlength=3).tolist(), strict=True))
