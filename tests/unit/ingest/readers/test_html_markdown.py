from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.ingest.readers.shared.html.images import Fetched
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from tests.unit.ingest.readers.readings import png


def converted(html: str, folder: Path = Path("/nonexistent")) -> str:
    return markdown_of(parsed(html), Images(folder))


def shown(markdown: str) -> str:
    """What a reader of the Markdown sees, without space."""
    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    return "".join("".join(parsed(html).itertext()).split())


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<h1>One</h1><h2>Two <b>bold</b></h2><h6>Six</h6>", "# One\n\n## Two bold\n\n###### Six\n"),
        ("<h2><div>In a block</div></h2>", "## In a block\n"),
        ("<h2>broken<br>line</h2>", "## broken line\n"),
        ("<h2>C #</h2>", "## C \\#\n"),
        ("<p>a <b>bold</b> <i>word</i></p>", "a **bold** *word*\n"),
        ("<p><b>in</b><b>divi</b>sible</p>", "**indivi**sible\n"),
        ("<b><p>block</p></b>", "block\n"),
        ("<p>one<br>two</p>", "one\ntwo\n"),
        ("<p>  much \n\t space&nbsp;here </p>", "much space here\n"),
        ("<p>中文换\n行也连续 and English\nbreaks</p>", "中文换行也连续 and English breaks\n"),
        ("<p>co\u00adop\u200berate</p>", "cooperate\n"),
        ("bare text<p>paragraph</p>tail", "bare text\n\nparagraph\n\ntail\n"),
        ("<p>x<sup>2</sup> H<sub>2</sub>O 4<sup>th</sup></p>", "x² H₂O 4<sup>th</sup>\n"),
        ("<p><del>gone</del> <u>under</u> <q>said</q></p>", '~~gone~~ under "said"\n'),
        ("<p>a</p><hr><p>b</p>", "a\n\n---\n\nb\n"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", "漢(kan)\n"),
        ("<ruby>漢<rt>kan</rt></ruby>", "漢(kan)\n"),
    ],
)
def test_running_text_reads_as_a_person_sees_it(html: str, markdown: str) -> None:
    assert converted(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<ul><li>a<li>b</ul>", "- a\n- b\n"),
        ("<ul><li>a<ul><li>b<ul><li>c</ul></ul><li>d</ul>", "- a\n  - b\n    - c\n- d\n"),
        ("<ul><li>a</li><ul><li>b</li></ul></ul>", "- a\n  - b\n"),
        ("<ol start=9><li>i<li>j<ol><li>k</ol></ol>", "9. i\n10. j\n    1. k\n"),
        ("<ol><li>a<li value=5>b<li>c</ol>", "1. a\n5. b\n6. c\n"),
        ("<ol type=a><li>x<li>y</ol>", "- a. x\n- b. y\n"),
        ("<ol type=I><li>x<li>y<li>z<li>w</ol>", "- I. x\n- II. y\n- III. z\n- IV. w\n"),
        ("<ul><li><p>one</p><p>two</p></li></ul>", "- one\n\n  two\n"),
        ("<ul><li><p>one</p><ul><li><p>two</p></li></ul></li></ul>", "- one\n  - two\n"),
        ("<ul><li>a<pre>code</pre></li></ul>", "- a\n\n  ```\n  code\n  ```\n"),
        (
            "<ul><li><input type=checkbox checked> done<li><input type=checkbox>open</ul>",
            "- [x] done\n- [ ] open\n",
        ),
        ("<dl><dt>Term<dd>one<dd>two<dt>Other<dd>three</dl>", "Term\n:   one\n:   two\n\nOther\n:   three\n"),
    ],
)
def test_lists_keep_their_depth_and_numbers(html: str, markdown: str) -> None:
    assert converted(html) == markdown


@pytest.mark.parametrize(
    ("html", "rows"),
    [
        ("<tr><th>a<th>b<tr><td>1<td>2", ["| a | b |", "| --- | --- |", "| 1 | 2 |"]),
        ("<tr><td>a<td>b<tr><td>1<td>2", ["| a | b |", "| --- | --- |", "| 1 | 2 |"]),
        ("<tr><td>x|y<td>one<br>two", [r"| x\|y | one<br>two |", "| --- | --- |"]),
        ("<tr><td><p>p</p><p>q</p><td><ul><li>l<li>m</ul>", ["| p<br>q | - l<br>- m |", "| --- | --- |"]),
        (
            "<tr><td colspan=2>w<td>z<tr><td>1<td>2<td>3",
            ["| w |  | z |", "| --- | --- | --- |", "| 1 | 2 | 3 |"],
        ),
        ("<tr><td rowspan=2>w<td>z<tr><td>1", ["| w | z |", "| --- | --- |", "|  | 1 |"]),
        ("<tr><td colspan=1000>all<tr><td>1<td>2", ["| all |  |", "| --- | --- |", "| 1 | 2 |"]),
        ("<tr><td>a<td><pre>x = 1\ny = 2</pre>", ["| a | `x = 1`<br>`y = 2` |", "| --- | --- |"]),
        (
            "<tr><td>a<td><table><tr><td>in<td>ner<tr><td>3<td>4</table>",
            [r"| a | in \| ner<br>3 \| 4 |", "| --- | --- |"],
        ),
        (
            "<tbody><tr><td>1<td>2</tbody><thead><tr><th>h<th>i</thead>",
            ["| h | i |", "| --- | --- |", "| 1 | 2 |"],
        ),
        ("<caption>Sizes</caption><tr><td>a<td>b", ["Sizes", "", "| a | b |", "| --- | --- |"]),
        ("<tr><td>a<td><h3>title</h3>text", ["| a | title<br>text |", "| --- | --- |"]),
    ],
)
def test_tables_become_tables(html: str, rows: list[str]) -> None:
    assert converted(f"<table>{html}</table>").splitlines() == rows


