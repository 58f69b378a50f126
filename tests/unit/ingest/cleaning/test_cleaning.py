from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.ingest.cleaning import RULES, Edit, apply, clean, diff, moved
from services.ingest.cleaning.edits import Places
from services.ingest.readers.reading import Image, Reading
from services.runtime.errors import InvalidArgument

ALL = tuple(RULES)
LOGO = "![ACME](images/0123456789abcdef.png)"
PLAN = "![plan](images/fedcba9876543210.png)"

ENGLISH_BODIES = [
    "# Report of the year\n\nThe company made informa-\ntion systems for self-\nemployed craftsmen and sold them in",
    "twelve countries. The information was gath-\nered by hand.\n\n| Region | Sales |\n|---|---|\n| North | 12 |",
    "# Part 1\n\n```python\nname = 'ACME Corporation'   \n\n\n\n# Page 3\n```\n\nThe program prints a name.",
    "# Part 2\n\nThe energy is\n\n$$\nE = mc^2\n$$\n\nand nothing else.",
    f"# Part 3\n\n{PLAN}\n\nThe plan of the mill.",
    "# Part 4\n\nIn 2019 the mill burned down. It was in-\nsured for 40 million francs.",
    "# Part 5\n\n1. Open the valve.\n2. Wait for 3 minutes.\n3. Close the valve.",
    "# Part 6\n\nConfidential papers are kept in the safe of the annual report's author.",
    "# Part 7\n\nThe board thanked all workers. Page 9 of the statute was changed.",
    "# Part 8\n\nNext year will be better.",
]
CHINESE_BODIES = [
    "# 总则\n\n为了规范退货管理，保障消费者的合法权益，根据有关法律法规的规定，结合本公司的实际情况，制定\n"
    "本办法，本办法适用于公司的全部门店和网上商城，各个部门应当严格执行，不得擅自变更其中的条款，\n"
    "有疑问的应当及时反映。\n\n退货应当自签收之日起三十日内提出，",
    "逾期不予受理。\n\n| 品类 | 期限 |\n|---|---|\n| 家电 | 15 |",
    "# 第1章 申请\n\n申请人应当提交第 3 页的表格。",
    "# 第2章 审核\n\n审核须在 7 个工作日内完成。",
    "# 第3章 退款\n\n退款原路返回。",
]


def pages_of(bodies: Sequence[str], head: str, foot: str) -> Reading:
    """A document as a PDF reader gives it: every page with its running lines, two line ends between pages."""
    text, starts = "", []
    for number, body in enumerate(bodies, 1):
        starts.append(len(text))
        text += f"{head.format(number)}\n\n{body}\n\n{foot.format(number)}\n\n"
    text = text.rstrip() + "\n"
    digest = hashlib.sha256(b"").hexdigest()
    images = [
        Image(reference[-25:-1], "image/png", 0, digest, place, place + len(reference))
        for reference in (LOGO, PLAN)
        for place in range(len(text))
        if text.startswith(reference, place)
    ]
    return Reading(text, tuple(starts), images=tuple(sorted(images, key=lambda image: image.char_start)))


def cleaned(text: str, *rules: str, pages: Sequence[int] = (), syntax: str = "markdown") -> str:
    edits = clean(text, pages, rules or ALL, syntax)
    after = moved(Reading(text, pages, syntax=syntax), edits)
    assert clean(after.text, after.page_starts, rules or ALL, syntax) == []
    return after.text


