"""What a fine-tuning run does, with every default in sight."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How a training photo is varied; ranges are drawn per photo, probabilities in 0..1."""

    crop_area: tuple[float, float] = (0.4, 1.0)  # share of the photo's area that is kept
    crop_aspect: float = 4 / 3  # widest aspect of the crop, and its inverse
    tilt_degrees: float = 15.0  # on top of a quarter turn: photos are taken from above, so no side is up
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    white_balance: float = 0.06  # gain of each channel: lamps and cameras differ
    # 0 blurs with a 3x3 box, 1 changes nothing, above sharpens: serving sees larger, sharper originals.
    sharpness: tuple[float, float] = (0.4, 1.8)
    low_resolution: float = 0.15  # share of the batches that are scaled down and up again
    erase: float = 0.1  # share of photos in which one rectangle is replaced by noise
    mix: float = 0.4  # share of the batches that are mixed, half of them by mixup, half by cutmix
    mixup_alpha: float = 0.3
    cutmix_alpha: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A fine-tuning run: the head on frozen features first, then every layer."""

    backbone: str = "mobilenetv2_100"  # timm's name
    seed: int = 20261121
    batch_size: int = 32
    head_steps: int = 600  # phase 1, full batch on cached features
    head_learning_rate: float = 3e-3
    epochs: int = 58  # phase 2
    warmup: float = 0.05  # share of phase 2
    learning_rate: float = 2e-4  # peak, of the head; AdamW
    layer_decay: float = 0.95  # each layer further from the head learns this much slower
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    dropout: float = 0.2
    ema_decay: float = 0.996  # of the averaged weights, which are the ones evaluated and kept
    # (share of phase 2 from which it holds, side in px). Crops magnify, so training smaller than serving
    # shows objects at the size serving sees (Touvron et al. 2019, "Fixing the train-test resolution
    # discrepancy").
    sizes: tuple[tuple[float, int], ...] = ((0.0, 192), (0.6, 224))
    serving_size: int = 224
    photo_size: int = 200  # side in px at which training photos are kept in memory
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    # The schedule runs on max(steps done, minutes passed), so a run on a busy machine still ends, annealed.
    minutes: float | None = None
    threads: int = 2
    bfloat16: bool = True
    augmentation: Augmentation = Augmentation()
