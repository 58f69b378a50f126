"""The layout of Markdown: CommonMark's headings, code and HTML blocks, GFM tables, formulas, front matter.

Only lines that may open such a block are looked at (https://spec.commonmark.org/0.31.2/).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from services.ingest.outline.formulas import Formulas, formula_end
from services.ingest.outline.html import LITERAL, NAMES, html_end
from services.ingest.outline.layout import (
    Layout,
    Spans,
    Tables,
    Titles,
    array_of,
    glued,
    layout,
    offsets_of,
    titles_at,
)
from services.ingest.outline.lines import NEWLINE, Flags, Ints, Lines, Numbers, one_of
from services.ingest.outline.lists import Lists, is_gap, is_item, is_item_by_numpy, lists_of
from services.ingest.outline.native import scan
from services.ingest.outline.paragraphs import CODE_COLUMNS, NUMBER_SIGN, numbered_levels, paragraph_before
from services.ingest.outline.tables import END, other_lines, table_at

NUMBERED_TITLE = re.compile(r"[ \t]*#{1,6}(?:[ \t\n]|\Z)")
FENCE = re.compile(r"(`{3,}+)[^`\n]*+(?:\n|\Z)|(~{3,}+)[^\n]*+(?:\n|\Z)")
NESTED_FENCE = re.compile(
    r"(?:>[ \t]?|(?:[-*+]|\d{1,9}[.)])[ \t]{1,4})(?:(`{3,})[^`\n]*$|(~{3,}))", re.MULTILINE
)
UNDERLINE = re.compile(r"(?:=+|-+)[ \t]*$", re.MULTILINE)
FRONT = re.compile(r"---[ \t]*\n[A-Za-z_][\w.-]*[ \t]*:")
FRONT_END = re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE)
LINES_AT_ONCE = 1 << 14
"""So many numbers of lines become Python's at once, which are eight times as large."""
LONGEST_FRONT = 100_000
LONGEST_TITLE = 200
"""Every chunk below a heading repeats its title; of a longer one it is the start. `titles.c` has it too."""

NO_LETTER = frozenset(["", " ", "\t"])
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
        formulas: where formulas end.
        underlined: first line, line behind and level of headings over `===` or `---`.
        wholes: things that are not to be cut.
        tables: the tables.
        taken: the blocks inside which nothing else is.
        free: offset behind the last of these.
    """

    lists: Lists
    others: bytes
    opens: bytes
    formulas: Formulas
    underlined: list[tuple[int, int, int]] = field(default_factory=list)
    wholes: Spans = field(default_factory=Spans)
    tables: Tables = field(default_factory=Tables)
    taken: Spans = field(default_factory=Spans)
    free: int = 0

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
    return layout_by_python(lines) if scan is None else layout_by_scan(lines)


def layout_by_scan(lines: Lines) -> Layout:
    """The layout as `scan` finds it, which asks for what is rare."""
    formulas, opens = Formulas(lines), lines.opens.tobytes()
    starting, *columns = scan.blocks(
        lines.text,
        lines.starts,
        lines.firsts,
        lines.indents,
        lines.signs,
        lines.opens,
        is_item(lines),
        front_end(lines.text),
        NAMES,
        LITERAL,
        lambda line, _: formula_end(lines, line, formulas),
        lambda line, free: html_end(lines, line, free, opens),
        lambda place, _: END.match(lines.text, place) is not None,
    )
    titles = Titles(*(np.frombuffer(column, np.int32).astype(np.intp) for column in columns[:3]))
    wholes, tables = Spans(*map(array_of, columns[3:5])), Spans(*map(array_of, columns[5:7]))
    return Layout(
        lines,
        titles,
        np.frombuffer(starting, np.bool_),
        glued(lines, titles),
        wholes,
        Tables(tables, array_of(columns[7])),
    )


def layout_by_python(lines: Lines) -> Layout:
    """The same where nothing is compiled."""
    items, chosen = is_item_by_numpy(lines), candidates(lines)
    is_numbered = lines.signs[chosen] == NUMBER_SIGN
    others, numbered = chosen[~is_numbered], chosen[is_numbered]
    found = Found(lists_of(lines, items), other_lines(lines), lines.opens.tobytes(), Formulas(lines))
    if front := front_end(lines.text):
        found.whole(0, front)
    for first in range(0, len(others), LINES_AT_ONCE):
        part = others[first : first + LINES_AT_ONCE]
        starts, signs = lines.starts[part].tolist(), lines.signs[part].tolist()
        for line, start, sign in zip(part.tolist(), starts, signs, strict=True):
            if start >= found.free:
                HANDLERS[sign](lines, line, found)
    titles = titles_of(lines, numbered, found)
    return layout(lines, titles, found.wholes, found.tables, lines.opens | items)


def candidates(lines: Lines) -> Numbers:
    """Numbers of the lines that may open a heading, a table, a code block, a formula or HTML."""
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


def front_end(text: str) -> int:
    """Offset behind the YAML at the start of a text; 0 if there is none."""
    end = FRONT_END.search(text, 4, LONGEST_FRONT) if FRONT.match(text) else None
    return 0 if end is None else min(end.end() + 1, len(text))


def titles_of(lines: Lines, numbered: Numbers, found: Found) -> Titles:
    """All headings: the underlined ones, and lines that start with `#` outside of other blocks."""
    levels = numbered_levels(lines, numbered)
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
    """The title that the lines of a heading have, or the start of a long one."""
    return whole_title(text)[:LONGEST_TITLE].rstrip()


def whole_title(text: str) -> str:
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
    end = formula_end(lines, line, found.formulas)
    if end >= 0:
        found.whole(lines.starts.item(line), end)


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