def test_a_report_loses_its_running_lines_and_page_numbers_and_nothing_else() -> None:
    reading = pages_of(
        ENGLISH_BODIES,
        f"{LOGO}\nACME Corporation | Annual Report 2023 | {{}}",
        "Confidential. Do not copy without permission.\nPage {} of 10",
    )
    edits = clean(reading.text, reading.page_starts, ALL, "markdown")
    after = moved(reading, edits)
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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # The joined word stands elsewhere.
        ("The infor-\nmation. Information is all.", "The information. Information is all."),
        # The parts are no words.
        ("He was in-\nsured.", "He was insured."),
        ("Die Versi-\ncherung zahlt.", "Die Versicherung zahlt."),
        ("une déci-\nsion", "une décision"),
        # A compound that stands elsewhere, or is known to be one.
        ("A data-\nflow. The data-flow is here.", "A data-flow. The data-flow is here."),
        ("A well-\nknown man.", "A well-known man."),
        ("The self-\nemployed.", "The self-employed."),
        ("The Franco-\nPrussian war.", "The Franco-Prussian war."),
        (
            "A state-of-\nthe-art mill. The state-of-the-art mill.",
            "A state-of-the-art mill. The state-of-the-art mill.",
        ),
        ("A decision of the decision-\nmaking board.", "A decision of the decision-making board."),
        # Both parts are words, and nothing says what is meant.
        ("The data-\nbase. The data is the base.", "The data-\nbase. The data is the base."),
        # The hyphen stands for a word.
        ("The pre-\nand post-war years.", "The pre-\nand post-war years."),
        ("Haupt-\nund Nebensatz", "Haupt-\nund Nebensatz"),
        # No word is broken.
        ("The years 2020-\n2021 were hard.", "The years 2020-\n2021 were hard."),
        ("See https://a.example/some-\nthing here.", "See https://a.example/some-\nthing here."),
        ("- a\n- b", "- a\n- b"),
        ("a -\nb", "a -\nb"),
        ("exam-\n\nple", "exam-\n\nple"),
        # A soft hyphen is no other sign.
        ("The data\u00ad\nbase of the data.", "The database of the data."),
        # Code, tables and formulas.
        ("```\nexam-\nple\n```", "```\nexam-\nple\n```"),
        ("~~~\nexam-\nple", "~~~\nexam-\nple"),
        ("$$\nexam-\nple\n$$", "$$\nexam-\nple\n$$"),
        ("\\[\nexam-\nple\n\\]", "\\[\nexam-\nple\n\\]"),
        ("| exam-\nple |", "| exam-\nple |"),
        ("a | exam-\n---|---\nple | b", "a | exam-\n---|---\nple | b"),
    ],
)
def test_broken_words_are_joined_where_the_text_says_so(text: str, wanted: str) -> None:
    assert cleaned(text, "hyphenation") == wanted


def test_a_word_broken_by_a_page_is_joined_and_the_page_starts_inside_it() -> None:
    text = "A long exam-\n\nple of words."
    edits = clean(text, [0, 14], ["hyphenation"], "markdown")
    after = moved(Reading(text, (0, 14)), edits)
    assert after.text == "A long example of words."
    assert after.text[after.page_starts[1] :] == "ple of words."


ENGLISH_SITE = """Skip to main content

- [Home](/)
- [Search](/search)
- [Log in](/login)

Home > Help > Returns

We use cookies to give you the best experience. By clicking Accept you agree.

[Accept all cookies](#)

# Returns

Home is where the search for cookies ends. Goods are returned within 30 days.

Search

Use the field above.

Share this article: Facebook | Twitter | LinkedIn

Print this page

© 2021 ACME Ltd.

Back to top

© 2022 ACME Ltd.

All rights reserved.
"""
ENGLISH_PAGE = """# Returns

Home is where the search for cookies ends. Goods are returned within 30 days.

Search

Use the field above.

© 2021 ACME Ltd.

All rights reserved.
"""
CHINESE_SITE = """跳转到主要内容

首页

关于我们

联系我们

您当前的位置：首页 > 帮助 > 退货

本网站使用 Cookie 以改善您的体验。

# 退货办法

字号：大 中 小 【打印】【关闭】

退货应当自签收之日起三十日内提出。

首页

上有入口。

分享到：微信 微博 QQ空间

返回顶部

版权所有 © 2023 某某公司

扫一扫关注我们的公众号

版权所有 © 2024 某某公司
"""
CHINESE_PAGE = """# 退货办法

退货应当自签收之日起三十日内提出。

首页

上有入口。

版权所有 © 2023 某某公司

"""


@pytest.mark.parametrize(
    ("site", "page"), [(ENGLISH_SITE, ENGLISH_PAGE), (CHINESE_SITE, CHINESE_PAGE)], ids=["en", "zh"]
)
def test_a_web_page_loses_what_belongs_to_the_site(site: str, page: str) -> None:
    assert cleaned(site) == page


def test_a_table_of_contents_goes_where_its_titles_stand_again_and_else_loses_its_dots() -> None:
    text = (
        "Contents\n\n1. Water ............ 1\n2. Stone . . . . . . 12\n3.1 Wind …… 20\nMissing chapter ...... 30\n\n"
        "# 1. Water\n\nText.\n\n# 2. Stone\n\nText.\n\n# Wind\n\nText.\n\nRevenue ........ 1,234\nCosts ....... 900\n"
    )
    after = cleaned(text, "boilerplate")
    assert after == (
        "Contents\n\nMissing chapter 30\n\n"
        "# 1. Water\n\nText.\n\n# 2. Stone\n\nText.\n\n# Wind\n\nText.\n\nRevenue 1,234\nCosts 900\n"
    )


