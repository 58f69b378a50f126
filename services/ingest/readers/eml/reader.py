"""Mail: head and body as text, attachments as documents of their own (RFC 5322, RFC 2045)."""

from __future__ import annotations

import email
import email.errors
import email.policy
from collections.abc import Iterator

from services.ingest.readers.eml import charsets
from services.ingest.readers.eml.attachments import Attachments, Part
from services.ingest.readers.reading import Reading, Source, checked, normalised
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.html.encodings import decoded as page_in
from services.ingest.readers.shared.html.images import Fetched
from services.ingest.readers.shared.html.layout_tables import open_layout
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from services.runtime.encodings import decode
from services.runtime.errors import InvalidArgument

HEAD = ("From", "To", "Cc", "Date")
KNOWN = ("From", "To", "Subject", "Date", "Received", "MIME-Version", "Message-ID")
"""A file with none of these lines is no mail."""
SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
REPORTS = {
    "message/delivery-status",
    "message/global-delivery-status",
    "message/disposition-notification",
    "message/feedback-report",
    "text/rfc822-headers",
}
"""Parts that say in lines of a head what became of a message (RFC 3464, 8098, 5965)."""
CUT_OFF = (email.errors.CloseBoundaryNotFoundDefect, email.errors.StartBoundaryNotFoundDefect)
"""Of the whole message only: a part that is not closed ends where the next part around it begins."""


def read(source: Source) -> Reading:
    """The subject as heading, who wrote to whom and when, the body; attachments that can be read as members.

    Raises:
        InvalidArgument: the file is no mail, damaged or encrypted, or holds nothing.
    """
    try:
        message = email.message_from_bytes(source.path.read_bytes(), policy=email.policy.default)
        if not any(name in message for name in KNOWN):
            raise unreadable(source, "it has no head")
        if any(isinstance(defect, CUT_OFF) for defect in message.defects):
            raise unreadable(source, "it is cut off: the mark that ends its last part is missing")
        return reading_of(message, source)
    except (MemoryError, InvalidArgument):
        raise
    except Exception as error:
        # The parser of the standard library fails on broken heads in a dozen ways.
        raise unreadable(source, f"it is damaged: {error}") from error


def reading_of(message: Part, source: Source) -> Reading:
    """A message as text, pictures and members."""
    images = Images(source.folder)
    attachments = Attachments(source.folder)
    pictures: dict[str, Fetched] = {}
    bodies = list(parts_of(message, attachments, pictures, source))
    shown: set[str] = set()

    def fetch(address: str) -> Fetched | None:
        shown.add(address)
        return pictures.get(address)

    blocks = [head_of(message)]
    for body in bodies:
        content, name = decoded(body, source), body.get_content_type()
        if name == "text/html":
            blocks.append(markdown_of(open_layout(parsed(content)), images, fetch))
        else:
            blocks.append(plain(content, flowed=body.get_param("format") == "flowed"))
    # A picture that no page shows still belongs to the message.
    blocks += [
        images.keep(found.data, found.media_type) for name, found in pictures.items() if name not in shown
    ]
    if attachments.names:
        blocks.append("Attachments: " + ", ".join(attachments.names))
    written = "\n\n".join(block.strip("\n") for block in blocks if block.strip()) + "\n"
    return checked(Reading(written, images=images.placed(written), members=attachments.members), source.name)


def head_of(message: Part) -> str:
    """The subject as heading, and the lines of the head that people read."""
    subject = header(message, "Subject")
    lines = [f"{name}: {header(message, name)}" for name in HEAD if header(message, name)]
    return "\n\n".join(part for part in (markdown.heading(1, subject), "\n".join(lines)) if part)


def header(message: Part, name: str) -> str:
    """A line of the head; bytes that no standard allows there are decoded as text."""
    for key, raw in message.raw_items():
        if key.lower() == name.lower():
            try:
                said = str(message.get(name, ""))
                broken = any("\ud800" <= letter <= "\udfff" for letter in str(raw))
            except (ValueError, IndexError, AttributeError, LookupError):
                said, broken = str(raw), True
            if broken:
                said = guessed(str(raw).replace("\x00", "").encode("utf-8", "surrogateescape"))
            return " ".join(said.replace("\x00", "").split())
    return ""


