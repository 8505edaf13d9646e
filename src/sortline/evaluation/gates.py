"""Whether a candidate should go live: what it must reach, and the verdict with its reasons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from sortline.evaluation import checks
from sortline.evaluation.checks import Check, Parity, Rule
from sortline.evaluation.compare import ENOUGH, Comparison, View
from sortline.evaluation.plain import plain

Share = Annotated[float, Field(ge=0, le=1)]


class Gates(BaseModel):
    """What a candidate must reach. Shares are in 0..1; photos are test photos that neither bundle was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rule: Rule = Field(
        default="at-least-as-good",
        description="On the classes both know. at-least-as-good: right on as many photos as the live bundle; "
        "non-inferior: the interval of the difference lies above minus the margin; better: it lies above zero. "
        "Under the first, a candidate that knows further classes may also be non-inferior: they are worth the margin.",
    )
    margin: Share = Field(
        default=0.01, description="Loss of accuracy that a non-inferior candidate may have."
    )
    min_images: int = Field(default=20, ge=1, description="Photos below which nothing is decided.")
    max_class_fall: Share = Field(
        default=0.05,
        description="A class may be found this much less often, or more where that may be chance.",
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="One-sided p-value below which a fall is no chance."
    )
    class_floors: dict[str, Share] = Field(
        default_factory=dict, description="Class → recall below which it never goes live."
    )
    min_new_recall: Share = Field(
        default=0.5, description=f"Recall that a new class must have; {ENOUGH} photos are needed to tell."
    )
    min_accuracy: Share = Field(default=0.6, description="Accuracy of a first bundle, where nothing is live.")
    min_recall: Share = Field(
        default=0.3, description="Recall of each class of a first bundle; less only where that may be chance."
    )
    max_calibration_error: Share = Field(
        default=0.05,
        description="Calibration error; more only where the live bundle has it or chance explains it.",
    )
    max_latency_ms: float | None = Field(default=None, gt=0, description="Median time for one picture.")
    max_latency_ratio: float = Field(
        default=2.0, gt=0, description="Median time for one picture, as a multiple of the live bundle's."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Promote, or keep what is live, and every check behind that."""

    promote: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What failed; where nothing did, what speaks for the candidate."""
        if not self.promote:
            return tuple(check.detail for check in self.checks if not check.passed)
        return tuple(c.detail for c in self.checks if c.name in (checks.ACCURACY, checks.NEW_CLASSES))

    @property
    def text(self) -> str:
        """One line for a person: "keep: Glass falls from 93 % to 81 % of 42 photos"."""
        return f"{'promote' if self.promote else 'keep'}: {'; '.join(self.reasons)}"

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        return {
            "promote": self.promote,
            "text": self.text,
            "reasons": list(self.reasons),
            "checks": plain(self.checks),
        }


def judge(
    comparison: Comparison,
    gates: Gates,
    *,
    parity: Sequence[Parity] | None,
    leaks: int | None,
    golden: bool | None,
    retired: Collection[str] = (),
) -> Verdict:
    """The verdict on a candidate: promote if every check passes.

    Args:
        comparison: the candidate beside the live bundle, or alone.
        gates: what it must reach.
        parity: how closely the runtimes agree; None where there are no two to compare.
        leaks: test photos of which a near-duplicate stands in another part; None where nobody can know.
        golden: whether the candidate's runtime answers its golden images as it should; None where it has none.
        retired: classes that were given up on purpose, which the candidate need not know any more.
    """
    found = [checks.evidence(comparison, gates.min_images)]
    if comparison.live_classes is None:
        found += _alone(comparison.judged, gates)
    else:
        found += _beside(comparison, gates)
        found.append(checks.classes_kept(comparison.gone_classes, retired))
    found += _serving(comparison, gates)
    found += [checks.agree(one) for one in parity or ()]
    if leaks is not None:
        found.append(checks.no_leak(leaks))
    if golden is not None:
        found.append(checks.golden_images(golden))
    return Verdict(promote=all(check.passed for check in found), checks=tuple(found))


def _alone(view: View, gates: Gates) -> list[Check]:
    """What a bundle must reach where nothing is live."""
    accuracy = view.candidate.accuracy
    if accuracy is None:
        return []
    return [
        checks.worth_having(accuracy, view.changes, gates.min_accuracy),
        checks.every_class_found(view.changes, gates.min_recall, gates.class_floors),
    ]


def _beside(comparison: Comparison, gates: Gates) -> list[Check]:
    """What a candidate must reach beside the live bundle."""
    judged, found = comparison.judged, []
    if judged.difference is not None:
        found.append(checks.as_accurate(judged.difference, comparison, gates.rule, gates.margin))
        # A class's recall is the same in both views, and only the larger one has new classes, which may have floors.
        found.append(
            checks.no_class_falls(
                comparison.everything.changes,
                most=gates.max_class_fall,
                alpha=gates.alpha,
                floors=gates.class_floors,
            )
        )
    if comparison.new_classes:
        found.append(checks.new_classes_found(comparison.everything.changes, gates.min_new_recall))
    return found


def _serving(comparison: Comparison, gates: Gates) -> list[Check]:
    """Confidence and speed."""
    judged, found = comparison.judged, []
    if judged.candidate.calibration is not None:
        live = judged.live.calibration if judged.live else None
        found.append(checks.calibrated(judged.candidate.calibration, live, gates.max_calibration_error))
    fast = checks.fast_enough(
        comparison.candidate_measured,
        comparison.live_measured,
        most_ms=gates.max_latency_ms,
        ratio=gates.max_latency_ratio,
    )
    return [*found, fast] if fast else found
