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

from services.trainer.engine.data import Sample, Samples, read_json_rows
from services.trainer.engine.errors import BaseModelError, InvalidRowError

PLAIN = (".txt", ".md")
"""Names of files that are one document as they are."""
_SHORTEST = 2
"""Tokens: the first one of a row is only shown."""


def read_documents(path: Path, tokenizer: Any, cutoff_length: int) -> Samples[Sample]:
    """Tokenize a file of documents into rows in which every token but the first is learned.

    Args:
        path: JSON Lines of {"text": str}, or a .txt or .md file that is one document.
        tokenizer: of the base model.
        cutoff_length: tokens of a row.

    Raises:
        InvalidRowError: a line is not as it must be; the message names file and line.
        BaseModelError: the tokenizer has no end token.
    """
    samples: Samples[Sample] = Samples()
    row: array[int] = array("i")
    begins = 0
    for line, ids in _tokenized(path, tokenizer):
        samples.rows += 1
        begins = begins or line
        row.extend(ids)
        while len(row) >= cutoff_length:
            samples.kept.append(_sample(row[:cutoff_length], begins))
            row = row[cutoff_length:]
            begins = line if row else 0
    if len(row) >= _SHORTEST:
        samples.kept.append(_sample(row, begins))
    samples.check(path, cutoff_length)
    return samples


def _sample(ids: array[int], line: int) -> Sample:
    return Sample(ids, ((1, len(ids)),), line)


def _tokenized(path: Path, tokenizer: Any) -> Iterator[tuple[int, list[int]]]:
    """Line and tokens of each document."""
    end = tokenizer.eos_token_id
    if end is None:
        raise BaseModelError("base_model: its tokenizer has no end-of-sequence token")
    for line, text in _texts(path):
        yield line, [*tokenizer(text)["input_ids"], end]


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    if path.suffix in PLAIN:
        try:
            yield 1, path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRowError(f"{path}: not a text in UTF-8: {error}") from error
        return
    for line, row in read_json_rows(path):
        text = row.get("text")
        if not isinstance(text, str) or not text.strip():
            raise InvalidRowError(f"{path}:{line}: text: must be a text that is not empty")
        yield line, text
