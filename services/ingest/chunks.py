"""Chunks: pieces of a document's text that know where they stand."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from services.ingest.outline import heading_paths
from services.ingest.readers import Reading
from services.ingest.splitting import SplitOptions, split
from services.runtime.ids import derived_id

CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")
TOKENS_PER_WORD = 1.3


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Where a chunk stands in its document's text, and what was found out about it."""

    id: str
    index: int
    char_start: int
    char_end: int
    page_start: int
    page_end: int
    heading_path: Sequence[str]
    token_count: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Chunk(Piece):
    """A piece of the normalised text: `text == document_text[char_start:char_end]`."""

    project_id: str
    document_id: str
    document_version: int
    text: str


def cut(reading: Reading, document_id: str, options: SplitOptions) -> list[Piece]:
    """Cut a document into pieces.

    The id is derived from the document, the text, and how often this text stood before, so an unchanged
    chunk of a changed document keeps its id.
    """
    spans = split(reading.text, options)
    paths = heading_paths(reading.text, [start for start, _ in spans])
    seen: Counter[str] = Counter()
    pieces = []
    for index, ((start, end), path) in enumerate(zip(spans, paths, strict=True)):
        text = reading.text[start:end]
        digest = hashlib.sha256(text.encode()).hexdigest()
        pieces.append(
            Piece(
                id=derived_id(document_id, digest, str(seen[digest])),
                index=index,
                char_start=start,
                char_end=end,
                page_start=reading.page_at(start),
                page_end=reading.page_at(end - 1),
                heading_path=path,
                token_count=estimate_tokens(text),
                sha256=digest,
            )
        )
        seen[digest] += 1
    return pieces


def estimate_tokens(text: str) -> int:
    """Tokens that a usual tokenizer makes of a text: one a CJK character, 1.3 a word or sign."""
    cjk = len(CJK.findall(text))
    words = len(WORD.findall(CJK.sub(" ", text)))
    return max(1, round(cjk + TOKENS_PER_WORD * words))
