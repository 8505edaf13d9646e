"""A bundle: one immutable, hashed folder that holds everything needed to classify (format 1).

    model.onnx     images (N, S, S, 3) uint8 RGB → logits (N, C), embedding (N, D) and, where the head is linear after
                   global pooling, features (N, D, h, w)
    bundle.json    the manifest below; it names the SHA-256 of every other file
    ood.npz        one sorted array of held-out scores a detector, shape (M,), float32, and what the detectors know of
                   embeddings: see `ood_statistics`
    memory.npz     what the network knows: see `Memory`
    golden.npz     a few drawn pictures and the logits the reference runtime gave for them: see `Golden`
    head.npz       weight (C, D) and bias (C,), float32, where the head is linear
    model.int8.onnx  the same network with 8-bit weights and activations, where one was made
    card.md        the model card

The hash of a bundle is the SHA-256 of its manifest in canonical JSON, and so covers every file.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sortline.engine.head import Head
from sortline.engine.image import Preprocessing
from sortline.engine.ood_statistics import misfit
from sortline.engine.routing import Policy
from sortline.errors import SortlineError

FORMAT = 1
MANIFEST = "bundle.json"
QUANTISED = "model.int8.onnx"

# The arithmetic a runtime computes in.
Precision = Literal["f32", "bf16", "int8"]
REQUIRED_FILES = frozenset({"model.onnx", "ood.npz", "memory.npz", "golden.npz", "card.md"})
OPTIONAL_FILES = frozenset({"head.npz", QUANTISED})


class BundleError(SortlineError):
    """A bundle that cannot be trusted, with the folder and the reason."""

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(f"Bundle {folder} cannot be used: {reason}")


class Document(BaseModel):
    """A value read from JSON that refuses every key it does not know, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Dataset(Document):
    """The data a bundle was trained on: a version's name and the hash of its (image, label, split) rows."""

    version: str
    hash: str


class Licences(Document):
    """Licences of what went into the network, as SPDX identifiers or plain words."""

    data: str
    weights: str


class OodTrial(Document):
    """How well a detector told known pictures from one kind of unknown ones: AUROC and FPR95, in 0..1."""

    detector: str
    against: str
    auroc: float = Field(ge=0, le=1)
    fpr95: float = Field(ge=0, le=1)


class OodChoice(Document):
    """The detector that `auto` stands for, why it was chosen, and the figures of all on the data there was."""

    detector: str
    why: str
    trials: tuple[OodTrial, ...]


