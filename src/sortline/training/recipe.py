"""What a training run does: small typed values, read from TOML or JSON and written with every default in sight.

Nothing here needs PyTorch, so a server can refuse a recipe before a worker takes it.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from sortline.engine.image import Preprocessing
from sortline.errors import SortlineError
from sortline.training.recipe_text import allowed, known_keys, toml

Method = Literal["probe", "finetune"]
METHODS: tuple[Method, ...] = get_args(Method)

# Finite numbers only, and no key that is not known.
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)

Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=16, le=1024)]
Channels = Annotated[tuple[float, ...], Field(max_length=3)]
Seed = Annotated[int, Field(ge=0, le=2**53, description="Two runs of one seed draw alike.")]
ClassWeights = Annotated[
    Literal["none", "balanced"],
    Field(description="balanced: a photo of a rare class weighs more, so that each class weighs the same."),
]
Outliers = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")], ...],
    Field(
        max_length=8,
        description="Lines whose pictures are of other things: the choice of a detector looks at some, and the report "
        "says how well others are told apart.",
    ),
]
# Values of a keyword argument of timm.create_model.
Argument = bool | int | float | str | tuple[bool | int | float | str, ...]


class InvalidRecipe(SortlineError):
    """A recipe that cannot be followed: which `key`, what is wrong with it, and what is allowed."""

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(f"The recipe's {key} {reason}")


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class ProbeRecipe:
    """A new linear head on the live bundle's frozen embeddings: seconds."""

    seed: Seed = 20261121
    class_weights: ClassWeights = "none"
    strengths: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1e6)], ...],
        Field(
            min_length=1,
            max_length=32,
            description="Regularisation strengths tried; validation chooses. Larger ties the head down more.",
        ),
    ] = (0.03, 0.003, 0.0003, 0.00003, 0.000003)
    memory: Annotated[
        bool, Field(description="Train on the embeddings that the live bundle remembers, too.")
    ] = True
    outliers: Outliers = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Augmentation:
    """How a training photo is varied; ranges are drawn per photo."""

    crop_area: Annotated[
        tuple[Share, Share], Field(description="Share of the photo's area that a crop keeps.")
    ] = (0.4, 1.0)
    crop_aspect: Annotated[
        float, Field(ge=1, le=4, description="Widest aspect of the crop, and its inverse.")
    ] = 4 / 3
    flip: Annotated[bool, Field(description="Mirror half of the photos.")] = True
    quarter_turns: Annotated[
        bool, Field(description="Turn photos by quarters: where they are taken from above, no side is up.")
    ] = False
    tilt_degrees: Annotated[float, Field(ge=0, le=45, description="Largest tilt, to either side.")] = 15.0
    brightness: Annotated[Share, Field(description="Largest change of brightness, up or down.")] = 0.3
    contrast: Annotated[Share, Field(description="Largest change of contrast.")] = 0.3
    saturation: Annotated[Share, Field(description="Largest change of saturation.")] = 0.3
    white_balance: Annotated[
        Share, Field(description="Largest change of a channel's gain: lamps and cameras differ.")
    ] = 0.06
    sharpness: Annotated[
        tuple[Annotated[float, Field(ge=0, le=4)], Annotated[float, Field(ge=0, le=4)]],
        Field(description="0 blurs with a 3x3 box, 1 changes nothing, above sharpens."),
    ] = (0.4, 1.8)
    low_resolution: Annotated[
        Share, Field(description="Share of the batches that are scaled down and up again.")
    ] = 0.15
    erase: Annotated[
        Share, Field(description="Share of the photos in which one rectangle is replaced by noise.")
    ] = 0.1
    mix: Annotated[
        Share, Field(description="Share of the batches that are mixed, half by mixup, half by cutmix.")
    ] = 0.4
    mixup_alpha: Annotated[float, Field(gt=0, le=10, description="Mixup draws shares from Beta(a, a).")] = 0.3
    cutmix_alpha: Annotated[float, Field(gt=0, le=10, description="So does cutmix.")] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class FinetuneRecipe:
    """The head on frozen features first, then every layer at a lower rate."""

    # No colon or slash: those would make timm fetch from where the name says.
    backbone: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.-]{1,80}$",
            description="A network of timm, by its name there: letters, digits and . _ -",
        ),
    ] = "mobilenetv2_100"
    backbone_args: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], Argument],
        Field(
            max_length=16, description="Keyword arguments of that network, such as block_args of a ResNet."
        ),
    ] = Field(default_factory=dict)
    weights: Annotated[
        str,
        Field(
            min_length=1,
            max_length=1000,
            description="live: the live bundle's network and weights; hub: timm's pretrained ones, downloaded; "
            "none: from scratch; or the path of a .safetensors, .pth or .onnx file.",
        ),
    ] = "live"
    seed: Seed = 20261121
    serving_size: Annotated[
        int,
        Field(ge=0, le=1024, description="Side in px at which pictures are served; 0: the network's own."),
    ] = 0
    resize: Annotated[Literal["squash", "crop"], Field(description="How a picture becomes a square.")] = (
        "squash"
    )
    mean: Annotated[
        Channels, Field(description="Of RGB / 255, taken off each channel; []: the network's own.")
    ] = ()
    std: Annotated[
        tuple[Annotated[float, Field(gt=0)], ...],
        Field(max_length=3, description="What each channel is then divided by; []: the network's own."),
    ] = ()
    photo_size: Annotated[
        int, Field(ge=0, le=2048, description="Side in px at which training photos are kept; 0: as served.")
    ] = 0
    sizes: Annotated[
        tuple[tuple[Share, Side], ...],
        Field(
            max_length=16,
            description="[share of the epochs from which it holds, side in px] of the training input; []: as "
            "served. Crops magnify, so training smaller than serving shows objects at the size serving sees.",
        ),
    ] = ()
    batch_size: Annotated[
        int, Field(ge=2, le=4096, description="Photos a step, on all devices together.")
    ] = 32
    head_steps: Annotated[
        int, Field(ge=0, le=100_000, description="Phase 1: full batches on cached features; 0 leaves it out.")
    ] = 600
    head_learning_rate: Annotated[float, Field(gt=0, le=1, description="Of phase 1; AdamW.")] = 3e-3
    epochs: Annotated[int, Field(ge=1, le=10_000, description="Phase 2: every photo once an epoch.")] = 20
    warmup: Annotated[
        Annotated[float, Field(ge=0, lt=1)], Field(description="Share of phase 2 in which the rate rises.")
    ] = 0.05
    learning_rate: Annotated[
        float, Field(gt=0, le=1, description="Peak rate of the head in phase 2; AdamW, cosine to zero.")
    ] = 2e-4
    layer_decay: Annotated[
        float, Field(gt=0, le=1, description="Each layer further from the head learns this much slower.")
    ] = 0.95
    weight_decay: Annotated[float, Field(ge=0, le=10, description="Of weights, not of norms and biases.")] = (
        0.05
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="Share of a label given to all.")] = 0.1
    class_weights: ClassWeights = "none"
    dropout: Annotated[float, Field(ge=0, lt=1, description="Before the head.")] = 0.2
    drop_path: Annotated[
        float, Field(ge=0, lt=1, description="Stochastic depth, where the network knows it.")
    ] = 0.0
    clip_norm: Annotated[float, Field(gt=0, le=1e6, description="Largest norm of a step's gradient.")] = 5.0
    ema_decay: Annotated[
        float,
        Field(ge=0, lt=1, description="Of the averaged weights, which are the ones evaluated and kept."),
    ] = 0.996
    patience: Annotated[
        int, Field(ge=0, le=10_000, description="Stop after so many epochs without a better one; 0: never.")
    ] = 10
    minutes: Annotated[
        float,
        Field(
            ge=0,
            le=100_000,
            description="The schedule runs on max(steps done, minutes passed), so that a run on a busy machine "
            "still ends, annealed; 0: on steps alone, as an exact repeat needs.",
        ),
    ] = 0.0
    precision: Annotated[
        Literal["auto", "f32", "bf16"],
        Field(description="Of the arithmetic; auto: bf16 where the device computes in it, f32 elsewhere."),
    ] = "auto"
    threads: Annotated[int, Field(ge=0, le=1024, description="On a CPU; 0: all cores.")] = 0
    devices: Annotated[
        int,
        Field(ge=0, le=64, description="Processes of one device each; 0: every GPU there is, or one CPU."),
    ] = 0
    augmentation: Annotated[Augmentation, Field(description="How a training photo is varied.")] = (
        Augmentation()
    )

    @property
    def weights_file(self) -> bool:
        """Whether the weights are a file's, by its path."""
        return self.weights not in ("live", "hub", "none")

    def preprocessing(self) -> Preprocessing:
        """How serving must read pictures for the network.

        Raises:
            InvalidRecipe: size, mean or std are still to be taken from the network; see `backbones.resolve`.
        """
        for key in ("serving_size", "mean", "std"):
            if not getattr(self, key):
                raise InvalidRecipe(key, "is the network's own, and the network has not been asked")
        mean, std = _three(self.mean), _three(self.std)
        return Preprocessing(size=self.serving_size, resize=self.resize, mean=mean, std=std)


