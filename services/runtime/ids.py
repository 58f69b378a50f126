"""Identifiers: UUIDv7 for things that are made, UUIDv5 for things that are derived."""

from __future__ import annotations

import uuid

import uuid6


def new_id() -> str:
    """A new UUIDv7: ids made later sort later."""
    return str(uuid6.uuid7())


def id_at(seconds: float) -> str:
    """The first of all UUIDv7 that can be made at a time, in seconds since 1970."""
    return str(uuid.UUID(int=int(seconds * 1000) << 80))


def derived_id(*parts: str) -> str:
    """The same UUIDv5 for the same parts, in this order."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "sishu:" + "\x1f".join(parts)))
