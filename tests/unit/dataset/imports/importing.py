"""Files, and what becomes of them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from services.dataset.imports.conversion import Wanted
from services.dataset.imports.copy_rows import SIGNATURE, TRAILER
from services.dataset.imports.profile import Profile
from services.dataset.imports.readers import ReadOptions, Source, read_rows
from services.dataset.imports.reading import read_parts
from services.dataset.imports.rows import BadRow, Fault, Imported
from services.dataset.imports.sources import Choice, parts_in


def write(path: Path, content: str | bytes | Any) -> Path:
    """A file; what is neither text nor bytes becomes JSON, a list in .jsonl a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    elif path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content), encoding="utf-8"
        )
    else:
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def rows(path: Path, **options: str) -> list[tuple[int, Any]]:
    """The rows of a file; of a fault its reason."""
    source = Source(path, path.name, path.parent, ReadOptions(**options))
    return [(number, row.reason if isinstance(row, BadRow) else row) for number, row in read_rows(source)]


def imported(
    path: Path, wanted: Wanted | None = None, choice: Choice | None = None, profile: Profile | None = None
) -> list[Imported | Fault]:
    """What becomes of a file or folder."""
    folder = path.parent / "scratch"
    folder.mkdir(exist_ok=True)
    parts = parts_in(path, path.name, folder, choice or Choice())
    profile = profile or Profile()
    found = list(read_parts(parts, folder, wanted or Wanted(), profile))
    profile.add_rows([one for one in found if isinstance(one, Imported)])
    for one in found:
        if isinstance(one, Fault):
            profile.add_fault(one)
    return found


def contents(found: list[Imported | Fault]) -> list[tuple[str, Any]]:
    """Kind and content of examples; of a fault its reason and field."""
    return [
        (one.kind, json.loads(one.content)) if isinstance(one, Imported) else (one.reason, one.field)
        for one in found
    ]


def chat(*texts: str, system: str = "") -> list[dict[str, str]]:
    """Messages of user and assistant by turns."""
    turns = [
        {"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(texts)
    ]
    return [{"role": "system", "content": system}, *turns] if system else turns


def fields_of(block: bytes) -> list[list[bytes | None]]:
    """The fields of all rows of COPY in binary format."""
    assert block.startswith(SIGNATURE)
    at, rows = len(SIGNATURE), []
    while (count := struct.unpack_from(">h", block, at)[0]) != -1:
        at += 2
        row: list[bytes | None] = []
        for _ in range(count):
            (size,) = struct.unpack_from(">i", block, at)
            at += 4
            row.append(None if size < 0 else block[at : at + size])
            at += max(0, size)
        rows.append(row)
    assert block[at:] == TRAILER
    return rows
