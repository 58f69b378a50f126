from __future__ import annotations

import pytest

from tests.unit.ingest.cleaning.texts import cleaned

WRAPPED = """The mill stands on the river, and its wheel turns day and night; the
water that drives it comes from a lake in the hills, two miles away,
through a channel that monks dug.
"""


def test_wrapped_paragraphs_are_joined() -> None:
    assert cleaned(WRAPPED, "line_breaks") == WRAPPED[:-1].replace("\n", " ") + "\n"
    short = "It was opened in the year nineteen hundred and one, when the king\ncame.\n"
    after = cleaned(f"{WRAPPED}\n{short}", "line_breaks")
    assert after.endswith("when the king came.\n")
    assert cleaned(short, "line_breaks") == short


@pytest.mark.parametrize(
    "text",
    [
        "The road not taken by me,\nand that\nhas made all the difference.\n",
        "ACME Ltd.\n12 Mill Road\nLeeds\n",
        "- The mill stands on the river, and its wheel turns day and night; the\n- water that drives it comes from a lake in the hills, two miles away\n- through a channel that monks dug.\n",
        WRAPPED.replace("the\n", "the  \n"),
        WRAPPED.replace("the\n", "the\\\n"),
        f"```\n{WRAPPED}```\n",
        WRAPPED + "===\n",
    ],
)
def test_line_breaks_that_are_meant_stay(text: str) -> None:
    assert cleaned(text, "line_breaks") == text