def guessed(data: bytes) -> str:
    """Bytes of a line of the head as text; what is none in any encoding shows as such."""
    try:
        return decode(data, "")
    except InvalidArgument:
        return data.decode("utf-8", "replace")


def parts_of(
    part: Part, attachments: Attachments, pictures: dict[str, Fetched], source: Source
) -> Iterator[Part]:
    """The parts to read in order; others go to the attachments and pictures.

    Raises:
        InvalidArgument: a part is encrypted.
    """
    kind = part.get_content_type()
    if kind == "multipart/encrypted" or part.get_param("smime-type") == "enveloped-data":
        raise InvalidArgument(
            "FILE_ENCRYPTED",
            f"{source.name}: the mail is encrypted; decrypt it in the mail program and save it anew",
            name=source.name,
        )
    if kind == "multipart/alternative":
        yield from richest(list(part.iter_parts()), attachments, pictures, source)
    elif kind in REPORTS:
        yield part
    elif part.is_multipart() and kind != "message/rfc822":
        for child in part.iter_parts():
            yield from parts_of(child, attachments, pictures, source)
    elif kind in SIGNATURES:
        return
    elif kind in {"text/plain", "text/html"} and not part.is_attachment() and not part.get_filename():
        yield part
    elif part.get_content_maintype() == "image":
        mark = str(part.get("Content-ID", "")).strip(" <>")
        data = part.get_payload(decode=True) or b""
        name = f"cid:{mark}" if mark else f"picture {len(pictures)}"
        pictures[name] = Fetched(bytes(data), kind)
    else:
        attachments.add(part, header(part, "Subject"))


def richest(
    choices: list[Part], attachments: Attachments, pictures: dict[str, Fetched], source: Source
) -> Iterator[Part]:
    """Of several forms of the same, the last with text in it: senders order them from plain to rich."""
    read = [list(parts_of(choice, attachments, pictures, source)) for choice in choices]
    spoken = [parts for parts in read if any(says_something(part, source) for part in parts)]
    pages = [parts for parts in spoken if any(part.get_content_type() == "text/html" for part in parts)]
    yield from (pages or spoken or [[]])[-1]


def says_something(part: Part, source: Source) -> bool:
    """Whether a part shows text or a picture."""
    content = decoded(part, source)
    if part.get_content_type() != "text/html":
        return bool(content.strip())
    page = parsed(content)
    body = page.find("body")
    page = page if body is None else body
    return any(text.strip() for text in page.itertext()) or next(page.iter("img"), None) is not None


def decoded(part: Part, source: Source) -> str:
    """The text of a part, by its charset or by what fits.

    Raises:
        InvalidArgument: no encoding fits.
    """
    if part.get_content_type() in REPORTS and part.is_multipart():
        return report_of(part)
    data = part.get_payload(decode=True)
    data = data if isinstance(data, bytes) else str(data or "").encode("utf-8", "replace")
    text = charsets.declared(data, part.get_content_charset())
    if text is None:
        by = page_in if part.get_content_type() == "text/html" else decode
        text = by(data, source.name)
    return normalised(text)


def report_of(part: Part) -> str:
    """The lines of a report, which the parser took for the heads of messages without a body."""
    blocks = []
    for child in part.iter_parts():
        fields = [f"{name}: {' '.join(str(said).split())}" for name, said in child.raw_items()]
        body = child.get_payload()
        lines = "\n".join([*fields, *([body.strip()] if isinstance(body, str) and body.strip() else [])])
        blocks.append(guessed(lines.replace("\x00", "").encode("utf-8", "surrogateescape")))
    return normalised("\n\n".join(block for block in blocks if block.strip()))


def plain(content: str, *, flowed: bool) -> str:
    """Plain text as Markdown; quoted lines stay quoted, soft line ends of RFC 3676 go."""
    lines: list[str] = []
    for line in content.split("\n"):
        soft = flowed and bool(lines) and lines[-1].endswith(" ") and lines[-1] != "-- "
        if soft and line and not line.startswith(">"):
            lines[-1] += line
        else:
            lines.append(line)
    return "\n".join(line if line.startswith(">") else markdown.paragraph(line.rstrip()) for line in lines)


def unreadable(source: Source, why: str) -> InvalidArgument:
    """The error for a file that is no mail."""
    return InvalidArgument(
        "EML_UNREADABLE",
        f"{source.name}: the mail cannot be read ({why}); save it anew as .eml",
        name=source.name,
    )
