from __future__ import annotations

import pytest

from tests.unit.ingest.cleaning.texts import cleaned


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a \t\nb", "a\nb"),
        ("a\u3000\nb\u00a0", "a\nb"),
        ("a\n\n\n\n\nb", "a\n\n\nb"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("a\n \n\t\n \n \nb", "a\n\n\nb"),
        ("a\u200bb\ufeffc\u2060d", "abcd"),
        ("ex\u00adam\u00adple", "example"),
        ("exam\u00ad\nple", "example"),
        ("a\u00ad", "a"),
        # A joiner that changes nothing goes; one that makes an emoji or a letter's shape stays.
        ("word\u200d \u200cword", "word word"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क\u094d\u200dष", "क\u094d\u200dष"),
        # Two blanks are a line break of Markdown, but only before a line.
        ("a  \nb", "a  \nb"),
        ("a     \nb", "a  \nb"),
        ("a  \n\nb", "a\n\nb"),
        ("a\n```\nb  \n\n\n\n\u200bc \n```\nd ", "a\n```\nb  \n\n\n\n\u200bc \n```\nd"),
    ],
)
def test_what_nobody_sees_goes(text: str, wanted: str) -> None:
    assert cleaned(text, "white_space") == wanted


def test_in_plain_text_two_blanks_mean_nothing() -> None:
    assert cleaned("a  \nb", "white_space", syntax="plain") == "a\nb"
