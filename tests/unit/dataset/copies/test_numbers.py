"""Numbers are the same number however they are written."""

from __future__ import annotations

import pytest

from services.dataset.copies.numbers import in_digits


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("nineteen eighty-seven", "1987"),
        ("Two hundred and five of Them", "205 of them"),
        ("two thousand five hundred and twelve", "2512"),
        ("three million two hundred thousand", "3200000"),
        ("nineteen hundred", "1900"),
        ("twenty twenty-five", "2025"),
        ("five and six, forty two three", "5 and 6, 42 3"),
        ("one of the herons often weighs", "one of the herons often weighs"),
        ("1,234,567 or 12,34", "1234567 or 12,34"),
        ("一九八七年", "1987年"),
        ("三百零五个", "305个"),
        ("十二只和两千零二十五只", "12只和2025只"),
        ("一亿二千万", "120000000"),
        ("万一三三两两，千万一起", "万一三三两两，千万一起"),
        ("no numbers, 没有数字", "no numbers, 没有数字"),
    ],
)
def test_numbers_become_digits(text: str, wanted: str) -> None:
    assert in_digits(text) == wanted
