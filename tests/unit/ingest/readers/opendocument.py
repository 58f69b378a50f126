"""Pieces of OpenDocument text."""

from __future__ import annotations

from tests.unit.ingest.readers.readings import zipped

SPACES = " ".join(
    [
        *(
            f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
            for prefix, name in {
                "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style",
                "fo": "xsl-fo-compatible", "svg": "svg-compatible",
            }.items()
        ),
        'xmlns:xlink="http://www.w3.org/1999/xlink"',
    ]
)  # fmt: skip
MANIFEST = (
    '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry m:full-path="/" '
    'm:media-type="application/vnd.oasis.opendocument.text"/>{}</m:manifest>'
)
STYLES = """
<style:style style:name="B" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>
<style:style style:name="Up" style:family="text"><style:text-properties style:text-position="super 58%"/></style:style>
<style:style style:name="P1" style:family="paragraph" style:parent-style-name="Title"/>
<style:style style:name="Code" style:family="paragraph"><style:text-properties style:font-name="Liberation Mono"/></style:style>
<text:list-style style:name="Dots"><text:list-level-style-bullet text:level="1" text:bullet-char="-"/><text:list-level-style-bullet text:level="2" text:bullet-char="-"/></text:list-style>
<text:list-style style:name="Numbers"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" style:num-suffix=")"/></text:list-style>
"""
FORMULA = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mfrac><mi>a</mi><mn>2</mn></mfrac></math>'
EQUATION = '<draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>'


def p(content: str, style: str = "Standard") -> str:
    return f'<text:p text:style-name="{style}">{content}</text:p>'


def h(content: str, level: int = 1) -> str:
    return f'<text:h text:outline-level="{level}">{content}</text:h>'


def items(style: str, *contents: str, more: str = "") -> str:
    inner = "".join(f"<text:list-item>{content}</text:list-item>" for content in contents)
    return f'<text:list text:style-name="{style}" {more}>{inner}</text:list>'


def row(*cells: str) -> str:
    """A row; a cell may begin with `@` and its attributes; an empty one is covered by a merged cell."""
    parts = []
    for content in cells:
        attributes, _, text = content[1:].partition("@") if content.startswith("@") else ("", "", content)
        parts.append(
            f"<table:table-cell {attributes}>{text}</table:table-cell>"
            if content
            else "<table:covered-table-cell/>"
        )
    return f"<table:table-row>{''.join(parts)}</table:table-row>"


def table(*rows: str) -> str:
    return f"<table:table>{''.join(rows)}</table:table>"


def note(text: str) -> str:
    return (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        f"<text:note-body>{p(text)}</text:note-body></text:note>"
    )


def picture(path: str, words: str = "") -> str:
    return f'<draw:frame><draw:image xlink:href="{path}"/><svg:desc>{words}</svg:desc></draw:frame>'


def odt(*blocks: str, outline: str = "", manifest: str = "", files: dict[str, bytes] | None = None) -> bytes:
    """An ODT with some blocks."""
    content = (
        f"<office:document-content {SPACES}><office:automatic-styles>{STYLES}</office:automatic-styles>"
        f"<office:body><office:text>{''.join(blocks)}</office:text></office:body></office:document-content>"
    )
    styles = (
        f'<office:document-styles {SPACES}><office:styles><style:style style:name="Title" style:family="paragraph"/>'
        f"<text:outline-style>{outline}</text:outline-style></office:styles></office:document-styles>"
    )
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": content,
            "styles.xml": styles,
            "META-INF/manifest.xml": MANIFEST.format(manifest),
            "Object 1/content.xml": FORMULA,
            **(files or {}),
        }
    )
