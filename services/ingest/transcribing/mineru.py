"""Whole PDF files as Markdown by a MinerU server.

The protocol is that of MinerU's own `mineru-api`: one `POST /file_parse` takes the file and answers with
its Markdown, its blocks by page (`content_list`) and its pictures.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import lxml.html
import structlog

from services.ingest.config import TranscriberConfig
from services.ingest.models.calls import (
    CONNECT_SECONDS,
    PassingError,
    address,
    asked_pause,
    is_passing,
    tried,
)
from services.ingest.readers.shared.html.tables import TooManyCells, grid
from services.ingest.readers.shared.markdown import fence, heading, table
from services.ingest.transcribing.transcripts import write_transcripts
from services.ingest.transcribing.vision import Transcripts
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, Unavailable

log = structlog.get_logger()

FIELDS = {
    "return_md": "true",
    "return_content_list": "true",
    "return_images": "true",
    "response_format_zip": "false",
}
MOST_BYTES = 64 << 20
"""A longer answer is refused: it is taken apart in the worker's own process."""
MOST_MARKS = 4_000_000
"""Brackets, braces and commas of an answer, such as of 5,000 pages; each may bring a value of 100 bytes."""
ANSWER = "mineru.json"
"""The answer, beside the file."""
MOST_CHARS = 32_000_000
"""So long at most is the text of all pages."""
LEAST_CELLS = 4096
"""So many cells any table may have, whatever its length; a longer one as many as it has characters."""
MOST_PAGES = 100_000
"""A server that counts further is not believed."""
TABLE_END = re.compile("</table>", re.IGNORECASE)
WRAPPING_CHARS = 100
"""Of the tags around a table."""
HTML_TABLE = re.compile(
    r"(?:<html>\s*<body>\s*)?<table\b.*?</table>(?:\s*</body>\s*</html>)?", re.DOTALL | re.IGNORECASE
)
LIST_MARK = re.compile(r"\s*(?:[-*+•]|\d+[.)]|\[\d+\]|[(（])")
Room = Callable[[int], AbstractAsyncContextManager[None]]
"""Gives memory to take apart so many bytes."""
DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,")


async def transcribe_file(
    config: TranscriberConfig,
    name: str,
    path: Path,
    room: Room,
) -> Transcripts:
    """Have a PDF transcribed; what comes is also written for its reader, into the folder of the file.

    Args:
        config: where.
        name: name of the document, for messages.
        path: the file; the answer is kept beside it.
        room: memory to take apart an answer of so many bytes.

    Raises:
        FailedPrecondition: no server is configured, it refuses the file, or its answer is too large.
        Unavailable, DeadlineExceeded: it did not answer, several times.
    """
    require_mineru(config, name)
    timeout = httpx.Timeout(config.call_seconds, connect=min(config.call_seconds, CONNECT_SECONDS))
    async with httpx.AsyncClient(timeout=timeout) as http:
        transcripts = await tried(lambda: answered(http, config, name, path, room))
    log.info("file_transcribed", name=name, pages=len(transcripts.pages), images=len(transcripts.images))
    return transcripts


def require_mineru(config: TranscriberConfig, name: str) -> None:
    """Check that a MinerU server is configured.

    Raises:
        FailedPrecondition: none is.
    """
    if not config.mineru_url:
        raise FailedPrecondition(
            "MINERU_NOT_CONFIGURED",
            f"{name}: no MinerU server is configured; set SISHU_INGEST_MINERU_URL, or choose another page "
            "reader",
            name=name,
        )


async def answered(
    http: httpx.AsyncClient, config: TranscriberConfig, name: str, path: Path, room: Room
) -> Transcripts:
    """What MinerU makes of a file, in the folder of the file too; one call.

    Raises:
        PassingError: it may succeed later.
        FailedPrecondition: it will not.
    """
    where, kept = f"{name}: MinerU at {address(config.mineru_url)}", path.with_name(ANSWER)
    await posted(http, config, name, path, kept)
    size = kept.stat().st_size
    if size > MOST_BYTES:
        raise too_large(where, name)
    async with room(size):
        try:
            made = await asyncio.to_thread(transcripts_in, kept)
        except TooMuch:
            raise too_large(where, name) from None
        if made is None:
            message = f"{where} gave no usable answer; check that a MinerU server answers there"
            raise PassingError(Unavailable("MINERU_ANSWER_UNUSABLE", message, name=name))
        await asyncio.to_thread(write_transcripts, path.parent, made.pages.items(), dict(made.images))
        return made


