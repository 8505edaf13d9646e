"""A picture an installation keeps."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What is known of a stored picture; its canonical bytes are the blob `sha256` (64 hex characters).

    `width` × `height` in pixels after orientation; `brightness` 0–255; `phash` its perceptual hash, None until the
    picture joins a line's catalogue; `place` the file it lies in where it was registered without being copied;
    `erased_at` when its pixels were deleted for good; `embedding` (D,) float16 as little-endian bytes, made by the
    bundle `embedding_bundle`.
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
    format: str | None = None
    phash: builtins.bytes | None = None
    place: str | None = None
    erased_at: datetime | None = None
    embedding: builtins.bytes | None = None
    embedding_bundle: str | None = None