def test_a_table_of_one_cell_is_a_frame() -> None:
    assert converted("<table><tr><td><p>one</p><p>two</p></table>") == "one\n\ntwo\n"


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ('<pre><code class="language-python">a\n\n\n  b</code></pre>', "```python\na\n\n\n  b\n```\n"),
        ('<div class="highlight-source-go"><pre>x</pre></div>', "```go\nx\n```\n"),
        ('<pre class="sourceCode rust">x</pre>', "```rust\nx\n```\n"),
        ("<pre>has ``` in it</pre>", "````\nhas ``` in it\n````\n"),
        ("<pre>a * b_c &lt;d&gt; # e</pre>", "```\na * b_c <d> # e\n```\n"),
        ("<p><code>a`b</code> <code>`c`</code> <kbd>Ctrl</kbd></p>", "``a`b`` `` `c` `` `Ctrl`\n"),
        (
            '<table class="highlighttable"><tr><td class="linenos"><pre>1\n2</pre><td class="code"><pre>a\nb</pre></table>',
            "```\na\nb\n```\n",
        ),
        ("<blockquote>a<p>b</p><blockquote>c</blockquote></blockquote>", "> a\n>\n> b\n>\n> > c\n"),
    ],
)
def test_code_and_quotations_stay_apart(html: str, markdown: str) -> None:
    assert converted(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ('<a href="https://a.b/c">text</a>', "[text](https://a.b/c)\n"),
        ('<a href="https://a.b/c d(e">text</a>', "[text](https://a.b/c%20d%28e)\n"),
        ('<a href="https://a.b/c_(d)">text</a>', "[text](https://a.b/c_(d))\n"),
        ('<a href="https://a.b/">https://a.b/</a>', "<https://a.b/>\n"),
        ('<a href="javascript:alert(1)">text</a>', "text\n"),
        ('<a href="#top">text</a>', "text\n"),
        ('<a href="/card"><h3>Title</h3><p>words</p></a>', "### [Title](/card)\n\nwords\n"),
        ('<a href="/card"><div>words</div></a>', "[words](/card)\n"),
        ("<a name=x>text</a>", "text\n"),
    ],
)
def test_links_keep_words_and_target(html: str, markdown: str) -> None:
    assert converted(html) == markdown


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ('<span class="math inline">\\(a_1*b\\)</span>', "$a_1*b$\n"),
        ('<span class="math display">\\[\\sum_i\n x\\]</span>', "$$\\sum_i x$$\n"),
        ("<p>so \\(a_1 * b_2\\) and $x_1$</p>", "so $a_1 * b_2$ and $x_1$\n"),
        ("<math><mfrac><mi>a</mi><mn>2</mn></mfrac></math>", "$\\frac{a}{2}$\n"),
        ('<math display="block"><msup><mi>x</mi><mn>2</mn></msup></math>', "$$x^{2}$$\n"),
        (
            '<span style="display:none"><math><semantics><mi>z</mi><annotation encoding="application/x-tex">'
            '{\\displaystyle z^{2}}</annotation></semantics></math></span><img class="mwe-math-fallback-image-inline" src="x">',
            "$z^{2}$\n",
        ),
        (
            '<span class="katex-display"><span class="katex"><span class="katex-mathml"><math><semantics><mi>q</mi>'
            '<annotation encoding="application/x-tex">q</annotation></semantics></math></span>'
            '<span class="katex-html" aria-hidden="true">q</span></span></span>',
            "$$q$$\n",
        ),
        (
            'a<span class="MathJax_Preview">y</span><span class="MathJax">y</span>'
            '<script type="math/tex; mode=display">y^2</script>',
            "a$$y^2$$\n",
        ),
        (
            '<mjx-container display="true"><svg></svg><mjx-assistive-mml><math><mi>y</mi></math></mjx-assistive-mml></mjx-container>',
            "$$y$$\n",
        ),
    ],
)
def test_formulas_of_any_kind_become_latex(html: str, markdown: str) -> None:
    assert converted(html) == markdown


