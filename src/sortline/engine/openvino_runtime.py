"""OpenVINO: the fastest on most x86 processors; in 8 bits or bfloat16 where a bundle was measured in them."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import QUANTISED, Bundle
from sortline.engine.runtime import BATCH_SIZES, Candidate, Outputs, batches
from sortline.settings import available_cores


class OpenVinoRuntime:
    """One compiled network a batch size, compiled when first needed; each calling thread has its own requests."""

    def __init__(
        self, model: Path | bytes, *, threads: int, precision: str, cache: Path | None = None
    ) -> None:
        import openvino

        # Two threads that first touch numpy through pybind11 at once deadlock (its type table is initialised under
        # a guard that waits for the GIL): touch it here, on one thread.
        openvino.Tensor(np.zeros((1, 1), np.uint8))
        self._openvino: Any = openvino
        self._core: Any = openvino.Core()
        if precision not in _precisions(self._core):
            raise RuntimeError(f"this processor does not compute in {precision}")
        # One stream a core: more threads than that decode while the others' pictures are inferred.
        streams = min(threads, available_cores())
        self._config = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
            "INFERENCE_PRECISION_HINT": precision,
            "ENABLE_CPU_PINNING": False,
        }
        if cache is not None:
            self._config["CACHE_DIR"] = str(cache / "openvino")
        self._model = model
        self._sizes: tuple[int, ...] = BATCH_SIZES
        self._compiled: dict[int, Any] = {}
        self._compiling = threading.Lock()
        self._own = threading.local()
        self.name = f"openvino-{precision}"
        self._request(1)

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """See `Runtime.infer`."""
        parts, start = [], 0
        for size in batches(len(images), self._sizes):
            parts.append(self._infer(images[start : start + size], features))
            start += size
        return parts[0] if len(parts) == 1 else _joined(parts)

    def settle(self, batch: int) -> None:
        """See `Runtime.settle`. Each size is a network of its own, which takes 60 MB and 0.4 s of a core."""
        with self._compiling:
            self._sizes = (1, batch)
            self._compiled = {size: self._compiled[size] for size in self._compiled if size in self._sizes}
            self._own = threading.local()  # a thread's requests hold their network

    def _infer(self, images: NDArray[np.uint8], features: bool) -> Outputs:
        request = self._request(len(images))
        request.set_input_tensor(self._openvino.Tensor(images, shared_memory=True))
        # Lent, or it copies every output, wanted or not, and holds the interpreter's lock: half a megabyte of features.
        request.infer(share_outputs=True)
        # Copied, because the request's own buffers are written by the thread's next call.
        read = {name: request.get_tensor(name).data.copy() for name in ("logits", "embedding")}
        if features:
            read["features"] = request.get_tensor("features").data.copy()
        return Outputs(**read)

    def _request(self, size: int) -> Any:
        requests: dict[int, Any] = self._own.__dict__.setdefault("requests", {})
        if size not in requests:
            with self._compiling:
                if size not in self._compiled:
                    self._compiled[size] = self._compile(size)
                requests[size] = self._compiled[size].create_infer_request()
        return requests[size]

    def _compile(self, size: int) -> Any:
        model = self._core.read_model(self._model if isinstance(self._model, bytes) else str(self._model))
        shape = model.input("images").get_partial_shape()
        shape[0] = size
        model.reshape({"images": shape})
        return self._core.compile_model(model, "CPU", self._config)


def _joined(parts: list[Outputs]) -> Outputs:
    features = [part.features for part in parts if part.features is not None]
    return Outputs(
        logits=np.concatenate([part.logits for part in parts]),
        embedding=np.concatenate([part.embedding for part in parts]),
        features=np.concatenate(features) if features else None,
    )


def _precisions(core: Any) -> set[str]:
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return {"f32"} | ({"bf16"} if "BF16" in capabilities else set())


def _load_bf16(bundle: Bundle, threads: int, cache: Path | None) -> OpenVinoRuntime:
    return OpenVinoRuntime(bundle.model_path, threads=threads, precision="bf16", cache=cache)


def _load_int8(bundle: Bundle, threads: int, cache: Path | None) -> OpenVinoRuntime:
    if QUANTISED not in bundle.manifest.files:
        raise RuntimeError("the bundle has no quantised network")
    runtime = OpenVinoRuntime(bundle.quantised_path, threads=threads, precision="f32", cache=cache)
    runtime.name = "openvino-int8"
    return runtime


def _load_f32(bundle: Bundle, threads: int, cache: Path | None) -> OpenVinoRuntime:
    return OpenVinoRuntime(bundle.model_path, threads=threads, precision="f32", cache=cache)


CANDIDATES = {
    "openvino-int8": Candidate(_load_int8, "int8"),
    "openvino-bf16": Candidate(_load_bf16, "bf16"),
    "openvino-f32": Candidate(_load_f32, "f32"),
}
