"""The lines of a text in one pass, from `scan.c`; there is no such module where that was not compiled."""

def lines(text: str, /) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]:
    """The columns of `Lines` from `starts` on, as bytes."""

class Codes:
    """The code points of a text as a buffer, which is not copied."""

def codes(text: str, /) -> Codes:
    """The code points of a text."""

def items(text: str, firsts: object, /) -> bytes:
    """What `lists.is_item` says of lines, given their first places."""

def openers(text: str, firsts: object, opens: object, /) -> bytes:
    """Which lines `markdown.candidates` names, given what `Lines` has of them."""

def least_sign(text: str, sign: str, start: int, end: int, before: int, /) -> int:
    """Of a sign between two places the one with the least rank, as `breaks.ranks` says; -1 without any.

    Given one of them, `before`, the next one in this order.
    """