class Manifest(Document):
    """What `bundle.json` says. `classes` stand in the order of the network's outputs."""

    format: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    created: str
    classes: tuple[str, ...] = Field(min_length=2)
    preprocessing: Preprocessing
    temperature: float = Field(gt=0)
    precisions: tuple[Precision, ...] = Field(
        default=("f32",),
        description="Arithmetic in which the accuracy on held-out photos was measured to be within half a point.",
    )
    ood_thresholds: dict[str, float]
    policy: Policy
    metrics: dict[str, Any]
    dataset: Dataset
    recipe: dict[str, Any]
    licences: Licences
    files: dict[str, str]
    backbone: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Whose embeddings these are, where another bundle's network was taken and only its head changed.",
    )
    ood_choice: OodChoice | None = Field(
        default=None,
        description="The detector chosen when the bundle was made; null where nothing could tell.",
    )

    @field_validator("preprocessing", mode="before")
    @classmethod
    def _known_preprocessing(cls, value: object) -> object:
        """Pydantic ignores unknown keys of a plain dataclass; a bundle may not."""
        if isinstance(value, Mapping):
            unknown = set(value) - {field.name for field in fields(Preprocessing)}
            if unknown:
                raise ValueError(f"unknown keys {sorted(unknown)}")
        return value

    @property
    def hash(self) -> str:
        """SHA-256 of the manifest as canonical JSON, 64 hex digits.

        `backbone`, `ood_choice` and the policy's `coverage` count only where there is one: bundles made before they
        were known keep their hash.
        """
        content = self.model_dump(mode="json")
        for later in ("backbone", "ood_choice"):
            if content[later] is None:
                del content[later]
        if self.policy.coverage is None:
            del content["policy"]["coverage"]
        return _digest(content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Labelled embeddings of the pictures the network was made with.

    embeddings: (M, D) float16; labels: (M,) uint16, indices into the manifest's classes; splits: (M,) uint8, 0 train,
    1 validation, 2 test; prefixes: (M,) uint64, the first 8 bytes (big-endian) of each canonical picture's SHA-256.
    """

    embeddings: NDArray[np.float16]
    labels: NDArray[np.uint16]
    splits: NDArray[np.uint8]
    prefixes: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Pictures drawn by us, (G, S, S, 3) uint8, and the logits, (G, C) float32, any runtime must give for them.

    `int8_logits` are what the reference runtime gives with the quantised network, where there is one.
    """

    pixels: NDArray[np.uint8]
    logits: NDArray[np.float32]
    int8_logits: NDArray[np.float32] | None = None

    def expected(self, precision: Precision) -> NDArray[np.float32]:
        """The logits a runtime that computes in this arithmetic must give."""
        return self.logits if precision != "int8" or self.int8_logits is None else self.int8_logits


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk. Arrays are read when first asked for."""

    folder: Path
    manifest: Manifest

    @cached_property
    def hash(self) -> str:
        """The bundle's identity, 64 hex digits."""
        return self.manifest.hash

    @cached_property
    def backbone(self) -> str:
        """Bundles of one backbone, 64 hex digits, give a picture the same embedding and differ in the head alone."""
        manifest = self.manifest
        if manifest.backbone is not None:
            return manifest.backbone
        return backbone_of(manifest.files["model.onnx"], manifest.preprocessing)

    @property
    def model_path(self) -> Path:
        """The network."""
        return self.folder / "model.onnx"

    @property
    def quantised_path(self) -> Path:
        """The quantised network; only where the manifest names it."""
        return self.folder / QUANTISED

    def ood_reference(self) -> dict[str, NDArray[np.float32]]:
        """Sorted scores of held-out known pictures by detector, each (M,)."""
        found = self._arrays("ood.npz", lambda name: "." not in name)
        return {name: array.astype(np.float32) for name, array in found.items()}

    def ood_statistics(self) -> dict[str, NDArray[Any]]:
        """What the detectors know of embeddings (module `ood_statistics`); empty in bundles made before they did."""
        return self._arrays("ood.npz", lambda name: "." in name)

    def memory(self) -> Memory:
        """What the network was made with."""
        return Memory(**self._arrays("memory.npz"))

    def remembered(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        """Which pictures are in the memory: its prefixes and splits, both (M,), in a hundredth of the memory's time."""
        return remembered(self.folder)

    def golden(self) -> Golden:
        """The pictures and logits that prove a runtime right."""
        return Golden(**self._arrays("golden.npz"))

    def head(self) -> Head | None:
        """The linear head, where there is one."""
        return Head(**self._arrays("head.npz")) if "head.npz" in self.manifest.files else None

    def _arrays(self, name: str, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Any]:
        with np.load(self.folder / name, allow_pickle=False) as arrays:
            return {one: arrays[one] for one in arrays.files if wanted(one)}


def remembered(folder: Path) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """`Bundle.remembered` of the bundle in a folder, nothing else of which is looked at.

    Raises:
        OSError, ValueError, KeyError: it cannot be read.
    """
    with np.load(folder / "memory.npz", allow_pickle=False) as arrays:
        return arrays["prefixes"].astype(np.uint64), arrays["splits"].astype(np.uint8)


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """The bundle written to `folder`, whole or not at all; an existing bundle there is replaced.

    The manifest's `files` are filled in from `files` (name → content).
    """
    _check_names(folder, set(files))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    manifest = manifest.model_copy(update={"files": hashes})
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, content in files.items():
        (beside / name).write_bytes(content)
    (beside / MANIFEST).write_text(json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    return read_bundle(folder)


def read_bundle(folder: Path) -> Bundle:
    """The bundle in `folder` after every hash has been checked and every array's shape held against the manifest.

    Raises:
        BundleError: a file is missing, unknown or changed, or the manifest holds something this version does not know.
    """
    bundle = Bundle(folder, _read_manifest(folder))
    present = {path.name for path in folder.iterdir() if path.name != MANIFEST}
    _check_names(folder, present)
    if present != set(bundle.manifest.files):
        raise BundleError(
            folder, f"its files and its manifest differ: {present ^ set(bundle.manifest.files)}"
        )
    for name, expected in bundle.manifest.files.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise BundleError(folder, f"{name} has changed since the bundle was written; fetch it again")
    _check_shapes(bundle)
    return bundle


def backbone_of(network: str, preprocessing: Preprocessing) -> str:
    """The hash of a network of its own, 64 hex digits: of its file's SHA-256 and of how it reads pictures."""
    return _digest({"network": network, "preprocessing": asdict(preprocessing)})


def npz(**arrays: NDArray[Any]) -> bytes:
    """The arrays as one compressed .npz file."""
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy types the keyword allow_pickle only
    return buffer.getvalue()


def _digest(content: object) -> str:
    """SHA-256 of canonical JSON, 64 hex digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _read_manifest(folder: Path) -> Manifest:
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(folder, f"there is no {MANIFEST} in it") from None
    except (OSError, ValueError) as error:
        raise BundleError(folder, f"{MANIFEST} cannot be read ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise BundleError(folder, f"it is not of format {FORMAT}; a newer Sortline may have made it")
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(folder, f"{MANIFEST}: {where}: {first['msg']}") from error


def _check_names(folder: Path, names: set[str]) -> None:
    if missing := REQUIRED_FILES - names:
        raise BundleError(folder, f"{', '.join(sorted(missing))} missing")
    if unknown := names - REQUIRED_FILES - OPTIONAL_FILES:
        raise BundleError(folder, f"it holds files this version does not know: {', '.join(sorted(unknown))}")


def _check_shapes(bundle: Bundle) -> None:
    manifest, count, size = bundle.manifest, len(bundle.manifest.classes), bundle.manifest.preprocessing.size
    try:
        golden, head, reference = bundle.golden(), bundle.head(), bundle.ood_reference()
        statistics = bundle.ood_statistics()
        memory_fits = _memory_fits(bundle.folder / "memory.npz", count)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleError(bundle.folder, f"its arrays cannot be read ({error})") from error
    width = head.weight.shape[-1] if head is not None else None
    if problem := misfit(statistics, set(reference), width):
        raise BundleError(bundle.folder, f"ood.npz: {problem}")
    holds = {
        "golden.npz": golden.pixels.shape[1:] == (size, size, 3)
        and golden.logits.shape == (len(golden.pixels), count)
        and len(golden.pixels) > 0,
        "memory.npz": memory_fits,
        "head.npz": head is None
        or (len(head.weight) == count and head.weight.ndim == 2 and head.bias.shape == (count,)),
        "ood.npz": set(reference) == set(manifest.ood_thresholds)
        and (manifest.ood_choice is None or manifest.ood_choice.detector in reference)
        and all(scores.ndim == 1 and len(scores) for scores in reference.values()),
    }
    if wrong := [name for name, right in holds.items() if not right]:
        raise BundleError(bundle.folder, f"{', '.join(wrong)} does not fit the manifest")


def _memory_fits(file: Path, classes: int) -> bool:
    """Whether a memory's arrays fit each other. Of the embeddings, nearly all of the file, only the shape is read: to
    unpack them takes 70 ms of a core, which a server that swaps models has better use for.
    """
    with np.load(file, allow_pickle=False) as arrays:
        if set(arrays.files) != {field.name for field in fields(Memory)}:
            return False
        labels, splits, prefixes = arrays["labels"], arrays["splits"], arrays["prefixes"]
        with arrays.zip.open("embeddings.npy") as packed:
            read = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}[read_magic(packed)]
            shape, _, _ = read(packed)
    rows = len(labels)
    return (
        len(shape) == 2
        and {shape[0], len(splits), len(prefixes)} == {rows}
        and (rows == 0 or int(labels.max()) < classes)
    )