async def posted(
    http: httpx.AsyncClient, config: TranscriberConfig, name: str, path: Path, kept: Path
) -> None:
    """Send a file to MinerU, and keep the answer as another; neither is ever in memory as a whole.

    Raises:
        PassingError: it may succeed later.
        FailedPrecondition: it will not.
    """
    where = f"{name}: MinerU at {address(config.mineru_url)}"
    url = config.mineru_url.rstrip("/") + "/file_parse"
    try:
        with path.open("rb") as sent:
            # Its own file names hold no dots and blanks that MinerU would change.
            files = {"files": ("document.pdf", sent, "application/pdf")}
            async with (
                asyncio.timeout(config.call_seconds),
                http.stream("POST", url, data=FIELDS, files=files) as response,
            ):
                await keep_most(response, kept)
    except (TimeoutError, httpx.TimeoutException):
        raise timed_out(where, name, config.call_seconds) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unreachable(where, name, error) from None
    if response.status_code != httpx.codes.OK:
        raise refused(where, name, response, kept)


def timed_out(where: str, name: str, seconds: float) -> PassingError:
    """The error for a server that is too slow."""
    message = f"{where} did not answer within {seconds:g} s; raise the limit or split the file"
    return PassingError(DeadlineExceeded("MINERU_TIMED_OUT", message, name=name))


def unreachable(where: str, name: str, error: Exception) -> PassingError:
    """The error for a server that is away."""
    message = f"{where} cannot be reached ({type(error).__name__}); check SISHU_INGEST_MINERU_URL"
    return PassingError(Unavailable("MINERU_UNREACHABLE", message, name=name))


def refused(where: str, name: str, response: httpx.Response, kept: Path) -> Exception:
    """The error for an answer that says no, for now or for ever; its first words say why."""
    with kept.open("rb") as said_no:
        why = said_no.read(300).decode(errors="replace")
    message = f"{where} answered HTTP {response.status_code}: {why}"
    if is_passing(response.status_code):
        return PassingError(Unavailable("MINERU_FAILED", message, name=name), asked_pause(response.headers))
    return FailedPrecondition("MINERU_REFUSED", message, name=name)


class TooMuch(Exception):
    """An answer holds more than any document."""


def too_large(where: str, name: str) -> FailedPrecondition:
    """The error for an answer that would fill the worker's memory."""
    return FailedPrecondition(
        "MINERU_ANSWER_TOO_LARGE",
        f"{where} answered with more than {MOST_BYTES >> 20} MiB, {MOST_CHARS} characters, "
        f"{MOST_MARKS} values, or a table of far too many cells; split the file, or choose another page "
        "reader",
        name=name,
    )


async def keep_most(response: httpx.Response, kept: Path) -> None:
    """Write the body of an answer to a file; cut off where it is too long to be one."""
    size = 0
    with kept.open("wb") as file:
        async for part in response.aiter_bytes():
            file.write(part)
            size += len(part)
            if size > MOST_BYTES:
                break


def transcripts_in(kept: Path) -> Transcripts | None:
    """Pages and pictures of an answer; None if it is none.

    Raises:
        TooMuch: it is too large to be taken apart.
    """
    body = kept.read_bytes()
    check_marks(str(body, "latin-1"))
    found = result_in(body)
    return None if found is None else transcripts_of(found)


def check_marks(text: str) -> None:
    """Refuse JSON of too many values; pictures hold no such marks.

    Raises:
        TooMuch: it has more.
    """
    if sum(map(text.count, "[{,")) > MOST_MARKS:
        raise TooMuch


def result_in(body: bytes) -> dict[str, Any] | None:
    """The result for the one file that was sent, None if there is none.

    Raises:
        TooMuch: it has too many values.
    """
    try:
        results = json.loads(body)["results"]
        found = next(iter(results.values()))
        blocks = found.get("content_list")
        if isinstance(blocks, str):
            # MinerU sends the file that it wrote, which is JSON in JSON.
            check_marks(blocks)
            found["content_list"] = json.loads(blocks)
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return None
    usable = isinstance(found.get("content_list"), list) or isinstance(found.get("md_content"), str)
    return found if usable else None


