"""How much the elements of a page say, and how much of that is links."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from services.ingest.readers.shared.elements import Element

SMALL_SHARE = 0.2
"""What is larger is no form, no banner and no menu, whatever it is called."""


@dataclass(frozen=True)
class Size:
    """How much an element says, in characters without space.

    Args:
        text: all of it.
        linked: its links.
        links: how many they are.
        longest: the longest of them.
    """

    text: int = 0
    linked: int = 0
    links: int = 0
    longest: int = 0

    @property
    def unlinked(self) -> int:
        """What is said outside of links."""
        return self.text - self.linked

    @property
    def link_share(self) -> float:
        """How much of the text is links."""
        return self.linked / max(1, self.text)


class Sizes:
    """The sizes of all elements of a page, measured at once.

    Args:
        body: the page.
    """

    def __init__(self, body: Element) -> None:
        self._sizes: dict[Element, Size] = {}
        for _, element in etree.iterwalk(body, events=("end",)):
            inner = [self._sizes[child] for child in element]
            text = (
                count(element.text)
                + sum(size.text for size in inner)
                + sum(count(child.tail) for child in element)
            )
            if is_link(element) and text:
                self._sizes[element] = Size(text, text, 1, text)
            else:
                self._sizes[element] = Size(
                    text,
                    sum(size.linked for size in inner),
                    sum(size.links for size in inner),
                    max((size.longest for size in inner), default=0),
                )
        self.whole = self._sizes[body].text

    def of(self, element: Element) -> Size:
        """The size of an element."""
        return self._sizes.get(element, Size())

    def is_small(self, element: Element) -> bool:
        """Whether an element has little of the page's text."""
        return self.of(element).text <= max(SMALL_SHARE * self.whole, 20)


def count(text: str | None) -> int:
    """Characters without space."""
    return sum(map(len, text.split())) if text else 0


def is_link(element: Element) -> bool:
    """Whether an element leads somewhere; `<a name>` and `<a id>` only mark a place."""
    return element.tag == "a" and (
        "href" in element.attrib or not {"name", "id"}.intersection(element.attrib)
    )
