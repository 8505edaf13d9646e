"""How an answer reads: the native shape, and the one that carries every name older clients look for."""

import base64
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

from sortline.engine.image import Preprocessing
from sortline.engine.saliency import png
from sortline.flows.classify import Answer


class Model(BaseModel):
    """The bundle that answered."""

    name: str
    hash: str = Field(description="SHA-256 of the bundle, 64 hex digits.")


class Explanation(BaseModel):
    """Where the network looked."""

    map: str = Field(description="Greyscale PNG as a data URL; brighter spoke more for the class.")
    region: tuple[float, float, float, float] = Field(
        description="Left, top, right, bottom of the part of the picture that the map covers, 0 to 1."
    )


class Prediction(BaseModel):
    """What the line says of one picture; documented here, encoded by `native` below."""

    id: str = Field(description="32 hex digits; later answers sort later.")
    line: str
    class_: str = Field(alias="class")
    confidence: float = Field(ge=0, le=1, description="Calibrated probability of the class.")
    probabilities: dict[str, float] = Field(description="Class → calibrated probability, descending.")
    prediction_set: list[str] | None = Field(
        description="The classes that the policy's `coverage` leaves, most likely first; null where it states none."
    )
    verdict: Literal["accept", "review"]
    reason: Literal["unreadable", "unknown", "watched", "ambiguous", "sampled"] | None
    ood_score: float = Field(ge=0, le=1, description="Share of held-out known photos less unusual than this.")
    ood: bool
    energy: float = Field(description="Minus logsumexp of the raw logits; higher is more unusual.")
    model: Model
    latency_ms: float
    timestamp: datetime
    explanation: Explanation | None = Field(
        default=None, description="Only where `explain=true` asked for it."
    )


def native(answer: Answer, *, explain: bool = False) -> dict[str, Any]:
    """The answer of the native API."""
    prediction = answer.inferred.prediction
    bundle = answer.line.model.bundle
    document = {
        "id": answer.id,
        "line": answer.line.name,
        "class": prediction.class_name,
        "confidence": _rounded(prediction.confidence),
        "probabilities": {name: _rounded(p) for name, p in prediction.ranked.items()},
        "prediction_set": prediction.prediction_set,
        "verdict": answer.route.verdict,
        "reason": answer.route.reason,
        "ood_score": _rounded(prediction.ood_score),
        "ood": prediction.ood,
        "energy": _rounded(prediction.energy),
        "model": {"name": bundle.manifest.name, "hash": bundle.hash},
        "latency_ms": answer.latency_ms,
        "timestamp": timestamp(answer.at),
    }
    if explain:
        document["explanation"] = _explanation(answer)
    return document


def for_older_clients(answer: Answer, requests_per_minute: int) -> dict[str, Any]:
    """The native answer and every field that clients of the replaced systems read."""
    prediction = answer.inferred.prediction
    percent = {name: round(p * 100, 2) for name, p in prediction.ranked.items()}
    ranked = [{"class": n, "confidence": value, "confidence_percent": value} for n, value in percent.items()]
    document = native(answer)
    probabilities = document["probabilities"]
    return document | {
        "success": True,
        "predicted_class": prediction.class_name,
        "label": prediction.class_name,
        "confidence_percent": ranked[0]["confidence_percent"],
        "all_predictions": probabilities,
        "predictions": ranked,
        "top_prediction": ranked[0],
        "saved_to_database": True,
        "saved_to_db": True,
        "message": _message(answer),
        "raw_predictions": [_rounded(p) for p in prediction.probabilities],
        "logits": [_rounded(logit) for logit in prediction.logits],
        "processing_time": round(answer.latency_ms / 1000, 5),
        "requests_per_minute": requests_per_minute,
    }


def encoded(document: Any, status: int = 200) -> Response:
    """The document as a JSON response, in plain UTF-8."""
    return Response(to_json(document), status_code=status, media_type="application/json")


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC, with a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(answer: Answer) -> str:
    if answer.route.reason is None:
        return f"Accepted as {answer.inferred.prediction.class_name}."
    return f"Kept for a person to look at: {answer.route.reason}."


def _explanation(answer: Answer) -> dict[str, Any] | None:
    map_ = answer.inferred.activation_map
    if map_ is None:
        return None
    prediction = answer.inferred.prediction
    return {
        "map": "data:image/png;base64," + base64.b64encode(png(map_)).decode(),
        "region": _region(answer.line.model.preprocessing, prediction.width, prediction.height),
    }


def _region(preprocessing: Preprocessing, width: int, height: int) -> tuple[float, float, float, float]:
    if preprocessing.resize == "squash":
        return (0.0, 0.0, 1.0, 1.0)
    side = min(width, height)
    left, top = (1 - side / width) / 2, (1 - side / height) / 2
    return (left, top, 1 - left, 1 - top)


def _rounded(value: float) -> float:
    return round(float(value), 6)
