"""`serving/shadow.py`: another bundle's opinion is counted, and nobody ever waits for it."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sortline.engine.choice import reference
from sortline.engine.classifier import Classifier
from sortline.engine.heads import Headed
from sortline.engine.routing import Policy
from sortline.serving import shadow as module
from sortline.serving.live import LiveLine
from sortline.serving.shadow import MAX_WAITING, Opinion, Shadow
from tests.bundles import head_variant, other_backbone, starter
from tests.pictures import photo
from tests.waiting import soon


@pytest.fixture(scope="module")
def live() -> Classifier:
    """The packaged bundle."""
    return Classifier(starter(), reference(starter()))


@pytest.fixture(scope="module")
def swapped(live: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A head on the same backbone that takes its first two classes for each other."""
    bundle = head_variant(tmp_path_factory.mktemp("head") / "bundle", swap=True)
    head = bundle.head()
    assert head is not None
    return Classifier(bundle, Headed(live.runtime, head))


def line(live: Classifier, shadow: Classifier | None) -> LiveLine:
    """The line waste with a shadow."""
    return LiveLine(
        id=7,
        name="waste",
        title="Waste",
        is_default=True,
        auto_promote=False,
        classes=live.classes,
        policy=Policy(),
        classifier=live,
        shadow=shadow,
    )


class Kept:
    """What was written."""

    def __init__(self) -> None:
        self.counts: Counter[Opinion] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.fails = 0

    def keep(self, counts: Mapping[Opinion, int]) -> None:
        """As the database does."""
        if self.fails:
            self.fails -= 1
            raise OSError("the database is away")
        self.counts.update(counts)

    def observe(self, name: str, outcome: str) -> None:
        """As the metrics do."""
        self.outcomes[name, outcome] += 1


def running(kept: Kept, free: Callable[[], bool] = lambda: True) -> Shadow:
    """A shadow at work."""
    shadow = Shadow(kept.keep, free=free, observe=kept.observe)
    shadow.start()
    return shadow


def settle(kept: Kept, count: int) -> None:
    """So many pictures were dealt with."""
    soon(lambda: kept.outcomes.total() >= count)


def test_disagreement_is_counted_by_class(live: Classifier, swapped: Classifier) -> None:
    """A head on the same backbone is asked about the embedding that is there: no picture is looked at again."""
    kept = Kept()
    shadow, served = running(kept, free=lambda: False), line(live, swapped)
    said = [live.classify(photo(seed=seed)) for seed in range(6)]
    for prediction in said:
        shadow.offer(served, b"not even a picture", prediction)
    settle(kept, len(said))
    shadow.close()
    hashes = (7, swapped.bundle.hash, live.bundle.hash)
    expected = Counter(Opinion(*hashes, one.class_name, _said(swapped, one)) for one in said)
    assert kept.counts == expected


def _said(shadow: Classifier, prediction: Any) -> str:
    head = shadow.head
    assert head is not None
    logits = prediction.embedding.astype(np.float32) @ head.weight.T + head.bias
    return shadow.classes[int(logits.argmax())]


def test_another_backbone_looks_at_the_picture_itself(live: Classifier, tmp_path: Path) -> None:
    """Its answers are those that it would have given."""
    bundle = other_backbone(tmp_path / "bundle")
    other, kept = Classifier(bundle, reference(bundle)), Kept()
    shadow = running(kept)
    shadow.offer(line(live, other), photo(seed=3), live.classify(photo(seed=3)))
    settle(kept, 1)
    shadow.close()
    ((opinion, n),) = kept.counts.items()
    assert (opinion.shadow_class, n) == (other.classify(photo(seed=3)).class_name, 1)


def test_a_busy_server_drops_and_counts(live: Classifier, tmp_path: Path) -> None:
    """The queue is short; neither offering nor closing waits for it, which would be for ever."""
    bundle = other_backbone(tmp_path / "bundle")
    other, kept = Classifier(bundle, reference(bundle)), Kept()
    shadow, prediction = running(kept, free=lambda: False), live.classify(photo())
    for _ in range(3 * MAX_WAITING):
        shadow.offer(line(live, other), photo(), prediction)
    shadow.close()
    dropped = kept.counts[Opinion(7, bundle.hash, live.bundle.hash, "", "")]
    assert dropped >= 3 * MAX_WAITING - 1
    assert kept.outcomes["waste", "dropped"] == dropped


def test_a_failing_shadow_or_database_stops_nothing(
    live: Classifier, swapped: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that it fails on counts as dropped; what could not be written is written later."""
    monkeypatch.setattr(module, "FLUSH_EVERY_S", 0.05)
    kept = Kept()
    kept.fails = 2
    broken = Classifier(swapped.bundle, swapped.runtime)
    broken.head = None  # type: ignore[misc]  # so that it looks itself, at what is no picture
    shadow, prediction = running(kept), live.classify(photo())
    shadow.offer(line(live, broken), b"no picture", prediction)
    shadow.offer(line(live, swapped), b"", prediction)
    shadow.offer(line(live, None), b"", prediction)
    settle(kept, 2)
    soon(lambda: kept.counts.total() == 2)
    shadow.close()
    assert kept.counts.total() == 2
    assert kept.counts[Opinion(7, swapped.bundle.hash, live.bundle.hash, "", "")] == 1
