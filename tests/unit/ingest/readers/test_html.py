from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest

from services.runtime.errors import InvalidArgument
from tests.unit.ingest.readers.readings import png, read, refusal

NAME = "page.html"
CHINESE = (
    "<title>公告</title><p>退货政策规定，客户在收到商品后三十天内可以退货。退款将在七个工作日内到账。</p>"
)
WORDS = "The warranty covers parts that fail within four years of purchase. " * 5

SHOP = f"""<!DOCTYPE html><html><head><title>Warranty - Shop</title><style>p {{color: red}}</style></head><body>
<div id="cookie-banner">We use cookies. <button>Accept</button></div>
<header><a href="/">Shop</a> <form action="/search"><input name="q"><button>Search</button></form></header>
<nav><ul><li><a href="/a">Home</a><li><a href="/b">Pumps</a></ul></nav>
<main><nav class="breadcrumb"><a href="/">Home</a> &gt; <a href="/w">Warranty</a></nav>
<h1>Warranty <a class="headerlink" href="#w">¶</a></h1><p>{WORDS}</p>
<table><tr><th>part<th>years<tr><td>motor|pump<td>8<br>in the EU</table>
<p style="display:none">hidden words</p><p hidden>more hidden words</p>
<aside>Note: keep the receipt, as it is the only proof that counts.</aside>
<pre><code class="language-sh">pump --start</code></pre>
<p>text<sup><a href="#n1">1</a></sup> \\(x^2\\)</p><ol><li id="n1">the note</li></ol>
</main><aside><ul><li><a href="/1">Other page</a></ul></aside>
<footer>© Shop Ltd <a href="/i">Imprint</a></footer><script>track()</script></body></html>"""


def test_a_page_becomes_its_content(tmp_path: Path) -> None:
    assert read(tmp_path, SHOP, NAME).text == (
        f"# Warranty\n\n{WORDS.strip()}\n\n| part | years |\n| --- | --- |\n| motor\\|pump | 8<br>in the EU |\n\n"
        "Note: keep the receipt, as it is the only proof that counts.\n\n```sh\npump --start\n```\n\n"
        "text[^1] $x^2$\n\n[^1]: the note\n"
    )


def test_a_page_without_main_loses_its_menus_and_nothing_else(tmp_path: Path) -> None:
    menu = "".join(f'<li><a href="/{number}">Menu {number}</a>' for number in range(9))
    page = (
        f"<title>The title</title><body><div class=top><ul>{menu}</ul></div><div class=c><h2>Section</h2><p>{WORDS}</p>"
        f'<p>See <a href="/x">the long list of every part that is covered</a>.</p></div><div id=footer>Imprint</div></body>'
    )
    text = read(tmp_path, page, NAME).text
    assert text.startswith("# The title\n\n## Section\n\nThe warranty") and "Menu" not in text
    assert "[the long list of every part that is covered](/x)" in text and "Imprint" in text


def test_a_page_that_is_a_list_of_links_keeps_them(tmp_path: Path) -> None:
    page = "<ul>" + "".join(f'<li><a href="/{number}">Paper {number}</a>' for number in range(9)) + "</ul>"
    assert read(tmp_path, page, NAME).text.count("Paper") == 9


def test_a_page_within_a_form_is_read(tmp_path: Path) -> None:
    page = f"<form id=aspnetForm><input type=hidden value=x><select><option>EN</select><p>{WORDS}</p></form>"
    assert read(tmp_path, page, NAME).text == WORDS.strip() + "\n"


def test_a_small_main_does_not_hide_the_rest(tmp_path: Path) -> None:
    page = f"<main><p>Short.</p></main><div><p>{WORDS}</p></div>"
    assert read(tmp_path, page, NAME).text == f"Short.\n\n{WORDS.strip()}\n"


def test_several_articles_are_all_read(tmp_path: Path) -> None:
    page = "".join(f"<article><header><h2>Post {n}</h2></header><p>{WORDS}</p></article>" for n in range(3))
    text = read(tmp_path, page, NAME).text
    assert text.count("warranty covers") == 15 and text.count("## Post") == 3


def test_the_title_of_the_page_header_is_kept_as_its_title(tmp_path: Path) -> None:
    page = f"<title>Short - Site</title><header><h1>The full title</h1></header><main><p>{WORDS}</p></main>"
    assert read(tmp_path, page, NAME).text.startswith("# The full title\n\n")


def test_a_header_that_leads_into_the_text_stays(tmp_path: Path) -> None:
    page = f"<header><h1>Title</h1><p>{WORDS[:200]}</p></header><div><p>{WORDS * 9}</p></div>"
    assert read(tmp_path, page, NAME).text.startswith(f"# Title\n\n{WORDS[:200].strip()}\n\nThe warranty")


