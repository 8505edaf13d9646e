"""The model card says what its figures say."""

import numpy as np

from sortline.evaluation.card import Card, OodFigures, Provenance, TestFigures, TransferFigures, render
from sortline.evaluation.metrics import confusion_matrix, macro_f1, per_class, wilson

CONFUSION = confusion_matrix(np.array([0] * 10 + [1] * 10), np.array([0] * 9 + [1] * 11), 2)

CARD = Card(
    provenance=Provenance(
        name="fruit",
        summary="Tells apples from pears.",
        intended_use="Baskets.",
        not_for="vegetables.",
        data="Orchard.",
        data_licence="CC0",
        weights="None.",
        weights_licence="MIT",
        split="by tree.",
        photos={"train": 1000, "test": 20},
        command="make fruit",
        training_minutes=12.4,
        hardware="2 cores",
        epochs="3 epochs",
    ),
    test=TestFigures(
        accuracy=wilson(19, 20),
        macro_f1=macro_f1(CONFUSION),
        classes=per_class(CONFUSION, ("apple", "pear")),
        confusion=CONFUSION,
        ece_before=0.1,
        ece_after=0.02,
        temperature=1.5,
        accepted_error=0.0,
        originals=None,
    ),
    ood=OodFigures(method="energy", threshold=-3.5, chosen="By rule.", test_flagged=0.05),
    parity="all alike.",
    transfer=(
        TransferFigures(
            name="Market", mapping="apfel → apple", accuracy=wilson(5, 10), auroc=0.7, flagged=0.2
        ),
    ),
)


def test_the_card_holds_its_figures() -> None:
    """Accuracy with its interval, the tables and the transfer figures stand in the text."""
    text = render(CARD)

    assert "- Test accuracy: 95.00 % (95 % interval 76.4 % to 99.1 %, 20 photos)" in text
    assert "| apple | 1.000 | 0.900 | 0.947 | 10 |" in text
    assert "| apple | 9 | 1 |" in text
    assert "Photos: 1,000 train, 20 test." in text
    assert "12 minutes on 2 cores" in text
    assert "## On other photos: Market" in text
    assert text.endswith("\n")


def test_no_originals_no_line() -> None:
    """A bundle measured without full-size originals says nothing of them."""
    assert "originals" not in render(CARD)
