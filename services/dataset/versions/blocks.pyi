"""Reads rows that Postgres copies out, from `c/`; there is no such module where that was not compiled.

`blocks_by_python` does the same.
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
    letters are of ASCII); numbers of the facts (int64); ends and data of the ids of imports where the row is
    one of a file, and of the ids of chunks as JSON.
    """
