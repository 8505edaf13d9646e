"""LitServe with the same network, decode and runtime.

    python benchmarks/peer_litserve.py --port 8001 --data-dir DIR [--workers N] [--batch N]

By itself LitServe has one worker process and no batches; more workers share the cores. Each runs the runtime that the
server's `choose` remembered in DIR. The answer is class and probabilities alone: no verdict, nothing recorded. Needs
`pip install litserve`.
"""

import argparse
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from starlette.requests import Request

from sortline.engine.bundle import read_bundle
from sortline.engine.calibration import softmax
from sortline.engine.choice import choose
from sortline.engine.image import read
from sortline.engine.packaged import packaged_bundles
from sortline.settings import Settings, available_cores


class Classify(litserve.LitAPI):
    """Pictures in by multipart, probabilities out."""

    def __init__(self, data_dir: Path, threads: int, **options: Any) -> None:
        super().__init__(**options)
        self._data_dir, self._threads = data_dir, threads

    def setup(self, device: str) -> None:
        """Loads the network in this worker, on its share of the cores."""
        settings = Settings()
        self.bundle = read_bundle(packaged_bundles()["waste"])
        memory = self._data_dir / "cache"
        choice = choose(self.bundle, threads=settings.inference_threads, memory=memory)[1]
        self.runtime = choose(self.bundle, threads=self._threads, preferred=choice.runtime)[0]

    def decode_request(self, request: Request) -> Any:
        """The network's input, (S, S, 3), from the form's picture."""
        return read(request["image"].file.read(), self.bundle.manifest.preprocessing).pixels

    def batch(self, inputs: list[Any]) -> Any:
        """Inputs as one array (N, S, S, 3)."""
        return np.stack(inputs)

    def predict(self, images: Any) -> Any:
        """Probabilities (C,) of one picture, or (N, C) of a batch."""
        single = images.ndim == 3
        found = softmax(
            self.runtime.infer(images[None] if single else images).logits, self.bundle.manifest.temperature
        )
        return found[0] if single else found

    def unbatch(self, output: Any) -> Any:
        """A batch's probabilities, one picture's at a time."""
        return list(output)

    def encode_response(self, output: Any) -> dict[str, Any]:
        """The answer."""
        classes = self.bundle.manifest.classes
        shares = {name: round(float(p), 6) for name, p in zip(classes, output, strict=True)}
        return {"class": classes[int(np.argmax(output))], "probabilities": shares}


def main() -> None:
    """Serves until it is stopped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    given = parser.parse_args()
    api = Classify(
        given.data_dir,
        max(1, available_cores() // given.workers),
        max_batch_size=given.batch,
        batch_timeout=0.005 if given.batch > 1 else 0.0,
    )
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=given.workers)
    server.run(host="127.0.0.1", port=given.port, log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
