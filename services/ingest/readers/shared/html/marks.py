"""Tags that mark what is to go from a tree once the whole was looked at."""

from __future__ import annotations

from lxml import etree

from services.ingest.readers.shared.elements import Element

GONE = "gone"
"""Tag of elements that vanish with all that is in them."""
UNWRAPPED = "unwrapped"
"""Tag of elements that vanish around what is in them."""


def sweep(root: Element) -> None:
    """Take out what was marked so."""
    etree.strip_elements(root, GONE, with_tail=False)
    etree.strip_tags(root, UNWRAPPED)
