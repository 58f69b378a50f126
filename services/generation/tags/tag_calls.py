"""What models are asked about tags: the prompt, the schema, and what becomes of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.generation.generations.kinds import TagOptions
from services.generation.tags.tag_outlines import Titles, shown
from services.generation.tags.tag_trees import Step, TagTree
from services.generation.tags.tag_writing import Leaf, places_parser, places_schema, tree_parser, tree_schema


@dataclass(frozen=True)
class Call:
    """What a model is asked for.

    Args:
        prompt: name of the prompt.
        values: what it is filled with.
        schema: JSON schema of the answer.
        parse: reads the answer.
        tags_of: the tags of all entries by what was read; nothing for those that have none.
    """

    prompt: str
    values: Mapping[str, object]
    schema: Mapping[str, Any]
    parse: Callable[[Any], Any]
    tags_of: Callable[[Any], Mapping[int, Titles | None]]


def tree_call(step: Step, tree: TagTree, options: TagOptions) -> Call:
    """Ask for tags; what comes is added to the tree."""
    levels, most, count = options.levels, options.max_children, len(step.entries)

    def tags_of(leaves: Sequence[Leaf]) -> Mapping[int, Titles | None]:
        found: dict[int, Titles | None] = {entry.number: None for entry in step.entries}
        for leaf in leaves:
            titles = tree.add(leaf.titles, most)
            found.update({step.entries[number - 1].number: titles for number in leaf.entries})
        return found

    return Call(
        "tags",
        {"outline": shown(step.entries), "levels": levels, "most": most, "tags": tree.listed()},
        tree_schema(levels, most, count),
        tree_parser(levels, most, count),
        tags_of,
    )


def places_call(step: Step, tree: TagTree, _: TagOptions) -> Call:
    """Ask which tags of the tree entries belong under."""
    tags, none = list(tree), step.may_be_none

    def tags_of(placed: Sequence[int]) -> Mapping[int, Titles | None]:
        pairs = zip(step.entries, placed, strict=True)
        return {entry.number: tags[number - 1] if number else None for entry, number in pairs}

    return Call(
        "tag_places",
        {"outline": shown(step.entries), "tags": tree.numbered(), "may_be_none": none},
        places_schema(len(step.entries), len(tags), may_be_none=none),
        places_parser(len(step.entries), len(tags), may_be_none=none),
        tags_of,
    )
