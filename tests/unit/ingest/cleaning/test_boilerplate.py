from __future__ import annotations

import pytest

from tests.unit.ingest.cleaning.texts import cleaned

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
