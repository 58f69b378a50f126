"""Folders for programs: files, and what the program wants to be told about them."""

from __future__ import annotations

from collections.abc import Mapping

from services.dataset.exports.bundles import axolotl, hugging_face, llama_factory, ms_swift, trl
from services.dataset.exports.bundles.bundle import Bundle, Made, Wanted

__all__ = ["BUNDLES", "Bundle", "Made", "Wanted", "plain"]

BUNDLES: Mapping[str, Bundle] = {
    module.BUNDLE.name: module.BUNDLE for module in (llama_factory, hugging_face, trl, axolotl, ms_swift)
}
"""The bundles by their names."""


def plain(shape: str) -> Bundle:
    """Files of a shape and nothing else, one a split."""
    return Bundle(shape, [Wanted(shape, "jsonl", "{split}", "{split}")], lambda made, options: {})
