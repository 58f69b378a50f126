from __future__ import annotations

import pytest

from services.ingest.outline import headings_of, layout_of


def titles(text: str) -> list[tuple[int, str]]:
    return [(one.level, one.title) for one in headings_of(text, "plain")[0]]


def test_chapters_and_sections_of_chinese_books_are_headings() -> None:
    text = "第一编 总则\n\n第一章 基本规定\n\n第一条 为了保护权益，制定本法。\n\n第二节　范围\n内容在这里。\n\n第十二章 附则\n\n内容。\n"
    assert titles(text) == [
        (1, "第一编 总则"),
        (2, "第一章 基本规定"),
        (3, "第二节　范围"),
        (2, "第十二章 附则"),
    ]


def test_chinese_numbering_makes_headings() -> None:
    text = "一、概述\n内容。\n（一）目的\n内容。\n二、方法\n三、这是一个句子，所以它不是标题。\n"
    assert titles(text) == [(1, "一、概述"), (2, "（一）目的"), (1, "二、方法")]


def test_chapters_parts_and_capitals_of_english_books_are_headings() -> None:
    text = "PART II\n\nChapter 3: The House\n\nText is here.\n\nTHE LONG WAY HOME\n\nChapter one was good, he said.\n\nCHAPTER IV\n\nx\n"
    assert titles(text) == [
        (1, "PART II"),
        (2, "Chapter 3: The House"),
        (2, "THE LONG WAY HOME"),
        (2, "CHAPTER IV"),
    ]


def test_numbered_titles_are_headings_and_lists_and_numbers_are_none() -> None:
    text = "1. Introduction\n\nText.\n\n1.1 Scope\n\nText.\n\n1.2.3 Deep\n\n3.14 is a number.\n\n7. Wash the dishes\n"
    assert titles(text) == [(1, "1. Introduction"), (2, "1.1 Scope"), (3, "1.2.3 Deep")]
    assert titles("1. Buy milk\n\n2. Wash the dishes\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "# comment\n",
        "```\ncode\n```\n",
        "Title\n=====\n",
        "OK.\n",
        "I AM HERE!\n",
        "2024-01-02 12:00 INFO x\n",
    ],
)
def test_marks_of_markdown_and_sentences_are_no_headings_of_plain_text(text: str) -> None:
    assert titles(text) == []


def test_plain_text_has_no_code_blocks_or_tables() -> None:
    layout = layout_of("```\na\n\nb\n```\n| a |\n|---|\n", "plain")
    assert not layout.wholes
    assert not layout.tables
