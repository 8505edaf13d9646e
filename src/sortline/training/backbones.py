"""timm's networks by name: what a recipe leaves to them, and the network itself."""

import dataclasses
import difflib
from typing import Any

import timm
from torch import nn

from sortline.errors import SortlineError
from sortline.training.recipe import FinetuneRecipe, InvalidRecipe
from sortline.training.seeds import seed_layers

# Of networks that timm has no weights for, and so no word on how to read pictures: ImageNet's.
_IMAGENET = {
    "input_size": (3, 224, 224),
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "fixed_input_size": False,
}


class UnknownBackbone(SortlineError):
    """timm has no network of this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        super().__init__(f"timm {timm.__version__} has no network {name}{hint}")


class UnfitBackbone(SortlineError):
    """A network of timm that cannot be built, or not be trained here, with the reason."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name} cannot be trained: {reason}")


def resolve(recipe: FinetuneRecipe) -> FinetuneRecipe:
    """The recipe with size, mean and std filled in from the network where it leaves them to it.

    Raises:
        UnknownBackbone: timm has no such network.
        InvalidRecipe: the network takes one size of input only, and the recipe names several.
    """
    said = _said_of(recipe.backbone)
    size = recipe.serving_size or said["input_size"][-1]
    if said["fixed_input_size"] and any(side != size for _, side in recipe.sizes):
        raise InvalidRecipe("sizes", f"must be {size} throughout: {recipe.backbone} takes one size of input")
    return dataclasses.replace(
        recipe,
        serving_size=size,
        photo_size=recipe.photo_size or size,
        mean=recipe.mean or tuple(said["mean"]),
        std=recipe.std or tuple(said["std"]),
    )


def build_network(recipe: FinetuneRecipe, classes: int) -> nn.Module:
    """The network of the recipe with a fresh linear head for so many classes, drawn from the seed; nothing downloaded.

    Raises:
        UnknownBackbone: timm has no such network.
        UnfitBackbone: it cannot be built with the recipe's arguments, or its head is not one linear layer.
    """
    return create(recipe, classes, pretrained=False)


def create(recipe: FinetuneRecipe, classes: int, *, pretrained: bool) -> nn.Module:
    """As `build_network`; with timm's pretrained weights, which may raise whatever their download raises."""
    said = _said_of(recipe.backbone)
    arguments: dict[str, Any] = {"drop_rate": recipe.dropout, **recipe.backbone_args}
    if recipe.drop_path:
        arguments["drop_path_rate"] = recipe.drop_path
    if said["fixed_input_size"]:
        arguments["img_size"] = recipe.serving_size or said["input_size"][-1]
    seed_layers(recipe.seed, "network")
    try:
        network: nn.Module = timm.create_model(
            recipe.backbone, pretrained=pretrained, num_classes=classes, **arguments
        )
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError) as error:
        raise UnfitBackbone(recipe.backbone, f"timm says {error}") from error
    if classes and not isinstance(head_of(network), nn.Linear):
        raise UnfitBackbone(recipe.backbone, "its head is not one linear layer")
    return network


def head_of(network: Any) -> Any:
    """The layer that makes logits of an embedding."""
    return network.get_classifier()


def head_names(network: nn.Module) -> set[str]:
    """The names of the head's weights in the network's state."""
    heads = head_of(network)
    owned = {id(p) for head in (heads if isinstance(heads, tuple) else (heads,)) for p in head.parameters()}
    return {name for name, parameter in network.named_parameters() if id(parameter) in owned}


def _said_of(backbone: str) -> dict[str, Any]:
    """What timm says of the network's input."""
    if not timm.is_model(backbone):
        raise UnknownBackbone(backbone)
    config = timm.get_pretrained_cfg(backbone)
    return _IMAGENET if config is None else config.to_dict()
