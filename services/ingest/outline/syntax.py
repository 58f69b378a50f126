"""Syntax trees of source code, by tree-sitter."""

from __future__ import annotations

from typing import cast

from tree_sitter import Node
from tree_sitter_language_pack import SupportedLanguage, get_parser

from services.ingest.outline.lines import Ints, code_points, newlines

LONGEST = 4_000_000
"""A tree takes many times the memory of its text."""
BESIDE = ("comment", "decorator", "attribute_item", "annotation")
"""What stands before a definition and belongs to it."""


def root_of(text: str, language: str) -> Node | None:
    """The root of a text's syntax tree; nothing for a text too long."""
    if len(text) > LONGEST:
        return None
    return get_parser(cast(SupportedLanguage, language)).parse(text.encode()).root_node


def line_offsets(text: str) -> Ints:
    """Offset of each line's first character, blank lines included."""
    found = newlines(code_points(text))
    starts: Ints = found.copy()
    starts.resize(len(found) + 1)
    starts[1:] = found + 1
    starts[0] = 0
    return starts


def groups(node: Node) -> list[tuple[int, Node]]:
    """The children of a node, each with the row where it starts; comments before it are part of it."""
    found: list[tuple[int, Node]] = []
    first, behind = -1, -1
    for child in node.children:
        row, last = child.start_point.row, child.end_point.row
        # A comment behind something on the same line is that thing's.
        joins = first >= 0 and row <= behind + 1
        if child.type.endswith(BESIDE) or "comment" in child.type:
            first = first if joins else row
            behind = last
            continue
        if child.is_named:
            found.append((first if joins else row, child))
        first = -1
    return found
