"""Lines, blocks and cuts of texts, from `c/`; there is no such module where that was not compiled.

Where Python has objects with a buffer, these hold C's `int` or single bytes.
"""

from collections.abc import Callable

VERSION: int
"""Of what is called from Python."""

Asked = Callable[[int, int], int]
"""What is asked for in rare cases."""

def lines(text: str, /) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]:
    """The columns of `Lines` from `starts` on, as bytes."""

class Codes:
    """The code points of a text as a buffer, which is not copied."""

def codes(text: str, /) -> Codes:
    """The code points of a text."""

def items(text: str, firsts: object, /) -> bytes:
    """What `lists.is_item` says of lines, given their first places."""

def blocks(
    text: str,
    starts: object,
    firsts: object,
    indents: object,
    signs: object,
    opens: object,
    items: object,
    front: int,
    names: frozenset[str],
    literals: frozenset[str],
    formula_end: Asked,
    html_end: Asked,
    ends_table: Asked,
    /,
) -> tuple[bytes, ...]:
    """The layout of a Markdown text: columns of `starting`, `titles`, `wholes`, `tables`.

    Args:
        text: the text.
        starts: of its `Lines`, as are the next.
        firsts: the same.
        indents: the same.
        signs: the same.
        opens: the same.
        items: which lines start an item.
        front: offset behind the front matter.
        names: of the HTML blocks that end at a blank line.
        literals: of those that end with their closing tag.
        formula_end: offset behind a formula, by the line that may open one; -1 for none.
        html_end: the same of an HTML block, by line and the offset behind the block before.
        ends_table: whether HTML at a place is no row of a table.
    """

def titles(text: str, starts: object, /) -> tuple[bytes, list[str]]:
    """For lines that are headings, by where they start: where each ends, and `markdown.title_at` of it."""

def tenths(text: str, kinds: object, places: object, /) -> bytes:
    """Tenths of tokens that start before each of some ascending places, as C's `int64_t`.

    Args:
        text: the text.
        kinds: `tokens.kind_table`.
        places: the places.
    """

def least_sign(text: str, sign: str, start: int, end: int, before: int, /) -> int:
    """Of a sign between two places the one with the least rank, as `breaks.ranks` says; -1 without any.

    Given one of them, `before`, the next one in this order.
    """

def least_place(text: str, places: object, levels: object, first: int, last: int, /) -> int:
    """Of some places the number of the one with the least hash, as `structure.Places` says."""

def cuts(
    text: str,
    titles: object,
    levels: object,
    blocks: object,
    rows: object,
    edges: object,
    special: object,
    whole_starts: object,
    whole_ends: object,
    openings: str,
    endings: str,
    sizes: tuple[int, int, int],
    longest: int,
    start: int,
    end: int,
    sentence_start: Callable[[str, int, int], int],
    thing_at: Asked,
    cut_inside: Asked,
    /,
) -> bytes:
    """Where the chunks of a part of a text end.

    Args:
        text: the text.
        titles: places before headings.
        levels: of each.
        blocks: places before other blocks.
        rows: places before rows.
        edges: of the `Inner` of the plan.
        special: the same.
        whole_starts: of the things that are not to be cut.
        whole_ends: the same.
        openings: signs that open such things inside of a paragraph.
        endings: the last three letters of abbreviations.
        sizes: of the smallest chunk, a good one, the largest.
        longest: a larger thing does not stay whole.
        start: start of the part.
        end: its end.
        sentence_start: where the sentence behind a full stop starts.
        thing_at: whether a thing is around a place, by the number of the edge of its paragraph.
        cut_inside: where a chunk ends in all other cases, by its start and the end of the part.
    """
