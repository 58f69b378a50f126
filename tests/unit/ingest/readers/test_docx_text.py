from __future__ import annotations

from pathlib import Path

import pytest
from docx.document import Document
from docx.oxml import parse_xml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.ingest.readers import word
from tests.unit.ingest.readers.docx_readings import NAME, text_of
from tests.unit.ingest.readers.readings import read


def test_insertions_stay_and_deletions_go(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph("The term is ")
        word.add(paragraph, word.deleted("two"))
        word.add(paragraph, word.inserted("four"))
        word.add(paragraph, word.run(" years."))
        word.add(paragraph, '<w:moveFrom w:id="5" w:author="x">' + word.run("from") + "</w:moveFrom>")
        word.add(paragraph, '<w:moveTo w:id="6" w:author="x">' + word.run(" Moved.") + "</w:moveTo>")
        joined = document.add_paragraph("one ")
        joined._p.get_or_add_pPr().append(
            parse_xml(f'<w:rPr {word.SPACES}><w:del w:id="7" w:author="x"/></w:rPr>')
        )
        document.add_paragraph("paragraph")
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ("a", "b", "gone", "too"), strict=True):
            cell.text = text
        table.rows[1]._tr.get_or_add_trPr().append(parse_xml(f'<w:del {word.SPACES} w:id="8" w:author="x"/>'))

    assert text_of(tmp_path, write) == (
        "The term is four years. Moved.\n\none paragraph\n\n| a | b |\n| --- | --- |\n"
    )


