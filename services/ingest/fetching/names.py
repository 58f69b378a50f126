"""What a fetched URL is called as a document, and which format it has."""

from __future__ import annotations

import hashlib
import re
from email.message import Message
from pathlib import PurePosixPath
from urllib.parse import unquote

import httpx

from services.ingest.documents import MOST_NAME_CHARS
from services.ingest.formats import BY_ENDING, BY_MEDIA_TYPE, OFFICE, Format
from services.runtime.errors import InvalidArgument

MOST_PART = 100
ALIASES = {
    "application/xhtml+xml": "text/html",
    "text/x-markdown": "text/markdown",
    "application/x-pdf": "application/pdf",
    "application/vnd.ms-word.document.macroenabled.12": f"{OFFICE}.wordprocessingml.document",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": f"{OFFICE}.presentationml.presentation",
    "application/vnd.ms-excel.sheet.macroenabled.12": f"{OFFICE}.spreadsheetml.sheet",
    "application/csv": "text/csv",
    "text/x-csv": "text/csv",
    "text/json": "application/json",
    "application/x-ndjson": "application/jsonl",
    "application/ndjson": "application/jsonl",
    "application/x-jsonlines": "application/jsonl",
    "application/jsonlines": "application/jsonl",
    "text/rtf": "application/rtf",
    "application/x-zip-compressed": "application/zip",
    "application/javascript": "text/x-javascript",
    "application/x-javascript": "text/x-javascript",
    "text/javascript": "text/x-javascript",
    "application/typescript": "text/x-typescript",
    "application/x-python-code": "text/x-python",
    "application/x-sh": "text/x-bash",
    "application/sql": "text/x-sql",
    "text/css": "text/x-css",
    "application/xml": "text/x-xml",
    "text/xml": "text/x-xml",
    "application/yaml": "text/x-yaml",
    "application/x-yaml": "text/x-yaml",
    "text/yaml": "text/x-yaml",
    "application/toml": "text/x-toml",
}
"""Other names of media types that servers send."""
SUFFIXES = {"+json": "application/json", "+xml": "text/x-xml", "+zip": "application/zip"}
VAGUE = {"application/octet-stream", "binary/octet-stream", "application/x-download", "text/plain"}
"""What servers send for files that they do not know; the name's ending says more."""

EXTENDED_NAME = re.compile(r"filename\*\s*=\s*\"?([\w.:-]*)'[^']*'([^;\s\"]+)", re.IGNORECASE)


def format_of_answer(content_type: str, *names: str) -> Format:
    """The format of an answer by its `Content-Type`, where that is vague by the names' endings.

    Raises:
        InvalidArgument: the room does not read this kind of file.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    media_type = ALIASES.get(media_type, media_type)
    by_ending = next((BY_ENDING[ending] for ending in map(ending_of, names) if ending in BY_ENDING), None)
    is_vague = media_type in VAGUE or not media_type
    if by_ending and (is_vague or media_type == "application/zip"):
        return by_ending
    if not media_type:
        return BY_MEDIA_TYPE["text/html"]
    if media_type in BY_MEDIA_TYPE:
        return BY_MEDIA_TYPE[media_type]
    for suffix, meant in SUFFIXES.items():
        if media_type.endswith(suffix):
            return BY_MEDIA_TYPE[meant]
    if media_type.startswith("text/"):
        return by_ending or BY_MEDIA_TYPE["text/plain"]
    if by_ending:
        return by_ending
    raise InvalidArgument(
        "FORMAT_UNSUPPORTED",
        f"{names[-1]}: the server says that it is {media_type[:100]}, which cannot be read; "
        "give the address of a page, a text or an office document",
        "url",
        name=names[-1],
        media_type=media_type[:100],
    )


def ending_of(name: str) -> str:
    """How a name ends, in lower case, with the dot."""
    return PurePosixPath(name).suffix.lower()


def file_name(content_disposition: str) -> str:
    """The file name in a `Content-Disposition`; empty without one.

    The extended notation, which has its own charset, goes before the plain one
    (https://www.rfc-editor.org/rfc/rfc6266#section-4.3).
    """
    extended = EXTENDED_NAME.search(content_disposition)
    name = decoded_name(extended[2], extended[1]) if extended else plain_name(content_disposition)
    return name.replace("\\", "/").rpartition("/")[2]


def plain_name(content_disposition: str) -> str:
    """The file name in the plain notation, or in parts; empty without one, or in a charset that cannot be."""
    message = Message()
    message["Content-Disposition"] = content_disposition.replace("\n", " ")
    try:
        return message.get_filename() or ""
    except (LookupError, UnicodeError):
        return ""


def decoded_name(quoted: str, charset: str) -> str:
    """A name without its percent signs; in a charset that cannot be as UTF-8."""
    try:
        return unquote(quoted, charset, "replace")
    except (LookupError, UnicodeError):
        # Some codecs of Python, such as `idna`, raise whatever they are told about errors.
        return unquote(quoted)


def document_name(url: httpx.URL, filename: str, form: Format) -> str:
    """The name of a URL's document: `host/path/name.ending`.

    The same URL always has the same name. A short hash stands in the names of URLs that differ in more than
    a name can hold: a query, or characters that names must not have.
    """
    path, _, query = url.raw_path.decode("ascii").partition("?")
    *folders, last = [unquote(part) for part in path.removeprefix("/").split("/")]
    if filename:
        folders, last = [*folders, last] if last else folders, filename
    raw = [*folders, last or "index"]
    parts = [safe(part) for part in raw]
    host = safe(url.raw_host.decode("ascii")) + (f"_{url.port}" if url.port else "")
    if len("/".join([host, *parts])) > MOST_NAME_CHARS - MOST_PART:
        parts = parts[-1:]
    is_exact = parts == raw and not query
    ending = ending_of(parts[-1])
    if ending in form.endings:
        parts[-1] = parts[-1][: -len(ending)]
    else:
        ending = form.endings[0]
    if not is_exact:
        parts[-1] += "-" + hashlib.sha256(url.raw_path + filename.encode(errors="replace")).hexdigest()[:8]
    return "/".join([host, *parts]) + ending


def safe(part: str) -> str:
    """A part of a path without what a name must not have."""
    kept = "".join(char if char.isprintable() and char not in '/\\:*?"<>|' else "_" for char in part)
    kept = kept.strip()[:MOST_PART]
    return kept if kept.strip(".") else "_"
