"""What of a page is content though it looks like a menu, a form or an edge of the page, and what is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.unit.ingest.readers.readings import read

NAME = "page.html"
LINE = "<p>The warranty covers parts that fail within four years of purchase.</p>"
LONG = LINE * 20
CASES = {
    "accordion": (
        '<main><h1>Help</h1><h2><button class="accordion-button">How do I return it?</button></h2>'
        "<div><p>You send it.</p></div></main>",
        ["## How do I return it?\n\nYou send it."],
    ),
    "accordion without headings": (
        "<h1>FAQ</h1>" + "<div><button>How long?</button><div><p>Four years.</p></div></div>" * 2,
        ["How long?\n\nFour years.\n\nHow long?"],
    ),
    "one long article of several": (
        f"<article><h1>Long</h1>{LONG}</article><article><h2>Second</h2><p>Also read.</p></article>",
        ["## Second\n\nAlso read."],
    ),
    "text around main": (
        f"<div><h1>Recipe</h1><p>Before the steps.</p></div><main><h2>Steps</h2>{LONG}</main>"
        "<div><h2>Nutrition</h2><table><tr><th>kcal<td>250</table></div>",
        ["# Recipe\n\nBefore the steps.\n\n## Steps", "## Nutrition\n\n| kcal | 250 |"],
    ),
    "list of links under its own heading": (
        f"<h1>Guide</h1>{LONG}<h2>Languages</h2><ul>"
        + "".join(f"<li><a href=/{name}>{name}</a>" for name in ("Python", "Go", "Rust", "中文"))
        + "</ul>",
        ["- [Python](/Python)\n- [Go](/Go)\n- [Rust](/Rust)\n- [中文](/中文)"],
    ),
    "list of links in a box below the words that lead to it": (
        f"<h1>Guide</h1>{LONG}<p>References:</p><div class=itemizedlist><ul>"
        + "".join(f"<li><a name=r{n}></a><a href=/{n}>Page {n}</a>" for n in range(4))
        + "</ul></div>",
        ["References:\n\n- [Page 0](/0)"],
    ),
    "named places in a list are no links": (
        f"<h1>Guide</h1>{LONG}<div><ul>"
        + "".join(f"<li><p><a name=r{n}></a><a href=/{n}>Page {n}</a>" for n in range(2))
        + "</ul></div>",
        ["- [Page 0](/0)\n- [Page 1](/1)"],
    ),
    "form with a table of fees": (
        f"<h1>Facts</h1>{LONG}<form><table><tr><th>Fee<td>300 EUR</table><p>Pay on time.</p></form>",
        ["| Fee | 300 EUR |", "Pay on time."],
    ),
    "tabs": (
        "<main><h1>Install</h1><div role=tablist><button role=tab>Linux</button><button role=tab>Windows</button>"
        "</div><div role=tabpanel><pre>apt</pre></div><div role=tabpanel hidden><pre>winget</pre></div></main>",
        ["**Linux**\n\n```\napt\n```\n\n**Windows**\n\n```\nwinget\n```"],
    ),
    "tabs of links with panels elsewhere": (
        f"<main><h1>Install</h1><ul role=tablist><li><a role=tab href=#w>Windows</a><li><a role=tab href=#l>Linux</a>"
        f"</ul>{LINE}<div id=l style='display: none'><p>apt</p></div><div id=w><p>winget</p></div></main>",
        ["purchase.\n\n**Linux**\n\napt\n\n**Windows**\n\nwinget\n"],
    ),
    "tabs whose panels are not known": (
        f"<main><h1>Install</h1><div role=tablist><button role=tab>Linux</button></div>{LINE}</main>",
        ["Linux"],
    ),
    "panel that a button unfolds": (
        f"<main><h1>T</h1>{LINE}<button aria-controls=more>More</button><div id=more hidden><p>Within.</p></div></main>",
        ["More\n\nWithin."],
    ),
    "warning at the margin": (
        f"<h1>Notice</h1>{LONG}<aside><p>Do not mix them.</p></aside>",
        ["Do not mix them."],
    ),
    "author in the header": (
        f"<header><h1>Report</h1><p>By A. Author, 3 May 2024</p></header>{LONG}",
        ["# Report\n\nBy A. Author, 3 May 2024"],
    ),
    "sources in the footer": (
        f"<h1>Report</h1>{LONG}<footer><h2>Sources</h2><p>Müller 2020, Journal of Water.</p></footer>",
        ["## Sources\n\nMüller 2020"],
    ),
    "date in the footer": (
        f"<h1>公告</h1>{LONG}<footer><p>生效日期：2024年7月1日</p></footer>",
        ["生效日期：2024年7月1日"],
    ),
    "lists of links where a role names the content": (
        f"<div role=main><h1>API</h1>{LONG}<div><a href=/s>Stability: 2</a></div>{LONG}<ul><li><a href=/n>number</a></ul></div>",
        ["[Stability: 2](/s)", "- [number](/n)"],
    ),
    "parts that are called related": (
        f"<article><h1>Pump</h1>{LONG}<div class=related-parts><h3>Parts</h3><ul><li><a href=/m8>Bolt M8</a></ul>"
        "</div></article>",
        ["### Parts\n\n- [Bolt M8](/m8)"],
    ),
}


@pytest.mark.parametrize(("page", "kept"), CASES.values(), ids=CASES)
def test_what_is_no_menu_is_kept(tmp_path: Path, page: str, kept: list[str]) -> None:
    text = read(tmp_path, f"<meta charset=utf-8><body>{page}", NAME).text
    assert all(part in text for part in kept), text


LINKS = "".join(f"<li><a href=/{number}>Gone {number}</a>" for number in range(6))
LONG_LINKS = "".join(f"<li><a href=/{n}>Gone: what else was read on this site today</a>" for n in range(6))
MENUS = {
    "list before the content": f"<div><ul>{LINKS}</ul></div><div><h1>T</h1>{LONG}</div>",
    "list of other pages beside the content": f"<main><h1>T</h1>{LONG}</main><div><h3>Gone</h3><ul>{LONG_LINKS}</ul>",
    "margin of links": f"<h1>T</h1>{LONG}<aside><h3>Gone</h3><ul>{LINKS}</ul></aside>",
    "footer": f"<h1>T</h1>{LONG}<footer><ul>{LINKS}</ul><p>© 2024 Gone Ltd. All rights reserved.</p></footer>",
    "links in a footer that is kept": f"<h1>T</h1>{LONG}<footer><p>Valid from 1 July 2024.</p><ul>{LINKS}</ul></footer>",
    "search": f"<h1>T</h1>{LONG}<form action=/search><p>Gone: find on this site</p><input name=q></form>",
    "login": f"<h1>T</h1>{LONG}<form><p><label>Gone name</label> <input></p><button>Gone</button></form>",
    "cookie banner": f"<h1>T</h1>{LONG}<div id=cookie-banner><p>Gone</p><button>Gone</button></div>",
    "related articles": f"<article><h1>T</h1>{LONG}<div class=related-articles><ul>{LINKS}</ul></div></article>",
    "menu that a button unfolds": f"<h1>T</h1><div><button>Gone</button><ul>{LINKS}</ul></div>{LONG}",
    "contents that unfold": f"<h1>T</h1>{LONG}<details role=navigation><summary>Gone</summary>{LINKS}</details>",
    "link past the menu": f"<a class=skip-to-content href='#t'>Gone</a><h1 id=t>T</h1>{LONG}",
    "dialog": f"<h1>T</h1>{LONG}<button aria-controls=d>Gone</button><div id=d role=dialog hidden><p>Gone</div>",
    "hidden menu": f"<h1>T</h1>{LONG}<a aria-controls=m></a><div id=m hidden><ul>{LINKS}</ul></div>",
}


@pytest.mark.parametrize("page", MENUS.values(), ids=MENUS)
def test_what_is_plainly_a_menu_or_a_control_goes(tmp_path: Path, page: str) -> None:
    text = read(tmp_path, f"<meta charset=utf-8><body>{page}", NAME).text
    assert "Gone" not in text and text.startswith("# T\n\nThe warranty")


def test_a_box_around_main_stays_whatever_its_links(tmp_path: Path) -> None:
    page = f"<div><div><main><h2>T</h2><ul>{LINKS}</ul></main></div><nav><ul>{LINKS}</ul></nav></div>"
    assert read(tmp_path, page, NAME).text.count("Gone") == 6


def test_time_grows_with_lists_and_buttons_and_no_faster(tmp_path: Path) -> None:
    def seconds(size: int) -> float:
        lists = "<ul>" + "<li><a href=/x>go</a>" * 4 + "</ul><button></button><button>b</button>"
        start = time.process_time()
        read(tmp_path, LONG + lists * size + "<i></i>" * size, NAME)
        return time.process_time() - start

    seconds(10)
    assert seconds(2000) < 40 * seconds(200) + 1
