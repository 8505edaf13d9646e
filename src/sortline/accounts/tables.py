"""The tables of people, sessions, keys, one-time links and the audit log."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from sortline.db.base import Hex, UtcDateTime, json_type, metadata

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("role", String(20), nullable=False),
    Column("password", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

# Without a person it is one of local mode.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person_id", ForeignKey("people.id")),
    Column("token_hash", Hex, nullable=False, unique=True),
    # The token before the last rotation: requests may still be under way with it.
    Column("previous_hash", Hex, unique=True),
    Column("address", String(45)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("rotated_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
Index(None, sessions.c.person_id)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(63), nullable=False),
    Column("secret_hash", Hex, nullable=False, unique=True),
    Column("start", String(20), nullable=False),
    Column("scopes", json_type(), nullable=False),
    Column("who", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)
Index(None, api_keys.c.name)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", Hex, primary_key=True),
    Column("purpose", String(20), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

# Append-only.
audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String(200), nullable=False),
    Column("route", String(200), nullable=False),
    Column("target", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("address", String(45)),
)
