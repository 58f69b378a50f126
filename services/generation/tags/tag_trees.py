"""Trees of tags while a generation makes them: what comes next, what is added, and what is put where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.generation.generations.kinds import TagOptions
from services.generation.tags.tag_outlines import Entry, Titles, part, upper

Held = Mapping[str, Mapping[Titles, Titles]]
"""By document, by heading path: the tag of the place."""


class TagTree:
    """Tags by their titles, each with those under it, in order; titles that differ in case are one."""

    def __init__(self, tags: Sequence[Sequence[str]] = ()) -> None:
        self._children: dict[Titles, dict[str, str]] = {(): {}}
        for titles in tags:
            self.add(titles, len(tags))

    def __len__(self) -> int:
        return len(self._children) - 1

    def __iter__(self) -> Iterator[Titles]:
        """All tags, each before those under it."""
        return self._under(())

    def add(self, titles: Sequence[str], most: int) -> Titles | None:
        """Add a tag and what lacks above it, with at most so many under one.

        Returns the tag as the tree has it; where there is no room, the one above it, or nothing.
        """
        at: Titles = ()
        for title in titles:
            children = self._children[at]
            known = children.get(title.casefold())
            if known is None and len(children) >= most:
                return at or None
            if known is None:
                children[title.casefold()] = known = title
                self._children[(*at, title)] = {}
            at = (*at, known)
        return at

    def numbered(self) -> str:
        """A line for each tag, numbered from 1 and indented."""
        return "\n".join(f"{number}. {indent(titles)}{titles[-1]}" for number, titles in enumerate(self, 1))

    def listed(self) -> str:
        """A line for each tag, indented."""
        return "\n".join(f"{indent(titles)}- {titles[-1]}" for titles in self)

    def _under(self, above: Titles) -> Iterator[Titles]:
        for title in self._children[above].values():
            yield (*above, title)
            yield from self._under((*above, title))


def indent(titles: Titles) -> str:
    """What stands before a tag by its level."""
    return "  " * (len(titles) - 1)


@dataclass(frozen=True)
class Step:
    """A call about some entries.

    Args:
        entries: the entries.
        writes: whether tags are asked for; else which of those that are there the entries belong under.
        may_be_none: whether an answer may be that none of them fits.
    """

    entries: Sequence[Entry]
    writes: bool
    may_be_none: bool = False


def next_step(entries: Sequence[Entry], tree: TagTree, options: TagOptions) -> Step | None:
    """What to ask next; nothing when all was asked.

    A tree begins with the upper levels of the outline. What it leaves out is put under its tags part by part;
    for what fits under none of them tags are added, where the mode lets them.
    """
    open_ones = [one for one in entries if one.tag is None]
    if not open_ones:
        return None
    if not tree:
        return Step(upper(open_ones), writes=True) if not any(one.written for one in entries) else None
    if waiting := [one for one in open_ones if not one.placed]:
        may_be_none = options.mode != "keep" and not waiting[0].written
        alike = [one for one in waiting if one.written == waiting[0].written]
        return Step(part(alike), writes=False, may_be_none=may_be_none)
    waiting = [one for one in open_ones if not one.written]
    return Step(part(waiting), writes=True) if waiting and options.mode != "keep" else None


def nearest(entries: Sequence[Entry], tree: TagTree, held: Held) -> dict[int, Titles]:
    """By number, the tags of all entries; what has none gets that of what is nearest to it.

    That is what stands above it in its document, else what stands before or behind it there, else the first
    tag. Nothing where there are no tags.
    """
    first = next(iter(tree), None)
    if first is None:
        return {}
    found: dict[int, Titles] = {}
    last: dict[str, Titles] = {}
    above = {document: dict(places) for document, places in held.items()}
    ahead = {one.document_id: one.tag for one in reversed(entries) if one.tag}
    for entry in entries:
        places, path = above.setdefault(entry.document_id, {}), entry.heading_path
        over = next((places[path[:size]] for size in range(len(path), 0, -1) if path[:size] in places), None)
        beside = last.get(entry.document_id) or ahead.get(entry.document_id) or places.get(())
        tag = entry.tag or over or beside or first
        found[entry.number] = last[entry.document_id] = tag
        if path:
            places[path] = tag
    return found


def whole_documents(entries: Sequence[Entry], tags: Mapping[int, Titles], held: Held) -> dict[str, Titles]:
    """By document, the tag for what stands under none of its headings: that of most of its upper entries."""
    counts: dict[str, Counter[Titles]] = {}
    for entry in entries:
        if entry.depth == 1 and entry.number in tags and () not in held.get(entry.document_id, {}):
            counts.setdefault(entry.document_id, Counter())[tags[entry.number]] += 1
    return {document: counted.most_common(1)[0][0] for document, counted in counts.items()}
