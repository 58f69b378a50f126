"""Plain text for continued pretraining: documents end to end, cut into rows of the cutoff length.

No chat template is applied. Each document ends with the tokenizer's end token, so a model learns where texts
end; what begins with a start token when serving does so here. Nothing is cut off: the last row is as long as
what is left.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.trainer.engine.data import KEPT, Encoded, Item, Sample, parse_row, read_lines, row_id
from services.trainer.engine.errors import BaseModelError, InvalidRowError

PLAIN = (".txt", ".md")
"""Names of files that are one document as they are."""
_SHORTEST = 2
"""Tokens: the first one of a row is only shown."""


def read_documents(path: Path, tokenizer: Any, cutoff_length: int) -> Iterator[tuple[int, Encoded]]:
    """Tokenize a file of documents into rows in which every token but the first is learned.

    Args:
        path: JSON Lines of {"text": str}, or a .txt or .md file that is one document.
        tokenizer: of the base model.
        cutoff_length: tokens of a row.

    Yields:
        Each document with its line and the rows that end with it or in it; a row counts to the document that
        it begins in.

    Raises:
        InvalidRowError: a line is not as it must be; the message names file and line.
        BaseModelError: the tokenizer has no end token.
    """
    row: array[int] = array("i")
    begins = 0
    waiting: tuple[int, Encoded] | None = None
    for line, name, ids in _tokenized(path, tokenizer):
        if waiting:
            yield waiting
        begins = begins or line
        row.extend(ids)
        items = []
        while len(row) >= cutoff_length:
            items.append(_item(row[:cutoff_length], begins))
            row = row[cutoff_length:]
            begins = line if row else 0
        waiting = line, Encoded(name, items, KEPT, len(ids))
    if waiting:
        if len(row) >= _SHORTEST:
            waiting[1].items.append(_item(row, begins))
        yield waiting


def _item(ids: array[int], line: int) -> Item:
    return Item((Sample(ids, ((1, len(ids)),), line),))


def _tokenized(path: Path, tokenizer: Any) -> Iterator[tuple[int, str, list[int]]]:
    """Line, id and tokens of each document."""
    end = tokenizer.eos_token_id
    if end is None:
        raise BaseModelError("base_model: its tokenizer has no end-of-sequence token")
    for line, name, text in _texts(path):
        yield line, name, [*tokenizer(text)["input_ids"], end]


def _texts(path: Path) -> Iterator[tuple[int, str, str]]:
    if path.suffix in PLAIN:
        try:
            yield 1, "", path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRowError(f"{path}: not a text in UTF-8: {error}") from error
        return
    for line, content in read_lines(path):
        try:
            row = parse_row(content)
        except InvalidRowError as error:
            raise InvalidRowError(f"{path}:{line}: {error}") from error
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise InvalidRowError(f"{path}:{line}: text: must be a text that is not empty")
        yield line, row_id(row), text
