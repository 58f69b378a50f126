"""Pieces of WordprocessingML that python-docx has no call for."""

from __future__ import annotations

import io
from collections.abc import Callable

import docx
from docx.document import Document
from docx.oxml import parse_xml
from docx.text.paragraph import Paragraph

SPACES = " ".join(
    f'xmlns:{prefix}="{uri}"'
    for prefix, uri in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "v": "urn:schemas-microsoft-com:vml",
    }.items()
)
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NOTES = "application/vnd.openxmlformats-officedocument.wordprocessingml.{}+xml"


def made(write: Callable[[Document], object]) -> bytes:
    """A DOCX as a function writes it."""
    document = docx.Document()
    write(document)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def add(paragraph: Paragraph, xml: str) -> None:
    """Add XML to the end of a paragraph."""
    head, mark, rest = xml.partition(">")
    empty = head.endswith("/")
    paragraph._p.append(parse_xml(f"{head.removesuffix('/')} {SPACES}{'/' if empty else ''}{mark}{rest}"))


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def inserted(text: str) -> str:
    return f'<w:ins w:id="1" w:author="x" w:date="2026-01-01T00:00:00Z">{run(text)}</w:ins>'


def deleted(text: str) -> str:
    return (
        '<w:del w:id="2" w:author="x" w:date="2026-01-01T00:00:00Z">'
        f"<w:r><w:delText>{text}</w:delText></w:r></w:del>"
    )


def text_box(*paragraphs: str) -> str:
    """A text box in both of its forms, as Word writes it."""
    content = "".join(f"<w:p>{run(text)}</w:p>" for text in paragraphs)
    box = f"<w:txbxContent>{content}</w:txbxContent>"
    return (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wp:anchor><a:graphic>'
        '<a:graphicData uri="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><wps:wsp>'
        f"<wps:txbx>{box}</wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:anchor></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )


FRACTION = (
    "<m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e>"
    "<m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:den></m:f></m:oMath>"
)
SUM = (
    '<m:oMathPara><m:oMath><m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub><m:r><m:t>i=1</m:t></m:r></m:sub>'
    "<m:sup><m:r><m:t>n</m:t></m:r></m:sup><m:e><m:r><m:t>i</m:t></m:r></m:e></m:nary></m:oMath></m:oMathPara>"
)


def with_notes(document: Document, *notes: str, kind: str = "footnotes") -> None:
    """Give a document notes, numbered from 1; an XML note may be given for a text."""
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    name = kind.removesuffix("s")
    content = "".join(
        f'<w:{name} w:id="{number}">{note if note.startswith("<") else f"<w:p>{run(note)}</w:p>"}</w:{name}>'
        for number, note in enumerate(notes, 1)
    )
    xml = f"<w:{kind} {SPACES}>{content}</w:{kind}>"
    part = Part(PackURI(f"/word/{kind}.xml"), NOTES.format(kind), xml.encode(), document.part.package)
    document.part.relate_to(part, f"{RELATIONSHIPS}/{kind}")


def note(number: int, kind: str = "footnote") -> str:
    return f'<w:r><w:{kind}Reference w:id="{number}"/></w:r>'


def level(number: int, kind: str, text: str, start: int = 1, more: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{kind}"/>'
        f'<w:lvlText w:val="{text}"/>{more}</w:lvl>'
    )


def with_list(document: Document, identity: int, *levels: str) -> None:
    """Define a list by its levels."""
    numbering = document.part.numbering_part.element
    abstract = parse_xml(
        f'<w:abstractNum {SPACES} w:abstractNumId="{identity}">{"".join(levels)}</w:abstractNum>'
    )
    numbering.insert(0, abstract)
    numbering.append(
        parse_xml(f'<w:num {SPACES} w:numId="{identity}"><w:abstractNumId w:val="{identity}"/></w:num>')
    )


def numbered(paragraph: Paragraph, identity: int, depth: int = 0) -> Paragraph:
    """Put a paragraph into a list."""
    properties = paragraph._p.get_or_add_pPr()
    properties.append(
        parse_xml(f'<w:numPr {SPACES}><w:ilvl w:val="{depth}"/><w:numId w:val="{identity}"/></w:numPr>')
    )
    return paragraph
