"""A bundle made ready to serve: its network loaded and warm, or its head on a network that is warm already."""

from __future__ import annotations

import ctypes
import ctypes.util
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Bundle
from sortline.engine.choice import Choice, choose, share, take, warm
from sortline.engine.classifier import Classifier
from sortline.engine.runtime import Runtime
from sortline.errors import SortlineError
from sortline.flows.bundle_files import usable
from sortline.registry.ledger import BundleRecord
from sortline.storage.blobs import Blobs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A bundle ready to serve, and how its runtime was chosen.

    `golden` has the embeddings of golden pictures, by their hash: bundles on one network share them, too.
    """

    classifier: Classifier
    choice: Choice
    golden: dict[str, NDArray[np.float32]] = field(default_factory=dict, compare=False)

    @property
    def batch(self) -> int:
        """The batch size that is fastest for it here."""
        return self.choice.batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where bundles are loaded from and for what: `threads` will call the network at once, on the runtime `preferred`;
    `memory` remembers choices and compiled networks.
    """

    bundles_dir: Path
    blobs: Blobs
    memory: Path
    threads: int
    preferred: str = "auto"


class NotUsable(SortlineError):
    """A bundle that cannot serve on this machine."""

    def __init__(self, record: BundleRecord, reason: str) -> None:
        self.bundle, self.reason = record.hash, reason
        super().__init__(f"The bundle {record.name} {record.hash[:12]} cannot serve here: {reason}")


def load(record: BundleRecord, place: Place, serving: Sequence[Loaded], *, busy: bool) -> Loaded:
    """The bundle, verified and warm: its golden pictures came out right.

    A bundle of the same backbone as one that serves takes its network: that is a matter of milliseconds. On a `busy`
    server nothing is measured; the kind of runtime that serves is taken for another network, too.

    Raises:
        NotUsable: it is missing, cannot be trusted, or nothing can run it here.
    """
    begun = time.perf_counter()
    try:
        bundle = usable(record, place.bundles_dir, place.blobs)
        loaded = _shared(bundle, serving) or _own(bundle, place, serving, busy=busy)
    except Exception as error:
        # A native library may raise anything; whatever it is, the bundle before goes on serving.
        log.warning("bundle %s %s cannot serve", record.name, record.hash[:12], exc_info=True)
        raise NotUsable(record, str(error).partition("\n")[0]) from error
    log.debug(
        "bundle %s %s is ready after %.2f s", record.name, record.hash[:12], time.perf_counter() - begun
    )
    return loaded


def give_back_memory() -> None:
    """What a network that is gone leaves to the allocator goes back to the system, where that is glibc's to do."""
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)


def _shared(bundle: Bundle, serving: Sequence[Loaded]) -> Loaded | None:
    for other in serving:
        if other.classifier.bundle.backbone == bundle.backbone:
            runtime = share(bundle, other.classifier.runtime, other.golden)
            if runtime is not None:
                classifier = Classifier(bundle, runtime)
                return Loaded(classifier=classifier, choice=other.choice, golden=other.golden)
    return None


def _own(bundle: Bundle, place: Place, serving: Sequence[Loaded], *, busy: bool) -> Loaded:
    runtime, choice = _chosen(bundle, place, serving, busy=busy)
    warm(runtime, bundle, batch=choice.batch, threads=place.threads)
    return Loaded(classifier=Classifier(bundle, runtime), choice=choice)


def _chosen(bundle: Bundle, place: Place, serving: Sequence[Loaded], *, busy: bool) -> tuple[Runtime, Choice]:
    threads, preferred, memory = place.threads, place.preferred, place.memory
    if busy and serving:
        like = serving[0].choice
        return take(bundle, like=like, threads=threads, preferred=preferred, memory=memory)
    return choose(bundle, threads=threads, preferred=preferred, memory=memory)