def test_signs_beside_headings_go(tmp_path: Path) -> None:
    page = f'<h2><a href="#x">§</a>Examples</h2><h2 id=y>More<a href="#y">🔗</a></h2><p>{WORDS}</p>'
    assert read(tmp_path, page, NAME).text.startswith("## Examples\n\n## More\n\n")


def test_time_grows_with_the_page_and_no_faster(tmp_path: Path) -> None:
    def seconds(size: int) -> float:
        page = "<div>" * 150 + "<ul><li><a href=/x>menu</a> words</ul>" * size + "</div>" * 150
        start = time.process_time()
        read(tmp_path, page, NAME)
        return time.process_time() - start

    seconds(10)
    assert seconds(5000) < 40 * seconds(500) + 1


def test_a_page_laid_out_by_tables_is_read_as_blocks(tmp_path: Path) -> None:
    page = f"<table><tr><td><table><tr><td><p>{WORDS}</p></table><td><h2>Right</h2><p>column</p></table>"
    assert read(tmp_path, page, NAME).text == f"{WORDS.strip()}\n\n## Right\n\ncolumn\n"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ('<meta charset="gb2312">', "gb18030"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=big5">', "big5"),
        ("", "gb18030"),
        ('<meta charset="no-such-thing">', "utf-8"),
        ('<meta charset="utf-8">', "gb18030"),
    ],
)
def test_the_encoding_is_what_the_page_says_or_what_fits(tmp_path: Path, head: str, encoding: str) -> None:
    chinese = (
        CHINESE
        if encoding != "big5"
        else CHINESE.translate(str.maketrans("规后内货", "規後內貨"))
        .replace("个", "個")
        .replace("户", "戶")
        .replace("收到商品", "收到商品")
        .replace("账", "帳")
        .replace("款将", "款將")
        .replace("作日", "作日")
    )
    reading = read(tmp_path, f"<html><head>{head}</head>{chinese}</html>".encode(encoding), NAME)
    assert reading.text.startswith("# 公告\n\n退")


def test_pictures_in_the_page_are_kept_and_others_named(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    reading = read(tmp_path, f'<p>a <img src="{uri}" alt="dot"> <img src="/x.png" alt="the pump"></p>', NAME)
    assert reading.text == f"a ![dot](images/{reading.images[0].name}) the pump\n"


def test_letters_of_all_scripts_come_through(tmp_path: Path) -> None:
    text = "عربي עברית é 👩‍👩‍👧 𝛼 ก็ 中文"
    assert read(tmp_path, f"<meta charset=utf-8><p>{text}&rlm;</p>", NAME).text == text + "\u200f\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "TEXT_EMPTY"),
        (b"<html><body><script>x</script></body></html>", "TEXT_EMPTY"),
        (b"<!-- only a comment -->", "TEXT_EMPTY"),
        (b"<p>text \x00 more</p>", "TEXT_BINARY"),
    ],
)
def test_a_page_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_a_page_that_no_memory_holds_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"<b>" * 1_500_001, NAME) == "HTML_TOO_LARGE"
    assert refusal(tmp_path, b" " * 100_000_001, NAME) == "HTML_TOO_LARGE"


def test_a_page_cut_off_anywhere_is_read_or_empty(tmp_path: Path) -> None:
    for end in range(0, len(SHOP), 37):
        try:
            read(tmp_path, SHOP[:end], NAME)
        except InvalidArgument as error:
            assert error.reason == "TEXT_EMPTY"


def test_entities_do_not_swell(tmp_path: Path) -> None:
    page = '<!DOCTYPE html [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><p>x &b; y</p>'
    assert len(read(tmp_path, page, NAME).text) < 100


def test_notes_outside_the_content_come_with_it(tmp_path: Path) -> None:
    raised = '<sup id="r1"><a href="#n1">1</a></sup>'
    page = (
        f"<main><h1>T</h1><p>{'word ' * 40}end{raised}, more<a href='#n2'>*</a>.</p></main>"
        "<div id='n1'><p>First. <a href='#r1'>↩</a></p></div>"
        "<ol><li id='n2'>Second.</li><li id='n3'>Nobody refers to it.</li></ol><footer>FOOT</footer>"
    )
    text = read(tmp_path, page.encode(), NAME).text
    assert text.endswith("word end[^1], more[^2].\n\n[^1]: First.\n\n[^2]: Second.\n")


def test_a_star_that_refers_to_no_note_stays(tmp_path: Path) -> None:
    page = "<p>see<a href='#gone'>*</a></p><h2>Part<a href='#part'>#</a></h2>"
    text = read(tmp_path, page.encode(), NAME).text
    assert text == "see*\n\n## Part\n"
