"""What serves now: for each line its classifier and policy, swapped whole between two requests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sortline.engine.classifier import Classifier
from sortline.engine.conformal import ConformalSets
from sortline.engine.ood import Detector
from sortline.engine.routing import Policy
from sortline.errors import SortlineError


class NoModel(SortlineError):
    """A line that has no live bundle yet."""

    def __init__(self, line: str) -> None:
        self.line = line
        super().__init__(
            f"Line {line!r} has no model yet. Give it one: sortline models promote BUNDLE --line {line}"
        )


class NotServed(SortlineError):
    """No line of this name is served here."""

    def __init__(self, line: str, known: Iterable[str]) -> None:
        self.line, self.known = line, tuple(known)
        super().__init__(f"There is no line {line!r}. Lines here: {', '.join(self.known) or 'none'}.")


@dataclass(frozen=True)
class LiveLine:
    """A line as it serves: `classifier` is None until a bundle is promoted, and `problem` says why one failed to load.

    With `auto_promote` a candidate that passes its gates goes live by itself. The share `keep_accepted` of accepted
    pictures is kept, for `keep_days` (None: for good); at `auto_version_labels` staged labels a version is made, and
    with `auto_probe` a probe trained. `classes` are those the line knows and has not retired; a bundle's own order
    stands in the classifier. `shadow` sees the same pictures without answering; `shadow_problem` says why there is none
    though there should be.
    """

    id: int
    name: str
    title: str
    is_default: bool
    auto_promote: bool
    classes: tuple[str, ...]
    policy: Policy
    keep_accepted: float = 0.0
    keep_days: int | None = None
    auto_version_labels: int | None = None
    auto_probe: bool = False
    classifier: Classifier | None = None
    batch: int = 1
    problem: str | None = None
    shadow: Classifier | None = None
    shadow_problem: str | None = None

    @cached_property
    def detector(self) -> Detector:
        """What judges which items are unknown."""
        return self.model.detector(self.policy)

    @cached_property
    def sets(self) -> ConformalSets | None:
        """What makes prediction sets, where the policy states a coverage."""
        return self.model.sets(self.policy)

    @property
    def model(self) -> Classifier:
        """The classifier.

        Raises:
            NoModel: no bundle was promoted yet.
        """
        if self.classifier is None:
            raise NoModel(self.name)
        return self.classifier


@dataclass(slots=True)
class LiveLines:
    """The lines served, by name. Readers take the table as it stands; `replace` puts a new one in its place."""

    _lines: Mapping[str, LiveLine] = field(default_factory=dict)

    def __getitem__(self, name: str | None) -> LiveLine:
        """The line of that name; None asks for the default.

        Raises:
            NotServed: there is none.
        """
        lines = self._lines
        if name is None:
            name = next((line.name for line in lines.values() if line.is_default), "default")
        try:
            return lines[name]
        except KeyError:
            raise NotServed(name, lines) from None

    def all(self) -> list[LiveLine]:
        """Every line, by name."""
        return sorted(self._lines.values(), key=lambda line: line.name)

    def replace(self, lines: Iterable[LiveLine]) -> None:
        """From now on these lines serve; requests under way finish with the one they began with."""
        self._lines = {line.name: line for line in lines}
