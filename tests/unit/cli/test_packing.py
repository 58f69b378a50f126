"""Values with parts stand in few lines, and can be told apart."""

from __future__ import annotations

from typing import Any

import pytest

from sishu.cli.packing import packed


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"kinds": {"sft": "72"}, "empty": {}}, ["{kinds: {sft: 72}, empty: {}}"]),
        (
            {"state": "JOB_STATE_SUCCEEDED", "counts": {"total": "1", "done": "1"}, "texts": ["a, b", "", "[x]"]},
            ["state: JOB_STATE_SUCCEEDED", "counts: {total: 1, done: 1}", 'texts: ["a, b", "", "[x]"]'],
        ),
        (
            {"quantiles": [{"share": 0.01, "length": "22"}] * 3},
            ["quantiles:", *["  - {share: 0.01, length: 22}"] * 3],
        ),
        (["one", "two", "three"] * 3, ["- one, two, three, one, two, three, one", "- two, three"]),
        ([{"text": "so long that it has a line", "of": 1234567890}] * 2,
         ["- text: so long that it has a line", "  of: 1234567890"] * 2),
        ({"text": "a text that is longer than any line, and stays whole"},
         ['text: "a text that is longer than any line, and stays whole"']),
        ({"text": "two\nlines that are longer than any line at all"},
         ['text: "two\\nlines that are longer than any line at all"']),
    ],
)  # fmt: skip
def test_what_fits_on_a_line_stands_on_one(value: Any, lines: list[str]) -> None:
    assert list(packed(value, 40)) == lines
