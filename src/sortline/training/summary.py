"""A network layer by layer: what goes out of each, its parameters, and its multiply-accumulates."""

from typing import Any

import torch
from torch import Tensor, nn

from sortline.training.recipe import FinetuneRecipe


def model_summary(network: nn.Module, recipe: FinetuneRecipe) -> str:
    """The network, on the CPU in evaluation mode, as a table: one line a layer, for one picture at the serving size.

    Multiply-accumulates are those of convolutions and linear layers.
    """
    rows: list[tuple[str, str, str, int, int]] = []
    names = {id(layer): name for name, layer in network.named_modules()}

    def note(layer: nn.Module, _: Any, output: Any) -> None:
        shape = " x ".join(str(side) for side in output.shape[1:]) if isinstance(output, Tensor) else ""
        held = sum(p.numel() for p in layer.parameters())
        rows.append((names[id(layer)], type(layer).__name__, shape, held, _multiplied(layer, output)))

    leaves = [layer for layer in network.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(note) for layer in leaves]
    with torch.inference_mode():
        network(torch.zeros(1, 3, recipe.serving_size, recipe.serving_size))
    for hook in hooks:
        hook.remove()
    return _table(recipe, rows, sum(p.numel() for p in network.parameters()))


def _multiplied(layer: nn.Module, output: Any) -> int:
    """Each value that a convolution or linear layer gives takes one multiplication a weight that leads to it."""
    if not isinstance(layer, nn.Conv2d | nn.Linear) or not isinstance(output, Tensor):
        return 0
    return int(output.numel() * layer.weight[0].numel())


def _table(recipe: FinetuneRecipe, rows: list[tuple[str, str, str, int, int]], parameters: int) -> str:
    lines = [
        f"{recipe.backbone}, {recipe.serving_size} x {recipe.serving_size} px",
        f"{parameters:,} parameters, {sum(row[4] for row in rows) / 1e6:,.1f} million multiply-accumulates a picture",
        "",
        f"{'layer':<48} {'kind':<22} {'output':<18} {'parameters':>12} {'MACs':>14}",
    ]
    lines += [
        f"{name:<48} {kind:<22} {shape:<18} {held:>12,} {macs:>14,}" for name, kind, shape, held, macs in rows
    ]
    return "\n".join(lines) + "\n"