def transcripts_of(result: Mapping[str, Any]) -> Transcripts:
    """Pages and pictures of a result; without blocks by page all text is on page 1.

    Raises:
        TooMuch: its text is too long, or a table too large.
    """
    blocks = result.get("content_list")
    images = images_of(result.get("images"))
    if not isinstance(blocks, list) or not blocks:
        text = said(result.get("md_content"))
        if len(text) > MOST_CHARS:
            raise TooMuch
        return Transcripts({1: with_tables(text)}, images)
    pages: dict[int, list[str]] = {}
    chars = 0
    for block in blocks:
        if isinstance(block, dict) and isinstance(block.get("page_idx"), int) and block["page_idx"] >= 0:
            text = block_text(block)
            chars += len(text)
            if chars > MOST_CHARS:
                raise TooMuch
            pages.setdefault(block["page_idx"] + 1, []).append(text)
    last = min(max(pages, default=1), MOST_PAGES)
    texts = ("\n\n".join(filter(None, pages.get(number, ()))) for number in range(1, last + 1))
    return Transcripts(dict(enumerate(texts, 1)), images)


def images_of(images: object) -> dict[str, bytes]:
    """The pictures, which come as data URLs by name."""
    found: dict[str, bytes] = {}
    if isinstance(images, dict):
        for name, url in images.items():
            match = DATA_URL.match(url) if isinstance(url, str) else None
            if match and Path(name).name == name:
                try:
                    found[name] = base64.b64decode(url[match.end() :], validate=True)
                except (binascii.Error, ValueError):
                    continue
    return found


def block_text(block: Mapping[str, Any]) -> str:
    """The Markdown of a block."""
    text = said(block.get("text"))
    match block.get("type"):
        case "image" | "chart" | "seal":
            kind = str(block["type"])
            return parted(picture(block), *lines(block, f"{kind}_caption", f"{kind}_footnote"), text)
        case "table":
            body = with_tables(said(block.get("table_body"))) or picture(block)
            return parted(*lines(block, "table_caption"), body, *lines(block, "table_footnote"))
        case "code":
            code = said(block.get("code_body"))
            return parted(*lines(block, "code_caption"), code if code.startswith("```") else fence(code))
        case "list":
            return (
                "\n".join(one if LIST_MARK.match(one) else f"- {one}" for one in lines(block, "list_items"))
                or text
            )
        case "text" if isinstance(block.get("text_level"), int) and block["text_level"] > 0:
            return heading(block["text_level"], text)
        case _:
            return text


def said(value: object) -> str:
    """A text field, whatever is in it."""
    return value.strip() if isinstance(value, str) else ""


def lines(block: Mapping[str, Any], *fields: str) -> list[str]:
    """The texts of fields that are lists of texts, or one text."""
    found: list[str] = []
    for name in fields:
        value = block.get(name)
        found += map(said, value) if isinstance(value, list) else [said(value)]
    return [text for text in found if text]


def parted(*parts: str) -> str:
    """The parts that there are, as paragraphs."""
    return "\n\n".join(filter(None, parts))


def picture(block: Mapping[str, Any]) -> str:
    """The reference to the picture of a block."""
    name = Path(said(block.get("img_path"))).name
    return f"![](images/{name})" if name else ""


def with_tables(text: str) -> str:
    """A text with its HTML tables as Markdown tables.

    Raises:
        TooMuch: a table is too large, or all of them.
    """
    last, chars = 0, 0

    def in_markdown(match: re.Match[str]) -> str:
        nonlocal chars
        made = markdown_table(match[0])
        chars += len(made)
        if chars > MOST_CHARS:
            raise TooMuch
        return f"\n\n{made}\n\n"

    for match in TABLE_END.finditer(text):
        last = match.end() + WRAPPING_CHARS
    # Behind the last end each start would be followed to the end of the text, in vain.
    return (HTML_TABLE.sub(in_markdown, text[:last]) + text[last:]).strip()


def markdown_table(html: str) -> str:
    """An HTML table as Markdown; the value of a merged cell stands in its first place.

    Raises:
        TooMuch: it is too large.
    """
    try:
        found = next(lxml.html.fragment_fromstring(html, create_parent="div").iter("table"), None)
        if found is None:
            return html
        return table(grid(found, cell_text, max(LEAST_CELLS, len(html)))).strip()
    except TooManyCells:
        raise TooMuch from None
    except (ValueError, lxml.etree.LxmlError):
        return html


def cell_text(cell: Any) -> str:
    """The text of a cell, by lines."""
    for line_break in cell.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    return str(cell.text_content()).strip()
