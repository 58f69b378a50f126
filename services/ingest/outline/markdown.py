"""The layout of Markdown: CommonMark's headings, code and HTML blocks, GFM tables, formulas, front matter.

Only lines that may open such a block are looked at (https://spec.commonmark.org/0.31.2/).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from services.ingest.outline.html import html_end
from services.ingest.outline.layout import Layout, Span, Spans, Tables, Titles, layout, offsets_of, titles_at
from services.ingest.outline.lines import NEWLINE, Flags, Ints, Lines, Numbers, one_of
from services.ingest.outline.lists import Lists, is_gap, is_item, lists_of
from services.ingest.outline.native import scan
from services.ingest.outline.paragraphs import CODE_COLUMNS, paragraph_before
from services.ingest.outline.tables import other_lines, table_at

NUMBERED_TITLE = re.compile(r"[ \t]*#{1,6}(?:[ \t\n]|\Z)")
FENCE = re.compile(r"(`{3,}+)[^`\n]*+(?:\n|\Z)|(~{3,}+)[^\n]*+(?:\n|\Z)")
NESTED_FENCE = re.compile(
    r"(?:>[ \t]?|(?:[-*+]|\d{1,9}[.)])[ \t]{1,4})(?:(`{3,})[^`\n]*$|(~{3,}))", re.MULTILINE
)
UNDERLINE = re.compile(r"(?:=+|-+)[ \t]*$", re.MULTILINE)
FRONT = re.compile(r"---[ \t]*\n[A-Za-z_][\w.-]*[ \t]*:")
FRONT_END = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
FORMULA = re.compile(r"\$\$|\\\[|\\begin\{([^{}\n]{1,40})\}")
LINES_AT_ONCE = 1 << 14
"""So many numbers of lines become Python's at once, which are eight times as large."""
LONGEST_FORMULA = 1 << 16
"""Two signs of a formula that stand further apart belong to two formulas, or to none."""
LONGEST_FRONT = 100_000

DEEPEST_HEADING = 6
NO_LETTER = frozenset(["", " ", "\t"])
NUMBER_SIGN = ord("#")
ALWAYS = "#<="
NESTING = "-*+>0123456789"
HEADS = one_of(ALWAYS + NESTING + "|:`~$\\")
ALWAYS_HEADS = one_of(ALWAYS)


@dataclass
class Found:
    """What was found so far.

    Args:
        lists: the items of lists.
        others: which lines may not go on with a table, as 1 or 0.
        opens: which lines have a blank one before them, as 1 or 0.
        numbered: offsets of lines that start with `#` as headings do, at the margin.
        underlined: first line, line behind and level of headings over `===` or `---`.
        wholes: things that are not to be cut.
        tables: the tables.
        taken: the blocks inside which nothing else is.
        free: offset behind the last of these.
        closings: for each sign that closes formulas, the place found last, and up to where was searched.
    """

    lists: Lists
    others: bytes
    opens: bytes
    numbered: Ints
    underlined: list[tuple[int, int, int]] = field(default_factory=list)
    wholes: Spans = field(default_factory=Spans)
    tables: Tables = field(default_factory=Tables)
    taken: Spans = field(default_factory=Spans)
    free: int = 0
    closings: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, start: int, end: int) -> None:
        """Keep a block."""
        self.taken.append(start, end)
        self.free = end

    def whole(self, start: int, end: int) -> None:
        """Keep a block that is not to be cut."""
        self.wholes.append(start, end)
        self.take(start, end)


