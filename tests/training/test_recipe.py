"""Recipes: read from TOML or JSON, refused by name with what is allowed, written with every default."""

import dataclasses
import re
from typing import Any

import pytest

from sortline.engine.image import Preprocessing
from sortline.training.recipe import (
    FinetuneRecipe,
    InvalidRecipe,
    Method,
    ProbeRecipe,
    follow_live,
    read_recipe,
    recipe_from,
    recipe_text,
)


@pytest.mark.parametrize(
    ("method", "recipe"),
    [
        ("probe", ProbeRecipe()),
        ("probe", ProbeRecipe(class_weights="balanced", strengths=(0.5,), memory=False)),
        ("finetune", FinetuneRecipe()),
        (
            "finetune",
            FinetuneRecipe(
                backbone="resnet10t",
                backbone_args={"channels": (16, 32), "block": "basic", "aa": True},
                weights='C:\\a "b"/ünder.pth',
                sizes=((0.0, 160), (0.5, 192)),
                mean=(0.5, 0.5, 0.5),
            ),
        ),
    ],
)
def test_text_and_back(method: Method, recipe: ProbeRecipe | FinetuneRecipe) -> None:
    """A recipe written as TOML reads as the same recipe."""
    assert read_recipe(recipe_text(recipe), method) == recipe


@pytest.mark.parametrize("recipe", [ProbeRecipe(), FinetuneRecipe()])
def test_text_shows_every_key_with_a_comment(recipe: ProbeRecipe | FinetuneRecipe) -> None:
    """No default is hidden, and each stands below a line that says what it does and what is allowed."""
    lines = recipe_text(recipe).splitlines()
    for field in dataclasses.fields(recipe):
        (at,) = (i for i, line in enumerate(lines) if re.match(rf"{field.name} = |\[{field.name}\]", line))
        assert lines[at - 1].startswith("# ")


def test_what_is_left_out_takes_its_default() -> None:
    """A recipe of one line is a whole recipe."""
    assert read_recipe("epochs = 3\n[augmentation]\nmix = 0", "finetune") == dataclasses.replace(
        FinetuneRecipe(), epochs=3, augmentation=dataclasses.replace(FinetuneRecipe().augmentation, mix=0.0)
    )


@pytest.mark.parametrize(
    ("content", "key", "says"),
    [
        ({"batch_size": 0}, "batch_size", "is 0; allowed: a whole number from 2 to 4096"),
        ({"precision": "f16"}, "precision", 'is \'f16\'; allowed: "auto", "f32", "bf16"'),
        ({"learning_rate": float("nan")}, "learning_rate", "allowed: a number above 0, at most 1"),
        ({"epoch": 3}, "epoch", "is not known; allowed: backbone, "),
        ({"augmentation": {"turn": 1}}, "augmentation.turn", "is not known; allowed: crop_area, "),
        (
            {"augmentation": {"crop_area": [0.9, 0.2]}},
            "augmentation.crop_area",
            "first may not be the larger",
        ),
        ({"sizes": [[0.5, 192]]}, "sizes", "must begin with"),
        ({"mean": [0.5]}, "mean", "has 1 values; allowed: 3, or none"),
        ({"serving_size": 4}, "serving_size", "allowed: 16 to 1024, or 0"),
        ({"backbone": "hf-hub:some/one"}, "backbone", "allowed: a text"),
        ({"backbone_args": {"checkpoint_path": "/x"}}, "backbone_args.checkpoint_path", "not yours to set"),
        ({"backbone_args": {"a": {"b": 1}}}, "backbone_args.a", "allowed: a table"),
    ],
)
def test_what_is_not_allowed_is_named(content: dict[str, Any], key: str, says: str) -> None:
    """The error names the key and what it may be."""
    with pytest.raises(InvalidRecipe, match=re.escape(says)) as caught:
        recipe_from("finetune", content)
    assert caught.value.key == key
    assert key in str(caught.value)


def test_text_that_is_no_toml_is_refused() -> None:
    """The error says where."""
    with pytest.raises(InvalidRecipe, match="line 1"):
        read_recipe("epochs: 3", "finetune")


def test_a_recipe_follows_the_live_bundle() -> None:
    """Network, arguments and reading are the bundle's; a size that the recipe names stays."""
    live = Preprocessing(size=160, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    found = follow_live(FinetuneRecipe(epochs=2), {"backbone": "resnet18"}, live)
    assert (found.backbone, found.epochs, found.preprocessing()) == ("resnet18", 2, live)
    assert follow_live(FinetuneRecipe(serving_size=96), {"backbone": "x"}, live).serving_size == 96


@pytest.mark.parametrize(
    ("backbone", "live", "key"),
    [("resnet18", {"backbone": "resnet50"}, "backbone"), ("resnet18", {}, "weights")],
)
def test_a_recipe_for_another_network_than_the_live_one_is_refused(
    backbone: str, live: dict[str, Any], key: str
) -> None:
    """Weights of one network do not fit another, and an imported bundle has none of timm's."""
    with pytest.raises(InvalidRecipe) as caught:
        follow_live(FinetuneRecipe(backbone=backbone), live, Preprocessing())
    assert caught.value.key == key


def test_a_recipe_that_leaves_the_reading_to_the_network_says_so() -> None:
    """Pictures are not read by a guess."""
    with pytest.raises(InvalidRecipe, match="serving_size is the network's own"):
        FinetuneRecipe().preprocessing()
