"""The table of the pictures an installation keeps."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, LargeBinary, String, Table

from sortline.db.base import Hex, UtcDateTime, metadata

# A picture is stored once per installation, under the hash of its canonical bytes.
images = Table(
    "images",
    metadata,
    Column("sha256", Hex, primary_key=True),
    Column("media_type", String(50), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("brightness", Float, nullable=False),
    Column("sharpness", Float, nullable=False),
    Column("source", String(200), nullable=False),
    Column("client", String(200)),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("embedding", LargeBinary),
    Column("embedding_bundle", Hex),
)
