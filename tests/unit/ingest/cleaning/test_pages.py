from __future__ import annotations

import pytest

from services.ingest.cleaning import clean, moved
from tests.unit.ingest.cleaning.texts import ALL, ENGLISH_BODIES, LOGO, PLAN, cleaned, pages_of

CHINESE_BODIES = [
    "# 总则\n\n为了规范退货管理，保障消费者的合法权益，根据有关法律法规的规定，结合本公司的实际情况，制定\n"
    "本办法，本办法适用于公司的全部门店和网上商城，各个部门应当严格执行，不得擅自变更其中的条款，\n"
    "有疑问的应当及时反映。\n\n退货应当自签收之日起三十日内提出，",
    "逾期不予受理。\n\n| 品类 | 期限 |\n|---|---|\n| 家电 | 15 |",
    "# 第1章 申请\n\n申请人应当提交第 3 页的表格。",
    "# 第2章 审核\n\n审核须在 7 个工作日内完成。",
    "# 第3章 退款\n\n退款原路返回。",
]


def test_a_report_loses_its_running_lines_and_page_numbers_and_nothing_else() -> None:
    reading = pages_of(
        ENGLISH_BODIES,
        f"{LOGO}\nACME Corporation | Annual Report 2023 | {{}}",
        "Confidential. Do not copy without permission.\nPage {} of 10",
    )
    changes = clean(reading.text, reading.page_starts, ALL, "markdown")
    after = moved(reading, changes)
    bodies = "\n\n".join(ENGLISH_BODIES)
    mended = (
        bodies.replace("informa-\ntion", "information")
        .replace("self-\nemployed", "self-employed")
        .replace("sold them in\n\ntwelve", "sold them in twelve")
        .replace("gath-\nered", "gathered")
        .replace("in-\nsured", "insured")
    )
    assert after.text == mended + "\n"
    firsts = [body.split("\n")[0].split()[0] for body in ENGLISH_BODIES]
    for start, first in zip(after.page_starts, firsts, strict=True):
        assert after.text.startswith(first, start)
    [plan] = after.images
    assert after.text[plan.char_start : plan.char_end] == PLAN


def test_a_chinese_report_loses_its_running_lines_and_page_numbers_and_nothing_else() -> None:
    reading = pages_of(CHINESE_BODIES, "某某公司退货管理办法", "第 {} 页 共 5 页")
    after = moved(reading, clean(reading.text, reading.page_starts, ALL, "markdown"))
    mended = (
        "\n\n".join(CHINESE_BODIES)
        .replace("，制定\n本办法", "，制定本办法")
        .replace("条款，\n有", "条款，有")
        .replace("提出，\n\n逾期", "提出，逾期")
    )
    assert after.text == mended + "\n"
    assert len(after.page_starts) == 5


@pytest.mark.parametrize(
    ("head", "foot"),
    [
        ("{}", "The Mill"),
        ("- {} -", "The Mill"),
        ("The Mill", "{}"),
        ("The Mill    {}", "The Mill"),
        ("{} | The Mill", "Draft of 2023-01-05, not for sale"),
        ("# The Mill", "**Page {}**"),
        ("第{}页", "磨坊年鉴"),
        ("第 {} 页/共 10 页", "磨坊年鉴"),
        ("[{}]", "— {} —"),
    ],
)
def test_running_lines_of_every_shape_go(head: str, foot: str) -> None:
    bodies = [
        f"The {word} stone was turned by water." for word in ["first", "second", "third", "fourth", "fifth"]
    ]
    reading = pages_of(bodies, head, foot)
    assert cleaned(reading.text, pages=reading.page_starts) == "\n\n".join(bodies) + "\n"


def test_left_and_right_pages_have_running_lines_of_their_own() -> None:
    bodies = [
        f"The {word} stone." for word in ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]
    ]
    text, starts = "", []
    for number, body in enumerate(bodies, 1):
        starts.append(len(text))
        text += f"{f'{number} The Mill' if number % 2 else f'Part One: Stones {number}'}\n\n{body}\n\n"
    assert cleaned(text, pages=starts) == "\n\n".join(bodies) + "\n\n"


def test_roman_page_numbers_go() -> None:
    numerals = ["iii", "iv", "v", "vi", "vii", "viii", "ix", "x"]
    text, starts = "", []
    for numeral in numerals:
        starts.append(len(text))
        text += f"A page of the preface, with {len(numeral)} letters.\n\n{numeral}\n\n"
    after = cleaned(text, "page_numbers", pages=starts)
    assert not any(line in numerals for line in after.split("\n"))


@pytest.mark.parametrize(
    ("head", "foot"),
    [
        ("# Chapter {}", "The end of a chapter and more words."),
        ("第{}章", "每章各有一句不同的话。"),
        ("Question {}", "Answer in one word."),
        ("Table {}", "Source: own data."),
        ("附图 {}", "比例尺一比一百。"),
    ],
)
def test_headings_that_count_on_every_page_stay(head: str, foot: str) -> None:
    bodies = [
        f"The {word} stone was turned by water." for word in ["first", "second", "third", "fourth", "fifth"]
    ]
    reading = pages_of(bodies, head, foot)
    after = cleaned(reading.text, pages=reading.page_starts)
    for number in range(1, 6):
        assert head.format(number) in after


def test_forms_that_are_filled_in_stay_whole() -> None:
    pages = [
        f"Name\n{name}\n\nQuestions\n\nAre you well?\n\nDo you sleep?\n\nDo you eat?\n\nSigned in Leeds\n\n"
        for name in ("Ann", "Bob", "Cid", "Dee", "Eve")
    ]
    starts = [sum(map(len, pages[:number])) for number in range(5)]
    after = cleaned("".join(pages), pages=starts)
    for line in ("Are you well?", "Do you sleep?", "Do you eat?", "Ann", "Eve"):
        assert line in after


def test_sentences_that_recur_at_the_end_of_pages_stay() -> None:
    pages = [
        f"Letter to {name}\nWe thank you for your order of the {name} model,\nwhich we shall send\nwithin ten days.\n\n"
        for name in ("Ann", "Bob", "Cid", "Dee", "Eve")
    ]
    starts = [sum(map(len, pages[:number])) for number in range(5)]
    assert cleaned("".join(pages), "repeated_lines", pages=starts).count("within ten days.") == 5


def test_numbers_that_count_no_pages_stay() -> None:
    pages = ["Total\n\n17\n\n", "Total of the year\n\n4\n\n", "Sum\n\n90\n\n", "All\n\n2\n\n"]
    starts = [sum(map(len, pages[:number])) for number in range(4)]
    assert cleaned("".join(pages), pages=starts) == "".join(pages)


def test_without_pages_only_numbers_told_in_words_go() -> None:
    text = "One.\n\nPage 1 of 3\n\nTwo.\n\n17\n\nPage 2 of 3\n\nThree.\n\nPage 3 of 3\n"
    after = cleaned(text, "page_numbers")
    assert "Page" not in after
    assert "17" in after
    assert cleaned("One.\n\nPage 9 of 12\n\nTwo.", "page_numbers") == "One.\n\nPage 9 of 12\n\nTwo."


@pytest.mark.parametrize("foot", ["### Page {}", "## Page {} of 5", "# 第 {} 页", "# ACME Report, page {}"])
def test_a_footer_that_was_taken_for_a_heading_goes_too(foot: str) -> None:
    bodies = [f"# Part {letter}\n\nThe mill {letter} burned down." for letter in "ABCDE"]
    reading = pages_of(bodies, "## ACME Confidential", foot)
    after = moved(reading, clean(reading.text, reading.page_starts, ALL, "markdown"))
    assert after.text == "\n\n".join(bodies) + "\n"


@pytest.mark.parametrize("head", ["# Experiment {}", "## {}", "# Q{} results", "# Chapter {}"])
def test_a_heading_that_counts_something_else_than_pages_stays(head: str) -> None:
    reading = pages_of(ENGLISH_BODIES, head, "Page {}")
    after = moved(reading, clean(reading.text, reading.page_starts, ALL, "markdown"))
    assert [head.format(number) in after.text.split("\n") for number in range(1, 6)] == [True] * 5
