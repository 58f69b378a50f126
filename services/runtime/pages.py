"""Keyset paging: a token holds the sort key of a page's last row, and a digest of it and of the filter."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.runtime.errors import InvalidArgument

T = TypeVar("T")

DEFAULT_SIZE = 100
LARGEST_SIZE = 1000
LARGEST_BYTES = 2**20
"""Bytes of text after which a page ends; clients in other languages take messages of 4 MiB."""


@dataclass(frozen=True)
class PageRequest:
    """Which page is wanted.

    Args:
        size: rows on the page, 1 to 1000.
        after: sort key of the last row of the page before; empty for the first page.
        filter_digest: digest of the filter, which must not change between pages.
    """

    size: int
    after: tuple[str, ...]
    filter_digest: str

    @property
    def limit(self) -> int:
        """Rows to fetch: one more than the page holds, to see whether another page follows."""
        return self.size + 1


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of rows, and the token of the next; the token is empty at the end."""

    rows: list[T]
    next_token: str


def page_request(size: int, token: str, *filters: object) -> PageRequest:
    """Read page size and token (https://google.aip.dev/158).

    Raises:
        InvalidArgument: the token is not ours, or belongs to another filter.
    """
    digest = digest_of(*filters)
    after = decode(token, digest) if token else ()
    return PageRequest(min(size or DEFAULT_SIZE, LARGEST_SIZE), after, digest)


def page_of(
    rows: Sequence[T],
    request: PageRequest,
    key: Callable[[T], tuple[object, ...]],
    size_bytes: Callable[[T], int] = lambda row: 0,
) -> Page[T]:
    """Cut fetched rows to a page.

    Args:
        rows: `request.limit` rows, or fewer at the end.
        request: what was asked for.
        key: sort key of a row.
        size_bytes: about how large a row is in an answer, where rows can be large.
    """
    shown = list(rows[: fitting(rows[: request.size], size_bytes)])
    if len(shown) == len(rows):
        return Page(shown, "")
    return Page(shown, next_token(request, *key(shown[-1])))


def next_token(request: PageRequest, *key: object) -> str:
    """The token of the page that goes on after the row with this sort key."""
    after = [str(part) for part in key]
    text = json.dumps([digest_of(request.filter_digest, *after), *after])
    return base64.urlsafe_b64encode(text.encode()).decode()


def fitting(rows: Sequence[T], size_bytes: Callable[[T], int]) -> int:
    """How many of the first rows fit into one answer: at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += size_bytes(row)
        if count and total > LARGEST_BYTES:
            return count
    return len(rows)


def digest_of(*parts: object) -> str:
    """A short digest, which tells a changed token from ours; it keeps no secret."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def decode(token: str, filter_digest: str) -> tuple[str, ...]:
    """The sort key inside a token."""
    try:
        found, *after = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error, TypeError):
        found, after = "", []
    if found != digest_of(filter_digest, *after):
        raise InvalidArgument(
            "PAGE_TOKEN_INVALID",
            "the page token does not belong to this list and filter; start again without one",
            "page_token",
        )
    return tuple(after)
