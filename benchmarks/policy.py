"""What thresholds and prediction sets come to on pictures that they were not fitted on.

    python benchmarks/policy.py [--bundle waste]

Budgets are fitted to the bundle's validation pictures, as for a line that has seen nothing yet, with 1,000 items a day;
then the bundle's test pictures, which took no part in anything, tell what they come to. Prints tables and, last, one
line of JSON; benchmarks/README.md says what its keys are.
"""

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortline.engine.budget import Budget, choose
from sortline.engine.bundle import read_bundle
from sortline.engine.calibration import softmax
from sortline.engine.classifier import Classifier
from sortline.engine.expected import Estimate, expected
from sortline.engine.held_out import TEST, held_out
from sortline.engine.packaged import packaged_bundles
from sortline.engine.traffic import View
from sortline.flows.policy_evidence import Silent, known_of

ITEMS = 1000
BUDGETS = (
    Budget(reviews_per_day=100),
    Budget(reviews_per_day=200),
    Budget(reviews_per_day=400),
    Budget(max_error=0.05),
    Budget(max_error=0.02),
    Budget(max_error=0.01),
)
COVERAGES = (0.8, 0.9, 0.95, 0.99)


def main() -> None:
    """Prints what was expected beside what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", default="waste", choices=sorted(packaged_bundles()))
    bundle = read_bundle(packaged_bundles()[parser.parse_args().bundle])
    judge = Classifier(bundle, Silent())
    tested = held_out(bundle, TEST)
    if tested is None:
        raise SystemExit("the bundle remembers no test pictures, or has no linear head")
    probabilities = softmax(tested.logits, bundle.manifest.temperature)
    wrong = probabilities.argmax(axis=1) != tested.labels
    unusual = judge.default_detector(tested.logits, tested.embeddings).unusual
    document = {
        "test": len(tested),
        "budgets": _budgets(judge, probabilities.max(axis=1), unusual, wrong),
        "coverages": _coverages(judge, probabilities, tested.labels, wrong),
    }
    print(json.dumps(document))


def _budgets(
    judge: Classifier, confidence: NDArray[Any], unusual: NDArray[Any], wrong: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    policy, detector = judge.bundle.manifest.policy, judge.default_detector
    view = View(
        known=known_of(judge, detector, policy),
        traffic=None,
        per_day=(float(ITEMS),),
        sample_share=policy.sample_share,
        steps=len(detector.reference),
    )
    print(
        f"{'budget':24}{'reviews':>26}{'test':>8}{'wrong of accepted':>26}{'test':>8}{'wrong caught':>24}{'test':>8}"
    )
    rows = []
    for budget in BUDGETS:
        thresholds = choose(budget, view).thresholds
        told = expected(thresholds, view)
        accepted = (unusual <= thresholds.cut(view.steps)) & (confidence >= thresholds.min_confidence)
        load = 1 - accepted.mean() * (1 - policy.sample_share)
        error, caught = wrong[accepted].mean(), (wrong & ~accepted).sum() / wrong.sum()
        asked = (
            f"{budget.reviews_per_day:.0f} of {ITEMS} a day"
            if budget.reviews_per_day
            else f"{budget.max_error:.0%} wrong"
        )
        print(
            f"{asked:24}{_told(told.review_share):>26}{load:8.1%}{_told(told.accepted_error):>26}{error:8.1%}"
            f"{_told(told.catch_rate):>24}{caught:8.1%}"
        )
        rows.append(
            {"budget": asked, "load": load, "error": float(error), "caught": float(caught), **told.as_json()}
        )
    return rows


def _coverages(
    judge: Classifier, probabilities: NDArray[Any], labels: NDArray[Any], wrong: NDArray[np.bool_]
) -> list[dict[str, float]]:
    print(f"\n{'coverage':>8}{'covered':>10}{'one class':>11}{'none':>8}{'wrong of one class':>20}")
    rows = []
    for coverage in COVERAGES:
        sets = judge.sets(judge.bundle.manifest.policy.model_copy(update={"coverage": coverage}))
        within = probabilities > 0 if sets is None else sets(probabilities)
        sizes = within.sum(axis=1)
        row = {
            "coverage": coverage,
            "covered": float(within[np.arange(len(labels)), labels].mean()),
            "one": float((sizes == 1).mean()),
            "none": float((sizes == 0).mean()),
            "wrong": float(wrong[sizes == 1].mean()),
        }
        rows.append(row)
        print(
            f"{coverage:8.0%}{row['covered']:10.1%}{row['one']:11.1%}{row['none']:8.1%}{row['wrong']:20.1%}"
        )
    return rows


def _told(found: Estimate | None) -> str:
    return "-" if found is None else f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


if __name__ == "__main__":
    main()
