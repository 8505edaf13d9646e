"""What training starts from: a file, the hub, the live bundle or nothing, and what is said where that cannot be."""

import dataclasses
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra: pip install 'sortline[train]'")
pytest.importorskip("timm", reason="training needs the extra: pip install 'sortline[train]'")

from safetensors.torch import load_file  # noqa: E402  # only where torch is installed

from sortline.training.backbones import UnfitBackbone, UnknownBackbone, build_network, resolve  # noqa: E402
from sortline.training.recipe import FinetuneRecipe, InvalidRecipe  # noqa: E402
from sortline.training.weights import HubUnreachable, UnfitWeights, check_start, start_network  # noqa: E402
from tests.training_photos import TINY, saved_weights  # noqa: E402


def test_weights_from_files(tmp_path: Path) -> None:
    """A safetensors file and a .pth, with or without a head, fill all layers but the head."""
    stored = load_file(saved_weights(tmp_path))
    with_head = build_network(dataclasses.replace(TINY, seed=5), 9).state_dict()
    torch.save({"state_dict": with_head}, tmp_path / "whole.pth")

    plain = start_network(dataclasses.replace(TINY, weights=str(tmp_path / "backbone.safetensors")), 3, None)
    other = start_network(dataclasses.replace(TINY, weights=str(tmp_path / "whole.pth")), 3, None)

    assert all(torch.equal(plain.state_dict()[name], value) for name, value in stored.items())
    assert torch.equal(next(other.parameters()), next(iter(with_head.values())))
    assert other.get_classifier().out_features == 3  # type: ignore[operator, union-attr, unused-ignore]


@pytest.mark.parametrize(
    ("backbone", "content", "says"),
    [
        ("test_efficientnet", None, "it lacks conv_stem.weight"),
        ("test_resnet", b"no weights", "cannot be read"),
    ],
)
def test_files_that_do_not_fit_are_named(
    backbone: str, content: bytes | None, says: str, tmp_path: Path
) -> None:
    """The error says which file, and what is wrong, instead of training from noise."""
    file = saved_weights(tmp_path)
    if content is not None:
        file.write_bytes(content)
    recipe = dataclasses.replace(TINY, backbone=backbone, weights=str(file))

    # Before anything is decoded, and again where training begins.
    for begin in (check_start, start_network):
        with pytest.raises(UnfitWeights, match=rf"backbone\.safetensors does not fit {backbone}: .*{says}"):
            begin(recipe, 2, None)


def test_a_file_that_is_not_there_is_named() -> None:
    """It may lie on another machine."""
    with pytest.raises(UnfitWeights, match="there is no such file"):
        start_network(dataclasses.replace(TINY, weights="/nowhere/w.safetensors"), 2, None)


def test_what_training_can_start_from_is_told_without_photos(tmp_path: Path) -> None:
    """Nor is anything downloaded for that; an ONNX file needs photos, and is looked at once there are some."""
    onnx = tmp_path / "network.onnx"
    onnx.write_bytes(b"looked at later")
    for weights in ("none", "hub", str(saved_weights(tmp_path)), str(onnx)):
        check_start(dataclasses.replace(TINY, weights=weights), 2, None)
    onnx.unlink()
    with pytest.raises(UnfitWeights, match="there is no such file"):
        check_start(dataclasses.replace(TINY, weights=str(onnx)), 2, None)


def test_a_hub_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The recipe can name other weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(
        HubUnreachable, match='give the recipe weights = "live", "none", or the path of a file'
    ):
        start_network(dataclasses.replace(TINY, weights="hub"), 2, None)


def test_a_line_without_a_bundle_has_no_live_weights() -> None:
    """The recipe must name others."""
    with pytest.raises(InvalidRecipe, match="are the live bundle's, and there is none"):
        start_network(dataclasses.replace(TINY, weights="live"), 2, None)


def test_unknown_networks_are_named_with_near_ones() -> None:
    """A slip of the pen costs a second, not a run."""
    with pytest.raises(UnknownBackbone, match="did you mean resnet50"):
        resolve(FinetuneRecipe(backbone="resnet5O"))


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (FinetuneRecipe(backbone="resnet18", backbone_args={"nonsense": 1}), "unexpected keyword argument"),
        (FinetuneRecipe(backbone="deit_tiny_distilled_patch16_224"), "not one linear layer"),
    ],
)
def test_networks_that_cannot_be_built_say_why(recipe: FinetuneRecipe, says: str) -> None:
    """timm's own words, or ours."""
    with pytest.raises(UnfitBackbone, match=says):
        build_network(recipe, 2)


def test_the_network_fills_in_how_it_reads() -> None:
    """Size, mean and std are timm's where the recipe leaves them out, the recipe's where it names them."""
    found = resolve(FinetuneRecipe(backbone="inception_v3"))
    assert (found.serving_size, found.mean, found.std) == (299, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    own = resolve(FinetuneRecipe(backbone="inception_v3", serving_size=128, mean=(0.1, 0.2, 0.3)))
    assert (own.serving_size, own.mean) == (128, (0.1, 0.2, 0.3))


def test_a_network_of_one_size_takes_no_other() -> None:
    """A transformer's positions are of one size; the size itself is free."""
    assert build_network(FinetuneRecipe(backbone="vit_tiny_patch16_224", serving_size=64), 2) is not None
    with pytest.raises(InvalidRecipe, match="takes one size of input"):
        resolve(FinetuneRecipe(backbone="vit_tiny_patch16_224", sizes=((0.0, 160), (0.5, 224))))