_RECIPES: Mapping[Method, type[ProbeRecipe] | type[FinetuneRecipe]] = {
    "probe": ProbeRecipe,
    "finetune": FinetuneRecipe,
}


def read_recipe(text: str, method: Method) -> ProbeRecipe | FinetuneRecipe:
    """The recipe in a TOML file; what it leaves out takes its default.

    Raises:
        InvalidRecipe: it is no TOML, or holds a key or value that is not allowed; the message says which are.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRecipe("text", f"is no TOML: {error}") from error
    return recipe_from(method, content)


def recipe_from(method: Method, content: Mapping[str, Any]) -> ProbeRecipe | FinetuneRecipe:
    """The recipe of the keys given, by name; the others take their default.

    Raises:
        InvalidRecipe: a key is unknown, or its value not allowed; the message says which are.
    """
    if method not in _RECIPES:
        raise InvalidRecipe("method", f"is {method!r}; allowed: {', '.join(METHODS)}")
    kind = _RECIPES[method]
    try:
        recipe: ProbeRecipe | FinetuneRecipe = TypeAdapter(kind).validate_python(dict(content))
    except ValidationError as error:
        raise _named(kind, error) from error
    _check(recipe)
    return recipe


def recipe_text(recipe: ProbeRecipe | FinetuneRecipe) -> str:
    """The recipe as TOML that `read_recipe` reads, each key with what it does and what is allowed."""
    return toml(recipe)


def follow_live(
    recipe: FinetuneRecipe, live: Mapping[str, Any], preprocessing: Preprocessing
) -> FinetuneRecipe:
    """The recipe for training on from the live bundle: the network and the normalisation are that bundle's.

    `live` is the recipe in its manifest. Sizes stay the recipe's where it names any.

    Raises:
        InvalidRecipe: the bundle does not say which of timm's networks it holds, or the recipe names another.
    """
    backbone = live.get("backbone")
    if not isinstance(backbone, str):
        raise InvalidRecipe(
            "weights", "are the live bundle's, which was not fine-tuned here; name other weights"
        )
    if recipe.backbone not in (FinetuneRecipe().backbone, backbone):
        raise InvalidRecipe(
            "backbone",
            f"is {recipe.backbone}, and the live bundle's weights are of {backbone}; for another network "
            'name other weights: "hub", "none" or a file',
        )
    return dataclasses.replace(
        recipe,
        backbone=backbone,
        backbone_args=dict(live.get("backbone_args") or {}),
        serving_size=recipe.serving_size or preprocessing.size,
        resize=preprocessing.resize,
        mean=recipe.mean or preprocessing.mean,
        std=recipe.std or preprocessing.std,
    )


def _check(recipe: ProbeRecipe | FinetuneRecipe) -> None:
    """What no single key can say."""
    if isinstance(recipe, ProbeRecipe):
        return
    for key in ("mean", "std"):
        if len(getattr(recipe, key)) not in (0, 3):
            raise InvalidRecipe(key, f"has {len(getattr(recipe, key))} values; allowed: 3, or none")
    if 0 < recipe.serving_size < 16:
        raise InvalidRecipe("serving_size", f"is {recipe.serving_size}; allowed: 16 to 1024, or 0")
    if recipe.sizes and (recipe.sizes[0][0] != 0 or list(recipe.sizes) != sorted(recipe.sizes)):
        raise InvalidRecipe("sizes", "must begin with [0.0, …] and rise in their shares")
    for key in ("crop_area", "sharpness"):
        low, high = getattr(recipe.augmentation, key)
        if low > high or high == 0:
            raise InvalidRecipe(f"augmentation.{key}", f"is [{low}, {high}]; the first may not be the larger")
    if refused := _REFUSED & set(recipe.backbone_args):
        raise InvalidRecipe(
            f"backbone_args.{min(refused)}", "is not yours to set; another key of the recipe is"
        )


# What other keys of the recipe say, and what would read files or fetch.
_REFUSED = frozenset(
    {
        "model_name", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir",
        "scriptable", "exportable", "no_jit", "num_classes", "in_chans", "drop_rate", "drop_path_rate",
        "features_only", "img_size", "global_pool",
    }
)  # fmt: skip


def _named(kind: type, error: ValidationError) -> InvalidRecipe:
    first = error.errors()[0]
    # Below the arguments of a network, pydantic names types it tried, and places in lists are numbers.
    where = [part for part in first["loc"] if isinstance(part, str)]
    where = where[: 2 if where[:1] == ["backbone_args"] else None]
    key = ".".join(where)
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = ", ".join(known_keys(kind, where[:-1]))
        return InvalidRecipe(key, f"is not known; allowed: {known}")
    return InvalidRecipe(key, f"is {first['input']!r}; allowed: {allowed(kind, where)}")


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue
