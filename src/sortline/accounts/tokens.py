"""Secrets that stand for someone: API keys, sessions, sign-in links. Stored as hashes only."""

from __future__ import annotations

import hashlib
import secrets

# So that people, and programs that look for leaked secrets, know one when they see it.
KEY_PREFIX = "sl_"
# Of a key, shown in lists: enough to tell keys apart, of no use to anyone else.
SHOWN = len(KEY_PREFIX) + 6


def new_token() -> str:
    """256 random bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def new_key() -> str:
    """A new API key: `sl_` and 43 characters."""
    return KEY_PREFIX + new_token()


def digest(token: str) -> str:
    """What is stored of a token: its SHA-256, 64 hex digits.

    Unlike a password's, the hash may be fast: nobody tries 2²⁵⁶ tokens.
    """
    return hashlib.sha256(token.encode()).hexdigest()
