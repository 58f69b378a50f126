"""The outline of source code: its definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from services.ingest.outline.layout import Heading
from services.ingest.outline.syntax import groups, line_offsets, root_of

DEFINITION = re.compile(
    r"(?:async_|local_|singleton_|abstract_)?"
    r"(?:function|method|class|interface|struct|enum|trait|impl|module|mod|namespace|package_object|object|protocol"
    r"|message|service|rpc|type_alias|type|record|constructor|union|macro|extension|class_or_interface|protocol)"
    r"(?:_(?:definition|declaration|item|specifier|spec|signature|statement))?"
    r"|create_(?:table|view|function|procedure|index|trigger|type)|rule_set|table|table_array_element|section"
    r"|block_mapping_pair|element"
)
INSIDE = re.compile(
    r"body|block|list|export|decorated|module|namespace|preproc|template|declaration|document|stream|mapping"
    r"|stylesheet|content|statement|program|source_file|spec|node"
)
NO_DEFINITION = {"sql": {"statement"}, "lua": {"table"}, "css": {"block"}, "bash": {"list"}}
NAME = re.compile(
    r".*(?:identifier|name|key|selectors?|object_reference|constant|word|STag|EmptyElemTag)|flow_node"
)
DEEPEST = 12
MOST_LEVELS = 6
LONGEST_TITLE = 120


def definitions(text: str, language: str) -> list[Heading]:
    """The definitions of a source text, in order, outer ones before what they hold."""
    root = root_of(text, language)
    if root is None:
        return []
    offsets = line_offsets(text)
    found: list[Heading] = []
    for row, node, level in walk(root, language, 1, 0):
        start = int(offsets[row])
        end = int(offsets[row + 1]) if row + 1 < len(offsets) else len(text)
        # Of several definitions in one line the first is the section.
        if not found or found[-1].start < start:
            found.append(Heading(start, end, level, title_of(node)))
    return found


def walk(node: Node, language: str, level: int, depth: int) -> Iterator[tuple[int, Node, int]]:
    """The definitions inside of a node: row, node and level of each."""
    if depth > DEEPEST or level > MOST_LEVELS:
        return
    for row, child in groups(node):
        names = NO_DEFINITION.get(language, ())
        is_definition = (
            child.type not in names and DEFINITION.fullmatch(child.type) and name_of(child) is not None
        )
        if is_definition:
            yield row, child, level
        if is_definition or INSIDE.search(child.type):
            top = child.start_point.row
            for found in walk(child, language, level + bool(is_definition), depth + 1):
                # The comment before a wrapper, such as an export, is that of what it wraps.
                yield (row, *found[1:]) if not is_definition and found[0] == top else found


def name_of(node: Node) -> Node | None:
    """The node that names a definition."""
    for field in ("name", "type", "key"):
        found = node.child_by_field_name(field)
        if found is not None and (field != "type" or node.type == "impl_item"):
            return found
    declarator = node.child_by_field_name("declarator")
    while declarator is not None and (inner := declarator.child_by_field_name("declarator")) is not None:
        declarator = inner
    if declarator is not None:
        return declarator
    return next((child for child in node.named_children if NAME.fullmatch(child.type)), None)


def title_of(node: Node) -> str:
    """The name of a definition, in one line."""
    name = name_of(node)
    text = (name.text if name is not None else None) or b""
    return " ".join(text.decode(errors="replace").split())[:LONGEST_TITLE].strip("<>[]:")