def layout_of(lines: Lines) -> Layout:
    """The layout of a Markdown text."""
    items, chosen = is_item(lines), candidates(lines)
    is_numbered = lines.signs[chosen] == NUMBER_SIGN
    others, numbered = chosen[~is_numbered], chosen[is_numbered]
    levels = numbered_levels(lines, numbered)
    at_margin = numbered[(levels > 0) & (lines.indents[numbered] == 0)]
    found = Found(lists_of(lines, items), other_lines(lines), lines.opens.tobytes(), lines.starts[at_margin])
    front_matter(lines, found)
    for first in range(0, len(others), LINES_AT_ONCE):
        part = others[first : first + LINES_AT_ONCE]
        starts, signs = lines.starts[part].tolist(), lines.signs[part].tolist()
        for line, start, sign in zip(part.tolist(), starts, signs, strict=True):
            if start >= found.free:
                HANDLERS[sign](lines, line, found)
    titles = titles_of(lines, numbered, levels, found)
    return layout(lines, titles, found.wholes, found.tables, lines.opens | items)


def candidates(lines: Lines) -> Numbers:
    """Numbers of the lines that may open a heading, a table, a code block, a formula or HTML."""
    if scan is None:
        return candidates_by_numpy(lines)
    return np.flatnonzero(np.frombuffer(scan.openers(lines.text, lines.firsts, lines.opens), np.bool_))


def candidates_by_numpy(lines: Lines) -> Numbers:
    """The same where nothing is compiled."""
    some = np.flatnonzero(HEADS[lines.signs])
    head = lines.heads[some]
    kept = ALWAYS_HEADS[lines.signs[some]]
    rest = np.flatnonzero(~kept)
    near = lines.behind(some[rest], 6).T[1:]
    dash = (near[0] == ord("-")) | (near[0] == ord(":"))
    late_dash = is_gap(near[0]) & ((near[1] == ord("-")) | (near[1] == ord(":")) | is_gap(near[1]))
    starts = head[rest]
    is_bar = (starts == ord("|")) | (starts == ord(":"))
    is_dash = starts == ord("-")
    is_fence = ((starts == ord("`")) | (starts == ord("~"))) & (near[0] == starts) & (near[1] == starts)
    is_formula = (starts == ord("$")) & (near[0] == ord("$"))
    is_formula |= (starts == ord("\\")) & ((near[0] == ord("[")) | (near[0] == ord("b")))
    fence = np.zeros(len(rest), bool)
    for codes in near:
        fence |= (codes == ord("`")) | (codes == ord("~"))
    bare = is_gap(near[0]) & is_gap(near[1])
    kept[rest] = (
        is_fence
        | is_formula
        | (is_bar & (dash | late_dash) & ~lines.opens[some[rest]])
        | (is_dash & (dash | bare | (near[0] == ord("|")) | (near[0] == NEWLINE)))
        | (~is_bar & fence)
    )
    kept &= (head != ord("=")) | ~lines.opens[some]
    return some[kept]


def front_matter(lines: Lines, found: Found) -> None:
    """Keep the YAML at the start of a text, if there is some."""
    if FRONT.match(lines.text):
        end = FRONT_END.search(lines.text, 4, LONGEST_FRONT)
        if end is not None:
            found.whole(0, min(end.end() + 1, len(lines.text)))


def numbered_levels(lines: Lines, numbered: Numbers) -> Numbers:
    """The level of each of some lines that start with `#`; 0 if it is no heading."""
    levels = np.zeros(len(numbered), np.intp)
    running = np.ones(len(numbered), bool)
    for distance, codes in enumerate(lines.behind(numbered, DEEPEST_HEADING + 1).T[1:], 1):
        levels[running & is_gap(codes)] = distance
        running &= codes == NUMBER_SIGN
    return levels


def titles_of(lines: Lines, numbered: Numbers, levels: Numbers, found: Found) -> Titles:
    """All headings: the underlined ones, and lines that start with `#` outside of other blocks."""
    kept = (levels > 0) & ~inside(lines.starts[numbered], found.taken)
    for index in np.flatnonzero(kept & (lines.indents[numbered] > 0)).tolist():
        kept[index] = not deep(lines, numbered.item(index), found)
    chosen, depths = numbered[kept], levels[kept]
    underlined = titles_at(found.underlined)
    firsts = np.concatenate([chosen, underlined.lines])
    order = firsts.argsort(kind="stable")
    behinds = np.concatenate([chosen + 1, underlined.behind])[order]
    return Titles(firsts[order], behinds, np.concatenate([depths, underlined.levels])[order])