def test_notes_are_numbered_by_their_references() -> None:
    html = (
        '<p>one<sup><a href="#b" id="rb">2</a></sup> two<sup class="reference">[<a href="#a" id="ra">1</a>]</sup>'
        ' again<sup><a href="#b">2</a></sup></p><hr><ol>'
        '<li id="a">First <a href="#ra">↩</a></li><li id="b"><p>Second</p><p>More <a href="#rb">back</a></p></li></ol>'
    )
    assert converted(html) == ("one[^1] two[^2] again[^1]\n\n[^2]: First\n\n[^1]: Second\n\n    More back\n")


def test_declared_notes_are_found_in_any_place() -> None:
    html = (
        '<aside id="n" epub:type="footnote">the note</aside><p>text<a href="#n" epub:type="noteref">a</a></p>'
    )
    assert converted(html) == "[^1]: the note\n\ntext[^1]\n"


@pytest.mark.parametrize(
    "html",
    [
        '<p id="top">x</p><p>up <sup><a href="#top">1</a></sup></p>',
        '<p>see <a href="#part2">part 2</a></p><p id="part2">The second part</p>',
        '<p>see <sup><a href="#none">1</a></sup></p>',
    ],
)
def test_links_within_a_page_are_no_notes(html: str) -> None:
    assert "[^" not in converted(html)


def test_pictures_are_kept_where_they_stand(tmp_path: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(png()).decode()
    images = Images(tmp_path)
    html = f'<p>a <img src="{uri}" alt="red [dot]"> b <img src="pic.png"> <img src="none.png" alt="lost"></p>'
    fetch = {"pic.png": Fetched(png(3))}.get
    text = markdown_of(parsed(html), images, fetch)
    first, second = images.placed(text)
    assert text == f"a ![red dot](images/{first.name}) b ![](images/{second.name}) lost\n"
    assert (tmp_path / "images" / first.name).read_bytes() == png()


def test_a_drawing_with_words_is_a_picture_that_says_them(tmp_path: Path) -> None:
    images = Images(tmp_path)
    text = markdown_of(parsed("<svg><text>Box A</text><text>Box B</text></svg><svg><path/></svg>"), images)
    assert text.startswith("![Box A Box B](images/") and len(images.placed(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "#1 and C# and 50 % of 2 * 3",
        "snake_case and a_b_c",
        "张***李 ______ x",
        "cited in [1] and [2, 3]",
        "a < b and c > d & e",
        "C:\\dir\\file",
        "costs $5 or $6",
        "- dash and 1. number",
        "5*",
    ],
)
def test_what_is_no_markup_is_not_escaped(text: str) -> None:
    assert converted(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>") == text + "\n"


@given(st.text(st.sampled_from("ab1 *_`[]()<>#~\\&;!|-=+.^:"), max_size=30))
def test_a_reader_of_the_markdown_sees_the_text(text: str) -> None:
    from html import escape

    # Between these stands a formula.
    assume("\\[" not in text and "\\(" not in text)
    # Dashes and numbers at the start of a line stay bare: people typed lists with them.
    words = "w " + text
    seen = shown(converted(f"<p>{escape(words)}</p>"))
    assert seen.replace("\\", "") == "".join(words.split()).replace("\\", "")


@pytest.mark.parametrize("line", ["# title", "> quote", "```", "---", "==="])
def test_a_paragraph_never_turns_into_another_block(line: str) -> None:
    from html import escape

    tokens = MarkdownIt("commonmark").parse(converted(f"<p>text</p><p>{escape(line)}</p>"))
    assert [token.type for token in tokens if token.nesting == 1] == ["paragraph_open"] * 2


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "blockquote", "table><tr><td", "span"])
def test_no_depth_loses_text(tag: str) -> None:
    names = tag.replace("<", "").split(">")
    closing = "".join(f"</{name}>" for name in reversed(names))
    html = "<p>before</p>" + f"<{tag}>" * 10_000 + "deep" + closing * 10_000 + "<p>after</p>"
    text = converted(html)
    assert all(word in text for word in ("before", "deep", "after"))


@pytest.mark.parametrize(
    "unit",
    [
        "<p>some words of a <b>paragraph</b></p>",
        "<li>item",
        "<tr><td>1<td>2",
        "<b>x",
        "text * and _ ",
        "<dd>x",
        "a <i>b</i>",
    ],
)
def test_time_grows_with_the_page_and_no_faster(unit: str) -> None:
    def seconds(size: int) -> float:
        html = "<table><ol>" + unit * (size // len(unit))
        start = time.process_time()
        converted(html)
        return time.process_time() - start

    seconds(10_000)
    assert seconds(500_000) < 40 * seconds(50_000) + 1


def test_five_megabytes_are_read() -> None:
    words = "<p>" + "word " * 40 + "</p>"
    text = converted(words * (5_000_000 // len(words)))
    assert text.count("word") == 5_000_000 // len(words) * 40