def test_what_lies_around_text_does_not_take_it_away(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph()
        for xml in (
            f"<w:sdt><w:sdtContent>{word.run('control ')}</w:sdtContent></w:sdt>",
            f'<w:smartTag w:element="x">{word.run("tag ")}</w:smartTag>',
            f'<w:fldSimple w:instr="REF x">{word.run("result ")}</w:fldSimple>',
            "<w:r><w:ruby><w:rt><w:r><w:t>kan</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢</w:t></w:r></w:rubyBase></w:ruby></w:r>",
            '<w:r><w:t xml:space="preserve"> co</w:t><w:softHyphen/><w:t>op a</w:t><w:noBreakHyphen/><w:t>b</w:t></w:r>',
            '<w:r><w:tab/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>',
            '<w:r><w:ptab w:relativeTo="margin" w:alignment="right" w:leader="none"/><w:t>end</w:t></w:r>',
        ):
            word.add(paragraph, xml)
        field = document.add_paragraph("page ")
        for xml in (
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r>',
            "<w:r><w:instrText>PAGEREF _x</w:instrText></w:r>",
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>',
            word.run("12"),
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ):
            word.add(field, xml)

    assert text_of(tmp_path, write) == "control tag result 漢(kan) coop a-b ✔ end\n\npage 12\n"


def test_links_keep_words_and_target(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        link = document.part.relate_to(
            "https://a.b/?c=1&d=2", f"{word.RELATIONSHIPS}/hyperlink", is_external=True
        )
        paragraph = document.add_paragraph("see ")
        word.add(paragraph, f'<w:hyperlink r:id="{link}">{word.run("this")}</w:hyperlink>')
        for xml in (
            word.run(" and "),
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r>',
            '<w:r><w:instrText> HYPERLINK "https://e.f/" </w:instrText></w:r>',
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>',
            word.run("that"),
            '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ):
            word.add(paragraph, xml)

    assert text_of(tmp_path, write) == "see [this](https://a.b/?c=1&d=2) and [that](https://e.f/)\n"


def test_comments_stand_behind_what_they_are_on(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        heading = document.add_heading("Fees", 1)
        paragraph = document.add_paragraph("The fee is ")
        amount = paragraph.add_run("5 EUR")
        paragraph.add_run(", monthly.")
        document.add_comment(heading.runs, text="Move this", author="Bo Li")
        document.add_comment(amount, text="Too low?\nAsk Ann", author="Bo  Li")
        document.add_comment(amount, text="No", author="")
        code = document.add_paragraph().add_run("x = 1")
        code.font.name = "Consolas"
        document.add_comment(code, text="why", author="A")

    assert (
        text_of(tmp_path, write)
        == """# Fees

[Comment of Bo Li: Move this]

The fee is 5 EUR [Comment: No] [Comment of Bo Li: Too low? Ask Ann], monthly.

```
x = 1 [Comment of A: why]
```
"""
    )


def test_headers_and_footers_are_no_text(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        document.add_paragraph("text")
        document.sections[0].header.paragraphs[0].text = "HEADER"
        document.sections[0].footer.paragraphs[0].text = "FOOTER"

    assert text_of(tmp_path, write) == "text\n"


def test_letters_of_all_scripts_come_through(tmp_path: Path) -> None:
    text = "عربي עברית e\u0301 👩‍👩‍👧 𝛼 ก็ 中文 \ufdd1"
    assert text_of(tmp_path, lambda document: document.add_paragraph(text)) == text + "\n"


def test_a_long_document_is_read_in_parts_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(document: Document) -> None:
        word.with_notes(document, *(f"Note {number}." for number in range(40)))
        for number in range(40):
            document.add_heading(f"Part {number}", 1)
            word.add(document.add_paragraph("words " * 400), word.note(number + 1))
            document.add_paragraph("item", style="List Number")

    data = word.made(write)
    whole = read(tmp_path, data, NAME).text
    monkeypatch.setattr("services.ingest.readers.docx.reader.PART_BYTES", 5000)
    assert read(tmp_path, data, NAME).text == whole
    assert "40. item" in whole and "[^40]: Note 39." in whole and whole.count("words") == 16_000


WRAPPED = st.recursive(
    st.just("{}"),
    lambda inner: st.sampled_from(
        [
            "<w:sdt><w:sdtContent>%s</w:sdtContent></w:sdt>",
            '<w:ins w:id="1" w:author="x">%s</w:ins>',
            '<w:hyperlink w:anchor="x">%s</w:hyperlink>',
            '<w:fldSimple w:instr="REF x">%s</w:fldSimple>',
            '<w:smartTag w:element="x">%s</w:smartTag>',
            '<w:customXml w:element="x">%s</w:customXml>',
            '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>DATE</w:instrText></w:r>'
            '<w:r><w:fldChar w:fldCharType="separate"/></w:r>%s<w:r><w:fldChar w:fldCharType="end"/></w:r>',
        ]
    ).flatmap(lambda outer: inner.map(lambda text: outer % text)),
    max_leaves=3,
)
STYLES = [
    "Normal",
    "Heading 1",
    "Title",
    "Subtitle",
    "List Bullet",
    "List Number 2",
    "Quote",
    "Caption",
    "Body Text",
    "macro",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(STYLES), WRAPPED, st.sampled_from(["body", "cell", "box"])),
        min_size=1,
        max_size=8,
    )
)
def test_no_word_is_ever_lost(tmp_path: Path, blocks: list[tuple[str, str, str]]) -> None:
    def write(document: Document) -> None:
        for number, (style, wrapping, place) in enumerate(blocks):
            holder = document.add_table(1, 2).cell(0, 1) if place == "cell" else document
            paragraph = holder.add_paragraph(f"before{number} ", style=style)
            content = word.text_box(f"box{number}") if place == "box" else word.run(f"inside{number}")
            word.add(
                paragraph, f"<w:sdt><w:sdtContent>{wrapping.replace('{}', content)}</w:sdtContent></w:sdt>"
            )
            word.add(paragraph, word.run(f" after{number}"))

    text = text_of(tmp_path, write)
    for number, (_, _, place) in enumerate(blocks):
        for word_ in (
            f"before{number}",
            f"box{number}" if place == "box" else f"inside{number}",
            f"after{number}",
        ):
            assert text.count(word_) == 1, text


def test_a_carriage_return_is_a_line_end(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        broken = "<w:r><w:t>line</w:t><w:cr/><w:t>feed</w:t></w:r>"
        word.add(document.add_paragraph(), broken)
        word.add(document.add_table(1, 2).cell(0, 0).paragraphs[0], broken)

    assert text_of(tmp_path, write) == "line\nfeed\n\n| line<br>feed |  |\n| --- | --- |\n"


def field(instruction: str, result: str | None = None, form: str = "") -> str:
    """A field; its result, its instruction or both may hold runs."""
    inner = (
        instruction if instruction.startswith("<") else f"<w:r><w:instrText>{instruction}</w:instrText></w:r>"
    )
    shown = "" if result is None else f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{result}'
    begin = f'<w:r><w:fldChar w:fldCharType="begin">{form}</w:fldChar></w:r>'
    return f'{begin}{inner}{shown}<w:r><w:fldChar w:fldCharType="end"/></w:r>'


def form(choice: str) -> str:
    return f"<w:ffData>{choice}</w:ffData>"


ENTRIES = '<w:listEntry w:val="red"/><w:listEntry w:val="green"/>'


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        (field(" FORMDROPDOWN ", form=form(f'<w:ddList><w:result w:val="1"/>{ENTRIES}</w:ddList>')), "green"),
        (field(" FORMDROPDOWN ", form=form(f"<w:ddList>{ENTRIES}</w:ddList>")), "red"),
        (field(" FORMCHECKBOX ", form=form("<w:checkBox><w:checked/></w:checkBox>")), "☒"),
        (field(" FORMCHECKBOX ", form=form('<w:checkBox><w:default w:val="1"/></w:checkBox>')), "☒"),
        (
            field(
                " FORMCHECKBOX ",
                form=form('<w:checkBox><w:default w:val="1"/><w:checked w:val="0"/></w:checkBox>'),
            ),
            "☐",
        ),
        (field(" FORMCHECKBOX ", form=form("<w:checkBox/>")), "☐"),
        (
            field(
                "<w:r><w:instrText>IF </w:instrText></w:r>"
                + field("MERGEFIELD x", word.run("compared"))
                + '<w:r><w:instrText> = 1 "yes" "no"</w:instrText></w:r>',
                word.run("shown"),
            ),
            "shown",
        ),
        (field("IF 1 = 1", field("MERGEFIELD x", word.run("inner")) + word.run(" result")), "inner result"),
        (
            field("<w:r><w:instrText>IF </w:instrText></w:r>" + field("MERGEFIELD x", word.run("only"))),
            "only",
        ),
        (field(r' SYMBOL 97 \f "Symbol" \s 12 '), "α"),
        ('<w:r><w:pict><v:shape><v:textpath string="Word Art"/></v:shape></w:pict></w:r>', "Word Art"),
    ],
)
def test_fields_of_forms_nested_fields_and_word_art_show_what_word_shows(
    tmp_path: Path, xml: str, text: str
) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph()
        word.add(paragraph, f"<w:smartTag>{xml}</w:smartTag>")
        word.add(paragraph, word.run(" end"))

    assert text_of(tmp_path, write) == f"{text} end\n"
