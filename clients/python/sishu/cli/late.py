"""Modules that are read when something of theirs is wanted: to read all takes longer than most commands."""

from __future__ import annotations

import importlib
from typing import Any


def found_at(place: str) -> Any:
    """What is called so in a module of these commands: `module:name`."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"sishu.cli.{module}"), name)
