"""What models are asked to write about tags: JSON schemas, and how their output is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.questions.quotes import one_line
from services.generation.questions.writing import strict_object
from services.generation.tags.tag_outlines import Titles

LONGEST_TITLE = 60


@dataclass(frozen=True)
class Leaf:
    """A tag of the lowest level, by the titles from the top, and the entries under it, from 1."""

    titles: Titles
    entries: Sequence[int]


def tree_schema(levels: int, most: int, count: int) -> dict[str, Any]:
    """`{"tags": [{"title": ..., "tags": [... {"title": ..., "entries": [1, 2]}]}]}` with so many levels.

    Args:
        levels: levels of tags.
        most: tags under one, at most.
        count: entries, which are numbered from 1.
    """
    title = {"type": "string", "minLength": 1, "maxLength": LONGEST_TITLE}
    number = {"type": "integer", "minimum": 1, "maximum": count}
    entries = {"type": "array", "items": number, "minItems": 1, "maxItems": count}
    node = strict_object({"title": title, "entries": entries})
    for _ in range(levels - 1):
        node = strict_object({"title": title, "tags": tags_of(node, most)})
    return strict_object({"tags": tags_of(node, most)})


def tags_of(node: dict[str, Any], most: int) -> dict[str, Any]:
    """A list of tags."""
    return {"type": "array", "items": node, "minItems": 1, "maxItems": most}


def tree_parser(levels: int, most: int, count: int) -> Callable[[Any], list[Leaf]]:
    """Reads what `tree_schema` asked for.

    Of an entry that stands under several tags the first one counts. A tree that breaks a rule is asked for
    again; where it never gets better, what keeps the rules is taken.
    """

    def parse(value: Any) -> list[Leaf]:
        wrong: list[str] = []
        left = set(range(1, count + 1))
        leaves = list(read(value, (), wrong, left))
        if not leaves:
            what = wrong[0] if wrong else "no tag has an entry"
            raise OutputInvalid(f"{what}; the numbers of the outline stand under the tags")
        if wrong:
            raise OutputIncomplete(wrong[0], {}, leaves)
        return leaves

    def read(value: Any, above: Titles, wrong: list[str], left: set[int]) -> Iterator[Leaf]:
        if len(above) == levels:
            if entries := numbers(value, left):
                yield Leaf(above, entries)
            return
        members = value.get("tags") if isinstance(value, dict) else None
        if not isinstance(members, list):
            wrong.append(f'there must be a list "tags" {name(above)}, as there are {levels} levels of tags')
            return
        if len(members) > most:
            wrong.append(f"there are {len(members)} tags {name(above)}, of at most {most}")
        for member in members[:most]:
            title = one_line(str(member.get("title") or "")) if isinstance(member, dict) else ""
            if title:
                yield from read(member, (*above, title[:LONGEST_TITLE]), wrong, left)
            else:
                wrong.append(f"a tag {name(above)} has no title")

    return parse


def name(above: Titles) -> str:
    """Where in a tree something is wrong."""
    return f"under {' > '.join(above)!r}" if above else "at the top"


def numbers(value: Any, left: set[int]) -> list[int]:
    """The entries under a tag of which none before had them."""
    given = value.get("entries") if isinstance(value, dict) else None
    found = []
    for one in given if isinstance(given, list) else []:
        number = whole(one)
        if number in left:
            left.remove(number)
            found.append(number)
    return found


def places_schema(entries: int, tags: int, *, may_be_none: bool) -> dict[str, Any]:
    """`{"entry_1": 3, ...}`: for each entry the number of a tag, from 1; 0 for none, where that may be."""
    tag = {"type": "integer", "minimum": 0 if may_be_none else 1, "maximum": tags}
    return strict_object({entry_key(index): tag for index in range(entries)})


def places_parser(entries: int, tags: int, *, may_be_none: bool) -> Callable[[Any], list[int]]:
    """Reads what `places_schema` asked for; 0 for an entry whose tag never came."""
    least = 0 if may_be_none else 1

    def parse(value: Any) -> list[int]:
        if not isinstance(value, dict):
            raise OutputInvalid("the answer is not a JSON object")
        found = {key: whole(value.get(key)) for key in map(entry_key, range(entries))}
        lacking = [key for key, tag in found.items() if not least <= tag <= tags]
        placed = [0 if key in lacking else tag for key, tag in found.items()]
        if not lacking:
            return placed
        message = f'"{lacking[0]}" must be the number of a tag, {least} to {tags}'
        if len(lacking) == entries:
            raise OutputInvalid(message)
        raise OutputIncomplete(message, {key: value[key] for key in found if key not in lacking}, placed)

    return parse


def whole(value: Any) -> int:
    """A whole number, be it written as text; -1 for anything else."""
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            return int(value)
    return -1


def entry_key(index: int) -> str:
    """Name of an entry in prompt and schema, from 1."""
    return f"entry_{index + 1}"