def inside(places: Ints, spans: Spans) -> Flags:
    """Which places are in one of some spans."""
    index = offsets_of(spans.starts).searchsorted(places, "right") - 1
    ends = np.append(offsets_of(spans.ends), np.int32(0))
    found: Flags = places < ends[index]
    return found


def title_at(text: str) -> str:
    """The title that the lines of a heading have."""
    title = text.strip().lstrip("#")
    if not NUMBERED_TITLE.match(text):
        return " ".join(part.strip() for part in text.rstrip().split("\n")[:-1])
    bare = title.rstrip().rstrip("#")
    return (bare if bare[-1:] in NO_LETTER else title).strip()


def deep(lines: Lines, line: int, found: Found) -> bool:
    """Whether a line is indented code, or inside a list item."""
    indent = lines.indents.item(line)
    return indent >= CODE_COLUMNS or (indent > 0 and found.lists.column(line) > 0)


def fence(lines: Lines, line: int, found: Found) -> None:
    """A code block between fences."""
    indent, place = lines.indents.item(line), lines.firsts.item(line)
    match = FENCE.match(lines.text, place)
    if match is None:
        return
    signs = match[1] or match[2]
    column = found.lists.column(line) if indent else 0
    if column == 0 and indent < CODE_COLUMNS:
        found.whole(match.start() - indent, top_fence_end(lines.text, match.end(), signs))
    elif indent - column < CODE_COLUMNS:
        found.whole(lines.starts.item(line), nested_fence_end(lines, line, signs, column))


def nested_fence_end(lines: Lines, line: int, signs: str, column: int) -> int:
    """Offset behind the code block that a line of a list item opens; it ends with the item."""
    sign = ord(signs[0])
    for following in range(line + 1, len(lines)):
        if lines.indents.item(following) < column:
            return lines.starts.item(following)
        if lines.heads.item(following) == sign and closes(lines, following, signs, column):
            return lines.after(following)
    return len(lines.text)


def top_fence_end(text: str, at: int, signs: str) -> int:
    """Offset behind the line that closes a code block outside of lists whose content starts at an offset."""
    while (found := text.find(signs, at)) >= 0:
        if text[found - 1] == "\n" and text[found + len(signs) : found + len(signs) + 1] == "\n":
            return found + len(signs) + 1
        start, end = text.rfind("\n", 0, found) + 1, text.find("\n", found)
        end = len(text) if end < 0 else end
        # Three spaces at most, as more are code.
        alone = not text[start:found].strip(" ") and not text[found:end].strip(" \t").strip(signs[0])
        if alone and found - start < CODE_COLUMNS:
            return min(end + 1, len(text))
        at = end
    return len(text)


def closes(lines: Lines, line: int, signs: str, column: int) -> bool:
    """Whether a line closes a code block."""
    if lines.indents.item(line) - column >= CODE_COLUMNS:
        return False
    found = lines.text[lines.firsts.item(line) : lines.end(line)].rstrip(" \t")
    return len(found) >= len(signs) and not found.strip(signs[0])


def nested_fence(lines: Lines, line: int, found: Found) -> None:
    """A code block that starts in the first line of a list item, or in a quotation."""
    match = NESTED_FENCE.match(lines.text, lines.firsts.item(line))
    if match is None:
        return
    signs = match[1] or match[2]
    if lines.heads[line] == ord(">"):
        found.whole(lines.starts.item(line), quoted_end(lines, line, signs))
    else:
        column = int(lines.indents[line]) + match.start(match.lastindex or 0) - match.start()
        found.whole(lines.starts.item(line), nested_fence_end(lines, line, signs, column))


