"""What the detectors of a probe are tried on besides the line's own pictures."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sortline.flows import outliers
from sortline.flows.outliers import with_other_lines
from sortline.training.ood_choice import Outliers


class Network:
    """Stands for an embedder: every picture it is shown becomes a row of ones."""

    engine = None

    def __call__(self, hashes: tuple[str, ...], *, check: object) -> Any:
        """As `Embedder`."""
        return SimpleNamespace(hashes=hashes, embeddings=np.ones((len(hashes), 4), np.float16))


@pytest.fixture
def other_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """One other line with three pictures, and one without a version."""
    monkeypatch.setattr(
        outliers, "outlier_sets", lambda engine, lines, **how: [("cats", ("a", "b", "c"))] if lines else []
    )


@pytest.mark.usefixtures("other_lines")
def test_other_lines_stand_beside_corrupted_pictures() -> None:
    """What a bundle kept of another line is left behind: the pictures may be gone by now."""
    kept = Outliers(embeddings=np.zeros((3, 4), np.float16), kinds=np.array(["blur", "dark", "line dogs"]))
    found = with_other_lines(kept, Network(), ("cats", "empty"))  # type: ignore[arg-type]
    assert found is not None
    assert found.kinds.tolist() == ["blur", "dark", "line cats", "line cats", "line cats"]
    assert found.embeddings.shape == (5, 4)


@pytest.mark.usefixtures("other_lines")
def test_without_either_there_is_nothing_to_try() -> None:
    """A bundle made before it kept any, and a recipe that names no line."""
    assert with_other_lines(None, Network(), ()) is None  # type: ignore[arg-type]
