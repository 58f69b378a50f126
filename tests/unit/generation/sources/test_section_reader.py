"""Chunks section by section, large sections in parts, and from any place on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from services.generation.sources import section_reader
from services.generation.sources.chunk_reader import ChunkReader, SourceChunk
from services.generation.sources.section_reader import Place, Section, SectionReader
from tests.support.chunks import chunk_of

PAGE = 3


class Chunks:
    """Pages of three chunks of a document, each of the section by whose letter it goes."""

    def __init__(self, sections: str) -> None:
        self.chunks = [
            replace(chunk_of("x"), id=f"{section}{at}", char_start=at, section_id=section)
            for at, section in enumerate(sections)
        ]

    async def page(self, _project: str, _documents: Sequence[str], token: str) -> tuple[Any, str]:
        at = int(token or 0)
        following = at + PAGE
        return self.chunks[at:following], str(following) if following < len(self.chunks) else ""


async def read(sections: str, place: Place = Place()) -> list[Section[str]]:  # noqa: B008  # immutable
    reader = SectionReader(cast(ChunkReader, Chunks(sections)))

    async def look(chunks: Sequence[SourceChunk]) -> dict[str, str]:
        return {chunk.id: chunk.id for chunk in chunks}

    return [one async for one in reader.sections("p", [], place, look)]


def told(found: Sequence[Section[str]]) -> list[str]:
    """Sections with their chunks; a sign behind those that go on."""
    return ["".join(part.found) + ("" if part.ends else "+") for part in found]


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ("", []),
        ("aab", ["a0a1", "b2"]),
        ("aaab", ["a0a1a2", "b3"]),
        ("aaaab", ["a0a1a2a3", "b4"]),
        ("aaaaaa", ["a0a1a2a3a4a5"]),
        ("aaaaaaa", ["a0a1a2a3a4a5+", "a6"]),
        ("baaaaaaaab", ["b0", "a1a2a3a4a5+", "a6a7a8", "b9"]),
    ],
)
async def test_a_large_section_comes_in_parts(
    monkeypatch: pytest.MonkeyPatch, sections: str, expected: list[str]
) -> None:
    monkeypatch.setattr(section_reader, "PART_CHUNKS", 4)
    found = await read(sections)
    assert told(found) == expected
    for number, part in enumerate(found):
        assert (part.following is None) == (number == len(found) - 1)
        if part.following:
            assert await read(sections, part.following) == found[number + 1 :]
