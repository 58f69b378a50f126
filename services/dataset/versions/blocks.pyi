"""Reads rows that Postgres copies out, and picks units, from `c/`.

There is no such module where that was not compiled; `blocks_by_python` does the same.
"""

VERSION: int
"""Of what is called from Python."""

def split(block: object, kinds: str, /) -> tuple[int, list[tuple[int, bytes, bytes, bytes]]]:
    """Whole rows of COPY BINARY, perhaps with the end of all, as columns.

    How many there are, and of each column the number of nulls and the buffers of Arrow: validity, ends (of
    texts), data. A letter of `kinds` is a column: `t` text, `u` a UUID that becomes text, `d` a float of 64
    bits, `i` a whole number of 32 bits that becomes one of 64.

    Raises:
        ValueError: these are no whole rows of such columns, or more than 2 GiB of a column.
    """

def study(
    contents: object, content: object, lineages: object, lineage: object, /
) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]:
    """What contents and lineages, each given as ends and data, say.

    Ends and data of what is asked, and a byte a row that is 1 where this is normalised already (where all
    letters are of `blocks_by_python.PLAIN`); numbers of the facts (int64); ends and data of the ids of
    imports where the row is one of a file, and of the ids of chunks as JSON.
    """

def pick(
    members: object,
    costs: object,
    fact_ends: object,
    facts: object,
    item_ends: object,
    items: object,
    train: object,
    held: object,
    size: int,
    slack: int,
    most: int,
    /,
) -> bytes:
    """Units that leave train (`choosing.Facts.pick`), all in numbers of 64 bits.

    Args:
        members: what there is, in the order in which it is looked at.
        costs: of each unit.
        fact_ends: where the facts of each unit end, from 0.
        facts: the facts that the units ask for.
        item_ends: where the items of each unit end, from 0.
        items: the fact of each item, -1 where unknown; a unit has one item at least.
        train: how many units of train ask for each fact, and 0 for the unknown one; picked units are moved.
        held: how many items that are held out do.
        size: what the units may cost together.
        slack: by how much a unit may be larger than what is left.
        most: most units; -1 for no limit.

    Raises:
        ValueError: a number leads nowhere.
    """
