from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import InvalidArgument
from services.runtime.pages import PageRequest, page_of, page_request

PROJECT = "a project"


def first_page(size: int = 2) -> PageRequest:
    return page_request(size, "", PROJECT)


def token_of(*key: str) -> str:
    return page_of([key, ("next",)], first_page(1), lambda row: row).next_token


def test_a_page_request_without_size_asks_for_100_rows_and_never_for_more_than_1000() -> None:
    assert page_request(0, "").size == 100
    assert page_request(5000, "").size == 1000
    assert page_request(7, "").limit == 8


def test_the_last_page_has_no_token() -> None:
    assert page_of(["a", "b"], first_page(), lambda row: (row,)).next_token == ""


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_a_token_gives_back_the_key_of_the_last_row_shown(key: list[str]) -> None:
    token = token_of(*key)
    assert page_request(2, token, PROJECT).after == tuple(key)


def test_rows_beyond_the_page_are_cut_off() -> None:
    page = page_of(["a", "b", "c"], first_page(), lambda row: (row,))
    assert page.rows == ["a", "b"]
    assert page_request(2, page.next_token, PROJECT).after == ("b",)


def test_a_token_of_another_filter_is_refused() -> None:
    with pytest.raises(InvalidArgument) as raised:
        page_request(2, token_of("a"), "another project")
    assert raised.value.reason == "PAGE_TOKEN_INVALID"
    assert raised.value.field == "page_token"


@pytest.mark.parametrize(
    "token", ["x", "ää", "!!!", "bnVsbA==", "W10=", "MTI=", base64.urlsafe_b64encode(b"\xff\xfe").decode()]
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument, match="start again without one"):
        page_request(2, token, PROJECT)


def test_a_token_whose_key_was_changed_is_refused() -> None:
    digest, _ = json.loads(base64.urlsafe_b64decode(token_of("a")))
    forged = base64.urlsafe_b64encode(json.dumps([digest, "'; DROP TABLE"]).encode()).decode()
    with pytest.raises(InvalidArgument) as raised:
        page_request(2, forged, PROJECT)
    assert raised.value.reason == "PAGE_TOKEN_INVALID"