def quoted_end(lines: Lines, line: int, signs: str) -> int:
    """Offset behind the code block that a line of a quotation opens."""
    for following in range(line + 1, len(lines)):
        if lines.opens[following] or lines.heads[following] != ord(">"):
            return lines.starts.item(following)
        content = lines.text[lines.firsts[following] + 1 : lines.end(following)].strip(" \t")
        if len(content) >= len(signs) and not content.strip(signs[0]):
            return lines.after(following)
    return len(lines.text)


def formula(lines: Lines, line: int, found: Found) -> None:
    r"""A formula of its own, between `$$`, or `\\[` and `\\]`, or `\\begin` and `\\end`."""
    place = lines.firsts.item(line)
    match = FORMULA.match(lines.text, place)
    if match is None or lines.indents.item(line) >= CODE_COLUMNS:
        return
    closed = formula_end(lines.text, match, found)
    heading = int(found.numbered.searchsorted(np.int32(place)))
    if closed < 0 or (heading < len(found.numbered) and found.numbered[heading] < closed):
        return
    end = lines.text.find("\n", closed)
    found.whole(lines.starts.item(line), len(lines.text) if end < 0 else end + 1)


def formula_end(text: str, opening: re.Match[str], found: Found) -> int:
    """Offset of the sign that closes a formula; -1 without one."""
    last = opening.start() + LONGEST_FORMULA
    if opening[1] is None:
        return sign_after(text, "$$" if opening[0] == "$$" else "\\]", (opening.end(), last), found)
    if sign_after(text, "\\end{", (opening.end(), last), found) < 0:
        return -1
    return sign_after(text, f"\\end{{{opening[1]}}}", (opening.end(), last), found)


def sign_after(text: str, sign: str, part: Span, found: Found) -> int:
    """Offset of the first of a sign in a part of a text; -1 without one. No part is searched twice."""
    start, end = part
    place, searched = found.closings.get(sign, (-1, 0))
    if place < start and searched < end:
        place = text.find(sign, max(start, searched), end)
        searched = end - len(sign) if place < 0 else place + 1
        found.closings[sign] = place, searched
    return place if start <= place < end else -1


def html(lines: Lines, line: int, found: Found) -> None:
    """An HTML block; it may be cut, but has no headings."""
    if deep(lines, line, found):
        return
    end = html_end(lines, line, found.free, found.opens)
    if end >= 0:
        found.take(lines.starts.item(line), end)


def bars(lines: Lines, line: int, found: Found) -> None:
    """A table."""
    table = table_at(lines, line, found.free, found.others)
    if table is not None:
        found.tables.append(table)
        found.take(table.start, table.end)


def dashes(lines: Lines, line: int, found: Found) -> None:
    """A table, an underline, or the first line of a list item that is a code block."""
    before = found.free
    if not lines.opens.item(line):
        bars(lines, line, found)
        if found.free == before:
            underline(lines, line, found)
    if found.free == before:
        nested_fence(lines, line, found)


def underline(lines: Lines, line: int, found: Found) -> None:
    """A heading over `===` or `---`."""
    match = UNDERLINE.match(lines.text, lines.firsts.item(line))
    if match is None or lines.indents.item(line) >= CODE_COLUMNS:
        return
    first = paragraph_before(lines, found.lists, line, found.free)
    if first < 0:
        return
    found.underlined.append((first, line + 1, 1 if match[0][0] == "=" else 2))
    found.take(lines.starts.item(first), lines.after(line))


Handler = Callable[[Lines, int, Found], None]
HANDLERS: dict[int, Handler] = {
    ord(sign): handler
    for sign, handler in {
        "`": fence,
        "~": fence,
        "$": formula,
        "\\": formula,
        "<": html,
        "=": underline,
        "|": bars,
        ":": bars,
        "-": dashes,
        **dict.fromkeys("*+>0123456789", nested_fence),
    }.items()
}
