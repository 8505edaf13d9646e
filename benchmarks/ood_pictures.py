"""Pictures for ood.py, and what two networks make of them: embeddings, kept in a folder so that they are made once."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photos import DEFAULT_FOLDER
from sortline.engine.image import Preprocessing, read, resize
from sortline.engine.onnx_runtime import OnnxRuntime
from sortline.engine.openvino_runtime import OpenVinoRuntime
from sortline.engine.runtime import Runtime
from sortline.settings import available_cores
from sortline.training.split import class_of, read_split

DATA = Path(os.environ.get("SORTLINE_TEST_DATA", DEFAULT_FOLDER))
WEIGHTS = DATA.parent / "weights" / "mobilenetv2_100.safetensors"
SPLIT = Path(__file__).parents[1] / "src" / "sortline" / "training" / "starter_split.csv"
FAR = ("cats-vs-dogs", "Fashion-MNIST", "noise")
PARTS = ("train", "validation", "test")
_BATCH = 8

Pixels = NDArray[np.uint8]
Half = NDArray[np.float16]
Source = Callable[[], Pixels]


@dataclass(frozen=True, slots=True, kw_only=True)
class Photos:
    """Labelled photos: `paths`, the names of their classes in order, `labels` (N,) and `parts` (N,) 0, 1 or 2."""

    paths: tuple[Path, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    parts: NDArray[np.uint8]


def realwaste() -> Photos:
    """RealWaste in the starter's split, which keeps photos of one object together."""
    entries = read_split(SPLIT)
    classes = tuple(sorted({class_of(entry.name) for entry in entries}))
    return Photos(
        paths=tuple(DATA / "realwaste" / class_of(entry.name) / entry.name for entry in entries),
        classes=classes,
        labels=np.array([classes.index(class_of(entry.name)) for entry in entries]),
        parts=np.array([PARTS.index(entry.part) for entry in entries], np.uint8),
    )


def files(paths: Iterable[Path], how: Preprocessing) -> list[Source]:
    """Photos on the disk, each read when asked for."""
    return [lambda path=path: read(path.read_bytes(), how).pixels for path in paths]  # type: ignore[misc]


def far_sets(how: Preprocessing, most: int) -> dict[str, list[Source]]:
    """Up to `most` pictures of each set of things that are no waste."""
    animals = sorted((DATA / "cats-vs-dogs").glob("*/*/*.jpg"))
    return {
        "cats-vs-dogs": files(animals[:: max(1, len(animals) // most)][:most], how),
        "Fashion-MNIST": [lambda one=one: resize(one, how) for one in _fashion(most)],  # type: ignore[misc]
        "noise": [lambda one=one: one for one in _noise(how.size, min(most, 300))],  # type: ignore[misc]
    }


def embedded(network: Runtime, sources: Sequence[Source], cache: Path, name: str) -> Half:
    """The network's embeddings (N, D) of the pictures, in order; from the cache if they are there."""
    file = cache / f"{name}.npy"
    if file.exists() and len(found := np.load(file)) == len(sources):
        return np.asarray(found, np.float16)
    rest = iter(sources)
    batches = iter(lambda: list(islice(rest, _BATCH)), [])
    with ThreadPoolExecutor(available_cores()) as pool:
        parts = list(
            pool.map(lambda batch: network.infer(np.stack([one() for one in batch])).embedding, batches)
        )
    rows = np.concatenate(parts).astype(np.float16)
    np.save(file, rows)
    print(f"  {len(rows):,} pictures of {name}", flush=True)
    return rows


def imagenet_network(cache: Path) -> tuple[Runtime, Preprocessing]:
    """MobileNetV2 with frozen ImageNet weights, which saw none of the photos; exported once."""
    from sortline.training.backbones import resolve
    from sortline.training.export import to_onnx
    from sortline.training.recipe import FinetuneRecipe
    from sortline.training.weights import start_network

    recipe = resolve(FinetuneRecipe(weights=str(WEIGHTS)))
    file = cache / "imagenet.onnx"
    if not file.exists():
        network = start_network(recipe, 2, None).eval()
        file.write_bytes(to_onnx(network, recipe))
    return runtime_of(file.read_bytes()), recipe.preprocessing()


def runtime_of(model: bytes) -> Runtime:
    """The network in float32 on OpenVINO where that is, else on ONNX Runtime."""
    try:
        return OpenVinoRuntime(model, threads=available_cores(), precision="f32")
    except (ImportError, RuntimeError):
        return OnnxRuntime(model)


def _fashion(most: int) -> Iterator[Pixels]:
    """Test pictures of Fashion-MNIST, (28, 28, 3)."""
    raw = gzip.decompress((DATA / "fashion-mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    pictures = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)[:most]
    yield from np.repeat(pictures[..., None], 3, axis=-1)


def _noise(size: int, count: int) -> Iterator[Pixels]:
    """Drawn noise, by turns: every pixel, coarse tiles, and one colour with a little grain."""
    random = np.random.default_rng(20261127)
    for number in range(count):
        side = (size, size // 16, 1)[number % 3]
        tiles = random.integers(0, 256, (side, side, 3))
        grown = np.repeat(np.repeat(tiles, -(-size // side), axis=0), -(-size // side), axis=1)[:size, :size]
        yield np.clip(grown + random.normal(0, 6, grown.shape), 0, 255).astype(np.uint8)