@pytest.mark.parametrize(
    "line",
    [
        "This page intentionally left blank",
        "[This page is intentionally left blank.]",
        "（本页无正文）",
        "本页故意留白",
        "此页空白",
    ],
)
def test_pages_left_blank_go(line: str) -> None:
    assert cleaned(f"Before.\n\n{line}\n\nAfter.\n") == "Before.\n\nAfter.\n"


@pytest.mark.parametrize(
    "text",
    [
        "Wait ... 5",
        "He said... no.",
        "Cookies are baked for 12 minutes.",
        "We use a cookie cutter.",
        "Copyright law protects authors.\n\nCopyright is a right.",
        "Home\n\nSearch\n\nThe two commands.",
        "# Home\n\n# Menu\n\n# Search\n\nThree headings.",
        "分享是一种美德。",
        "首页是第一页。",
    ],
)
def test_what_only_looks_like_boilerplate_stays(text: str) -> None:
    assert cleaned(text, "boilerplate") == text


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


def test_source_code_is_not_cleaned() -> None:
    assert clean("a = 1   \n\n\n\n\nb = 2\n", (), ALL, "python") == []


def test_a_text_that_would_be_empty_stays() -> None:
    text = "Home\n\nMenu\n\nSearch\n"
    assert clean(text, (), ALL, "markdown") == []
    assert clean("1\n\n2\n\n3\n\n", (0, 3, 6), ALL, "markdown") == []
    assert clean("", (), ALL, "markdown") == []


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(InvalidArgument, match="'spelling' is no cleaning rule; use some of page_numbers"):
        clean("a", (), ["spelling"], "markdown")


def test_a_page_without_any_other_line_stays_as_an_empty_page() -> None:
    bodies = ["One stone was here.", "", "Two were there.", "Three came late.", "Four are gone."]
    reading = pages_of(bodies, "The Mill", "{}")
    after = moved(reading, clean(reading.text, reading.page_starts, ALL, "markdown"))
    assert after.text.split() == " ".join(bodies).split()
    assert len(after.page_starts) == 5
    assert after.page_at(after.text.index("Two")) == 3


def test_rows_and_pictures_that_are_removed_go_and_others_move() -> None:
    text = f"Menu\n\nabc\n\n| a |\n|---|\n| 1 |\n| 2 |\n\n{PLAN} end"
    plan = Image(PLAN[-25:-1], "image/png", 0, "", text.index("!["), text.index(" end"))
    reading = Reading(text, (0, 6), (text.index("| 1"), text.index("| 2")), images=(plan,))
    edits = [
        Edit(0, 6, "", "r"),
        Edit(text.index("| 1"), text.index("| 2"), "", "r"),
        Edit(plan.char_start, plan.char_start, "The ", "r"),
    ]
    after = moved(reading, edits)
    assert after.page_starts == (0, 0)
    assert after.row_starts == (after.text.index("| 2"),)
    assert after.text[after.images[0].char_start : after.images[0].char_end] == PLAN
    broken = moved(reading, [Edit(plan.char_start + 2, plan.char_start + 3, "", "r")])
    assert broken.images == ()
    assert (
        replace(after, text=text, page_starts=(0, 6), row_starts=reading.row_starts, images=(plan,))
        == reading
    )


def test_places_are_found_before_and_behind_edits() -> None:
    places = Places([Edit(2, 4, "xyz", "r"), Edit(6, 6, "in", "r")])
    assert [places.of(offset) for offset in range(9)] == [0, 1, 2, 5, 5, 6, 7, 10, 11]
    assert places.are_kept(4, 6)
    assert not places.are_kept(3, 5)
    assert not places.are_kept(5, 7)


def test_a_diff_has_what_a_person_needs_to_see() -> None:
    text = "The infor-\nmation is here."
    [change] = diff(text, clean(text, (), ALL, "markdown"), context=4)
    assert (change.before, change.removed, change.added, change.after) == ("nfor", "-\n", "", "mati")
    assert change.rule == "hyphenation"


def test_the_time_of_cleaning_grows_with_the_text_only() -> None:
    def seconds(copies: int) -> float:
        reading = pages_of(ENGLISH_BODIES * copies, "ACME | {}", "Page {}")
        started = time.perf_counter()
        edits = clean(reading.text, reading.page_starts, ALL, "markdown")
        took = time.perf_counter() - started
        assert len(edits) > 20 * copies
        assert apply(reading.text, edits).count("| North | 12 |") == copies
        return took

    seconds(2)
    assert min(seconds(80) for _ in range(3)) < 24 * min(seconds(10) for _ in range(3))
