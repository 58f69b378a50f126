"""The formats that the room reads: one row each. A new format is one reader and one row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from services.runtime.errors import InvalidArgument

OFFICE = "application/vnd.openxmlformats-officedocument"
OPEN_DOCUMENT = "application/vnd.oasis.opendocument"


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        media_type: its media type.
        endings: how the names of such files end.
        reader: module in `services.ingest.readers` that reads it.
        syntax: what its text is: `markdown`, `plain`, `listing` (what an archive holds, which is not cut
            into chunks), or a programming language by its tree-sitter name.
    """

    media_type: str
    endings: tuple[str, ...]
    reader: str
    syntax: str = "markdown"


def code(syntax: str, *endings: str) -> Format:
    """Source code of a language."""
    return Format(f"text/x-{syntax}", endings, "code", syntax)


FORMATS = (
    Format("text/markdown", (".md", ".markdown"), "text"),
    Format("text/plain", (".txt", ".text", ".log"), "text", "plain"),
    Format("application/pdf", (".pdf",), "pdf"),
    Format(f"{OFFICE}.wordprocessingml.document", (".docx", ".docm"), "docx"),
    Format(f"{OFFICE}.presentationml.presentation", (".pptx", ".pptm"), "pptx"),
    Format(f"{OFFICE}.spreadsheetml.sheet", (".xlsx", ".xlsm"), "xlsx"),
    Format("text/csv", (".csv",), "table"),
    Format("text/tab-separated-values", (".tsv", ".tab"), "table"),
    Format("text/html", (".html", ".htm", ".xhtml"), "html"),
    Format("application/epub+zip", (".epub",), "epub"),
    Format("application/json", (".json",), "json"),
    Format("application/jsonl", (".jsonl", ".ndjson"), "json"),
    Format("application/rtf", (".rtf",), "rtf"),
    Format(f"{OPEN_DOCUMENT}.text", (".odt",), "odt"),
    Format("message/rfc822", (".eml",), "eml"),
    Format("application/zip", (".zip",), "zip", "listing"),
    code("python", ".py"),
    code("javascript", ".js", ".mjs", ".cjs", ".jsx"),
    code("typescript", ".ts"),
    code("tsx", ".tsx"),
    code("go", ".go"),
    code("java", ".java"),
    code("kotlin", ".kt", ".kts"),
    code("scala", ".scala"),
    code("rust", ".rs"),
    code("c", ".c", ".h"),
    code("cpp", ".cc", ".cpp", ".cxx", ".hh", ".hpp"),
    code("csharp", ".cs"),
    code("php", ".php"),
    code("ruby", ".rb"),
    code("swift", ".swift"),
    code("lua", ".lua"),
    code("bash", ".sh", ".bash"),
    code("sql", ".sql"),
    code("css", ".css"),
    code("xml", ".xml"),
    code("yaml", ".yaml", ".yml"),
    code("toml", ".toml"),
    code("ini", ".ini", ".cfg", ".conf"),
    code("proto", ".proto"),
)

LANGUAGES = frozenset(one.syntax for one in FORMATS) - {"markdown", "plain", "listing"}
"""Programming languages."""
BY_MEDIA_TYPE = {one.media_type: one for one in FORMATS}
HOLDERS = frozenset({"zip", "eml"})
"""Readers of files that hold files."""
CONTAINER_ENDINGS = tuple(ending for one in FORMATS if one.reader in HOLDERS for ending in one.endings)
"""Endings of files that hold files."""
BY_ENDING = {ending: one for one in FORMATS for ending in one.endings}


def format_of(name: str) -> Format:
    """The format by the ending of a name.

    Raises:
        InvalidArgument: the room does not read this kind of file.
    """
    ending = PurePosixPath(name).suffix.lower()
    if ending not in BY_ENDING:
        raise InvalidArgument(
            "FORMAT_UNSUPPORTED",
            f"{name}: files of kind {ending or '(no ending)'} cannot be read; "
            f"use one of {', '.join(sorted(BY_ENDING))}",
            "name",
            name=name,
            ending=ending,
        )
    return BY_ENDING[ending]
