"""The weights that training starts from: from the hub, from a file, from the live bundle, or none."""

from pathlib import Path
from typing import Any

import httpx
import timm
from timm.models import load_state_dict
from torch import nn

from sortline.errors import SortlineError
from sortline.training.backbones import UnfitBackbone, build_network, create, head_names
from sortline.training.dataset import Photos
from sortline.training.recipe import FinetuneRecipe, InvalidRecipe
from sortline.training.unfold import load_onnx


class HubUnreachable(SortlineError):
    """timm's weights could not be fetched, with the reason."""

    def __init__(self, backbone: str, reason: str) -> None:
        self.backbone, self.reason = backbone, reason
        super().__init__(
            f"the weights of {backbone} could not be fetched from the Hugging Face hub ({reason}); let this machine "
            'reach it once, or give the recipe weights = "live", "none", or the path of a file with that network\'s '
            "weights"
        )


class UnfitWeights(SortlineError):
    """A file that does not hold the weights of the recipe's network, with the reason."""

    def __init__(self, file: Path, backbone: str, reason: str) -> None:
        self.file, self.backbone, self.reason = file, backbone, reason
        super().__init__(
            f"{file} does not fit {backbone}: {reason}; give a file with that network's weights in timm's names"
        )


def start_network(
    recipe: FinetuneRecipe, classes: int, file: Path | None, photos: Photos | None = None
) -> nn.Module:
    """The recipe's network with the weights it asks for and a fresh head for so many classes.

    `file` holds the weights where the recipe's are the live bundle's: its model.onnx.
    An ONNX file has no batch statistics any more: they are measured anew on some of `photos`.

    Raises:
        UnknownBackbone, UnfitBackbone: see `build_network`.
        HubUnreachable: timm's weights could not be fetched.
        UnfitWeights: the file holds other weights, or cannot be read.
        InvalidRecipe: the live bundle's weights are asked for, and no file is given.
    """
    if recipe.weights == "none":
        return build_network(recipe, classes)
    if recipe.weights == "hub":
        return _from_hub(recipe, classes)
    file = _named(recipe, file)
    if file.suffix == ".onnx":
        return _from_onnx(recipe, classes, file, photos)
    return _from_file(recipe, classes, file)


def check_start(recipe: FinetuneRecipe, classes: int, file: Path | None) -> None:
    """Nothing, where `start_network` would begin, as far as that can be told without photos and without a download.

    Raises:
        UnknownBackbone, UnfitBackbone, UnfitWeights, InvalidRecipe: as `start_network`.
    """
    if recipe.weights == "hub":
        _check_hub(recipe, classes)
    elif recipe.weights != "none" and (named := _named(recipe, file)).suffix == ".onnx":
        build_network(recipe, classes)
        if not named.is_file():
            raise UnfitWeights(named, recipe.backbone, "there is no such file")
    else:
        start_network(recipe, classes, file)


def _named(recipe: FinetuneRecipe, live: Path | None) -> Path:
    if recipe.weights != "live":
        return Path(recipe.weights)
    if live is None:
        raise InvalidRecipe("weights", "are the live bundle's, and there is none; name others")
    return live


def _check_hub(recipe: FinetuneRecipe, classes: int) -> None:
    build_network(recipe, classes)  # What is wrong with the recipe is not the hub's fault.
    if not timm.models.is_model_pretrained(recipe.backbone):
        raise UnfitBackbone(recipe.backbone, 'timm has no weights for it; give weights = "none" or a file')


def _from_hub(recipe: FinetuneRecipe, classes: int) -> nn.Module:
    _check_hub(recipe, classes)
    try:
        return create(recipe, classes, pretrained=True)
    except (OSError, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise HubUnreachable(recipe.backbone, reason[0]) from error


def _from_file(recipe: FinetuneRecipe, classes: int, file: Path) -> nn.Module:
    network = build_network(recipe, classes)
    head = head_names(network)
    expected = {name: value for name, value in network.state_dict().items() if name not in head}
    # A head in the file is of other classes.
    found = {name: value for name, value in _read(recipe, file).items() if name not in head}
    wrong = _difference(
        {n: tuple(v.shape) for n, v in expected.items()}, {n: tuple(v.shape) for n, v in found.items()}
    )
    if wrong:
        raise UnfitWeights(file, recipe.backbone, wrong)
    network.load_state_dict(found, strict=False)
    return network


def _read(recipe: FinetuneRecipe, file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UnfitWeights(file, recipe.backbone, "there is no such file")
    try:
        # Only weights: a .pth may hold code otherwise.
        state: dict[str, Any] = load_state_dict(str(file), weights_only=True)
    except Exception as error:  # torch and safetensors raise what they like for bad bytes
        raise UnfitWeights(
            file, recipe.backbone, f"it cannot be read ({type(error).__name__}: {error})"
        ) from error
    return state


def _difference(expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]) -> str:
    """The first thing that differs, in words, or nothing."""
    # Older files do not count the batches.
    missing = [name for name in expected if name not in found and not name.endswith("num_batches_tracked")]
    if missing:
        return f"it lacks {missing[0]}"
    if unknown := [name for name in found if name not in expected]:
        return f"the network has no {unknown[0]}"
    differing = [name for name in found if found[name] != expected[name]]
    if differing:
        name = differing[0]
        return f"{name} has the shape {found[name]}, not {expected[name]}"
    return ""


def _from_onnx(recipe: FinetuneRecipe, classes: int, file: Path, photos: Photos | None) -> nn.Module:
    # Its head may have any number of classes; the body is the same.
    network = build_network(recipe, classes)
    try:
        load_onnx(network, file.read_bytes(), recipe, photos)
    except (OSError, ValueError) as error:
        raise UnfitWeights(file, recipe.backbone, str(error)) from error
    return network
