"""From a prediction to a verdict: accept the item, or set it aside for a person, and why."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from sortline.engine.ood import DetectorName


class Verdict(StrEnum):
    """What happens to an item."""

    ACCEPT = "accept"
    REVIEW = "review"


class Reason(StrEnum):
    """Why a person should look, in the order of precedence: the first that holds is the reason."""

    UNREADABLE = "unreadable"  # too dark, too bright, blurred or small
    UNKNOWN = "unknown"  # out of distribution
    WATCHED = "watched"  # a class the line always wants a person to see
    AMBIGUOUS = "ambiguous"  # not sure enough between known classes
    SAMPLED = "sampled"  # the random control share


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("a class's name has printable characters only")
    return name


Name = Annotated[str, AfterValidator(_printable)]


class Policy(BaseModel):
    """When a line sets items aside. A bundle brings defaults; a line overrides what it wants different."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    detector: DetectorName = Field(
        default="auto",
        description="How unknown items are told: by what was chosen when the bundle was made (energy where nothing "
        "was), by a score named here, or by WasteX's rule of energy and maximum softmax. A bundle that does not have "
        "it judges by energy.",
    )
    ood_threshold: float | None = Field(
        default=None,
        description="Score above which an item is unknown; null takes the one fitted with the bundle. It belongs to "
        "the detector named; with `auto` it is one of energy.",
    )
    min_confidence: float = Field(
        default=0.5, ge=0, le=1, description="Calibrated confidence below which an item is ambiguous."
    )
    coverage: float | None = Field(
        default=None,
        ge=0.5,
        lt=1,
        description="Share of known items whose true class is in the answer's prediction set; an item with any other "
        "number of classes in it than one is ambiguous. Null: no sets.",
    )
    watched: tuple[Name, ...] = Field(default=(), description="Classes a person always sees.")
    sample_share: float = Field(default=0.01, ge=0, le=1, description="Share of accepted items also shown.")
    min_brightness: float = Field(
        default=8.0, ge=0, le=255, description="Mean brightness under which it is too dark."
    )
    max_brightness: float = Field(
        default=250.0, ge=0, le=255, description="Mean brightness above: too bright."
    )
    min_sharpness: float = Field(
        default=2.0, ge=0, description="Variance of the Laplacian under which it is blurred."
    )
    min_side: int = Field(default=32, ge=1, description="Shorter side, px, under which it is too small.")


class Sighting(Protocol):
    """What routing needs to know of a prediction."""

    @property
    def class_name(self) -> str: ...  # noqa: D102  # the names are those of `Prediction`
    @property
    def confidence(self) -> float: ...  # noqa: D102
    @property
    def prediction_set(self) -> tuple[str, ...] | None: ...  # noqa: D102
    @property
    def ood(self) -> bool: ...  # noqa: D102
    @property
    def brightness(self) -> float: ...  # noqa: D102
    @property
    def sharpness(self) -> float: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def height(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A verdict and, when it is review, its reason."""

    verdict: Verdict
    reason: Reason | None = None


ACCEPTED = Route(verdict=Verdict.ACCEPT)


def route(sighting: Sighting, policy: Policy, *, prediction_id: str) -> Route:
    """The verdict on a prediction. The same id always draws the same lot for the control share."""
    reason = _reason(sighting, policy)
    if reason is None and policy.sample_share > 0 and lot(prediction_id) < policy.sample_share:
        reason = Reason.SAMPLED
    return ACCEPTED if reason is None else Route(verdict=Verdict.REVIEW, reason=reason)


def lot(prediction_id: str, purpose: str = "") -> float:
    """A number in [0, 1), uniform over ids and fixed for each; what is drawn for one purpose says nothing of others."""
    return (
        int.from_bytes(hashlib.blake2b(f"{purpose}{prediction_id}".encode(), digest_size=8).digest()) / 2**64
    )


def _reason(sighting: Sighting, policy: Policy) -> Reason | None:
    if _unreadable(sighting, policy):
        return Reason.UNREADABLE
    if sighting.ood:
        return Reason.UNKNOWN
    if sighting.class_name in policy.watched:
        return Reason.WATCHED
    if sighting.confidence < policy.min_confidence or not _certain(sighting):
        return Reason.AMBIGUOUS
    return None


def _certain(sighting: Sighting) -> bool:
    """Whether one class alone is in the prediction set, where there are such sets."""
    return sighting.prediction_set is None or len(sighting.prediction_set) == 1


def _unreadable(sighting: Sighting, policy: Policy) -> bool:
    return (
        not policy.min_brightness <= sighting.brightness <= policy.max_brightness
        or sighting.sharpness < policy.min_sharpness
        or min(sighting.width, sighting.height) < policy.min_side
    )
