"""A picture an installation keeps."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What is known of a stored picture; its canonical bytes are the blob `sha256` (64 hex characters).

    `width` × `height` in pixels after orientation; `brightness` 0–255; `embedding` (D,) float16 as
    little-endian bytes, made by the bundle `embedding_bundle`.
    """

    sha256: str
    media_type: str
    bytes: int
    width: int
    height: int
    brightness: float
    sharpness: float
    source: str
    client: str | None
    first_seen: datetime
    embedding: builtins.bytes | None = None
    embedding_bundle: str | None = None
