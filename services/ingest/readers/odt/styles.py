"""What the styles of an ODT say of its paragraphs. OpenDocument 1.3, part 3, 16 and 19."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.numerals import formatted, whole
from services.ingest.readers.shared.style_names import MONOSPACED

OASIS = "{urn:oasis:names:tc:opendocument:xmlns:%s:1.0}"
TEXT, STYLE, FO = OASIS % "text", OASIS % "style", OASIS % "xsl-fo-compatible"
KINDS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
CHINESE = {
    "一, 二, 三, ...": "chineseCounting",
    "壹, 贰, 叁, ...": "chineseLegalSimplified",
    "①, ②, ③, ...": "decimalEnclosedCircle",
}
DEEPEST = 20
"""Steps from a style to those that it is based on; more make a circle."""


@dataclass
class Styles:
    """The styles of paragraphs by name, and the numbers of headings by level."""

    by_name: dict[str, Element] = field(default_factory=dict)
    outline: dict[int, Element] = field(default_factory=dict)

    def is_a(self, name: str | None, wanted: str) -> bool:
        """Whether a style is another, or based on it."""
        return any(each == wanted for each, _ in self.chain(name))

    def is_code(self, name: str | None) -> bool:
        """Whether a style is for code: the nearest font that it or those below it set is of one width."""
        for each, style in self.chain(name):
            if each == "Preformatted_20_Text":
                return True
            for letters in style.iterchildren(f"{STYLE}text-properties"):
                font = letters.get(f"{STYLE}font-name") or letters.get(f"{FO}font-family")
                if font:
                    return MONOSPACED.search(font) is not None
        return False

    def chain(self, name: str | None) -> Iterable[tuple[str, Element]]:
        """A style and those that it is based on, nearest first."""
        for _ in range(DEEPEST):
            style = self.by_name.get(name or "")
            if style is None:
                return
            yield str(name), style
            name = style.get(f"{STYLE}parent-style-name")


def styles_of(roots: Iterable[Element]) -> Styles:
    """Read the styles of `styles.xml` and of the content."""
    found = Styles()
    for root in roots:
        for style in root.iter(f"{STYLE}style"):
            if style.get(f"{STYLE}family") == "paragraph":
                found.by_name[style.get(f"{STYLE}name", "")] = style
        for level in root.iter(f"{TEXT}outline-level-style"):
            found.outline[whole(level.get(f"{TEXT}level"))] = level
    return found


class HeadingNumbers:
    """Counts headings, as the outline of a document says."""

    def __init__(self, styles: Styles) -> None:
        self._levels = styles.outline
        self._counts: dict[int, int] = {}

    def number(self, level: int) -> str:
        """The number of the next heading of a level, with what stands around it; empty without."""
        style = self._levels.get(level)
        start = 1 if style is None else whole(style.get(f"{TEXT}start-value"), 1)
        self._counts[level] = self._counts.get(level, start - 1) + 1
        for deeper in [each for each in self._counts if each > level]:
            del self._counts[deeper]
        if style is None or not style.get(f"{STYLE}num-format"):
            return ""
        shown = whole(style.get(f"{TEXT}display-levels"), 1)
        numbers = [self._written(each) for each in range(max(1, level - shown + 1), level + 1)]
        body = ".".join(number for number in numbers if number)
        return f"{style.get(f'{STYLE}num-prefix', '')}{body}{style.get(f'{STYLE}num-suffix', '')}".strip()

    def _written(self, level: int) -> str:
        style = self._levels.get(level)
        kind = "" if style is None else style.get(f"{STYLE}num-format", "")
        return (
            formatted(self._counts.get(level, 1), KINDS.get(kind) or CHINESE.get(kind, "decimal"))
            if kind
            else ""
        )
