"""ONNX Runtime: runs everywhere, and is the reference the others are held against. CUDA where it is present."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.bundle import Bundle
from sortline.engine.runtime import Candidate, Outputs


class OnnxRuntime:
    """A session that any number of threads run at once, one core a call."""

    def __init__(self, model: Path | bytes, *, provider: str = "CPUExecutionProvider") -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        source = model if isinstance(model, bytes) else str(model)
        self._session: Any = onnxruntime.InferenceSession(source, options, providers=[provider])
        if self._session.get_providers()[0] != provider:
            raise RuntimeError(f"{provider} is not available here")
        self._outputs = {output.name for output in self._session.get_outputs()}
        self.name = "onnxruntime" if provider.startswith("CPU") else "onnxruntime-cuda"

    def infer(self, images: NDArray[np.uint8], *, features: bool = False) -> Outputs:
        """See `Runtime.infer`."""
        wanted = ["logits", "embedding"] + (["features"] if features and "features" in self._outputs else [])
        return Outputs(**dict(zip(wanted, self._session.run(wanted, {"images": images}), strict=True)))

    def settle(self, batch: int) -> None:
        """See `Runtime.settle`. One session takes any number."""


def _load_cpu(bundle: Bundle, threads: int, memory: Path | None) -> OnnxRuntime:
    return OnnxRuntime(bundle.model_path)


def _load_cuda(bundle: Bundle, threads: int, memory: Path | None) -> OnnxRuntime:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise RuntimeError("onnxruntime was built without CUDA")
    return OnnxRuntime(bundle.model_path, provider="CUDAExecutionProvider")


CANDIDATES = {
    "onnxruntime-cuda": Candidate(_load_cuda, "f32"),
    "onnxruntime": Candidate(_load_cpu, "f32"),
}
