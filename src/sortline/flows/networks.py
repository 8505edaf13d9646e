"""Bundles as a run asks them: on the runtime that would serve them, warm from one run to the next."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Bundle
from sortline.engine.choice import share
from sortline.engine.classifier import Classifier
from sortline.engine.head import Head
from sortline.engine.runtime import Runtime
from sortline.flows.embeddings import Backbone

# Networks kept warm: the live one's and a candidate's.
KEPT = 2


@dataclass(frozen=True, kw_only=True)
class Served:
    """A bundle on its runtime."""

    bundle: Bundle
    runtime: Runtime

    @property
    def classifier(self) -> Classifier:
        """The bundle as it classifies."""
        return Classifier(self.bundle, self.runtime)

    @property
    def backbone(self) -> Backbone:
        """Its network, for embeddings."""
        return Backbone(
            hash=self.bundle.backbone,
            runtime=self.runtime,
            preprocessing=self.bundle.manifest.preprocessing,
            bundles=(self.bundle.hash,),
        )


class Networks:
    """Runtimes by backbone: a bundle whose network is warm gets it with its own head, and nothing is loaded."""

    def __init__(self, load: Callable[[Bundle], Runtime]) -> None:
        """Networks that are loaded by `load`, which verifies golden pictures and may take seconds."""
        self._load = load
        self._warm: OrderedDict[str, Runtime] = OrderedDict()
        self._one = threading.Lock()

    def serve(self, bundle: Bundle) -> Served:
        """The bundle, ready to answer.

        Raises:
            RuntimeUnavailable: nothing can run it here, or nothing answers its golden pictures rightly.
        """
        with self._one:
            warm = self._warm.pop(bundle.backbone, None)
            runtime = share(bundle, warm) if warm is not None else None
            if runtime is None:
                warm = runtime = self._load(bundle)
            if warm is not None:
                self._warm[bundle.backbone] = warm
            while len(self._warm) > KEPT:
                self._warm.popitem(last=False)
        return Served(bundle=bundle, runtime=runtime)


def logits_of(head: Head, embeddings: NDArray[np.floating]) -> NDArray[np.float32]:
    """A head's logits (N, C) for embeddings (N, D)."""
    logits: NDArray[np.float32] = embeddings.astype(np.float32) @ head.weight.T + head.bias
    return logits
