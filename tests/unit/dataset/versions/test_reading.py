from __future__ import annotations

import json
import struct
from dataclasses import replace
from itertools import pairwise
from types import ModuleType
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dataset.copies.texts import normalise
from services.dataset.examples.content import content_json, lineage_json
from services.dataset.examples.examples import Example, Lineage, Message, Quote
from services.dataset.versions import blocks_by_python
from services.dataset.versions.blocks_by_python import ends_of, texts_of
from services.dataset.versions.native import compiled
from services.dataset.versions.reading import prompted
from tests.unit.dataset.makers import conversation, sft

native = pytest.mark.skipif(compiled is None, reason="no C compiler")
BOTH = [blocks_by_python, pytest.param(compiled, marks=native)]
HARD = [
    "",
    " A \t b\x1c\x1fC\x0b ",
    'quote " and \\ and \n',
    "净利润 ＡＢ",
    "🙂 \u2028\0",
    "}{][,:",
    "é\u0301 ẞ",
]
texts = st.text() | st.sampled_from(HARD)
ids = st.sampled_from(["", "a", "b"])
quotes = st.builds(Quote, texts, ids, ids, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
messages = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), texts.filter(bool), texts),
    min_size=1,
)
lineages = st.builds(Lineage, fact_id=ids, import_id=ids, chunk_ids=st.lists(ids, max_size=2))
examples = st.builds(
    lambda said, found, lineage: replace(sft("Q?"), messages=said, quotes=found, lineage=lineage),
    messages,
    st.lists(quotes, max_size=2),
    lineages,
)


def row_of(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content_json(example))
    return found


def with_prompt(row: dict[str, Any], prompt: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prompted(row, prompt))
    return found


def studied(blocks: ModuleType, contents: list[str], lineages: list[str]) -> tuple[bytes, ...]:
    columns = [[text.encode() for text in each] for each in (contents, lineages)]
    found: tuple[bytes, ...] = blocks.study(
        *(part for each in columns for part in (ends_of(each), b"".join(each)))
    )
    return found


def of(blocks: ModuleType, some: list[Example]) -> tuple[bytes, ...]:
    return studied(blocks, [content_json(one) for one in some], [lineage_json(one.lineage) for one in some])


def facts(blocks: ModuleType, *some: Example) -> list[int]:
    found: list[int] = np.frombuffer(of(blocks, list(some))[3], np.int64).tolist()
    return found


def test_the_system_prompt_comes_before_a_system_message_of_the_examples_own() -> None:
    brief = {"role": "system", "content": "Be brief."}
    first, *rest = row_of(sft("Q?"))["messages"]
    assert with_prompt(row_of(sft("Q?")), "Be brief.")["messages"] == [brief, first, *rest]
    own = row_of(conversation("Q?", "A.", system="Speak Latin."))
    both = {"role": "system", "content": "Be brief.\n\nSpeak Latin."}
    assert with_prompt(own, "Be brief.") == {**own, "messages": [both, *own["messages"][1:]]}


@pytest.mark.parametrize("blocks", BOTH)
def test_two_forms_of_a_question_about_one_place_share_their_fact(blocks: ModuleType) -> None:
    one, other = sft("What is the answer?"), sft("Which number is it?")
    moved = replace(one, quotes=[replace(one.quotes[0], start=11)])
    first, second, third, none = facts(blocks, one, other, moved, replace(one, quotes=[]))
    assert first == second != third
    assert none == -1 < min(first, third)
    named, again = facts(
        blocks, replace(one, quotes=[Quote("x", chunk_id="c")]), replace(one, quotes=[Quote("x", "c")])
    )
    assert named == again
    by_id = [replace(each, lineage=Lineage(fact_id="f")) for each in (one, moved)]
    assert len(set(facts(blocks, *by_id))) == 1


@native
def test_every_letter_is_read_the_same_without_a_compiler() -> None:
    letters = [chr(code) for code in range(1, 0x11000, 3) if not 0xD800 <= code < 0xE000]
    texts = [f"A {letter}{letter}b Ｃ {letter} d" for letter in [*letters, *map(chr, range(0xFEF0, 0xFFF0))]]
    contents = [json.dumps({"messages": [{"role": "user", "content": text}]}) for text in texts]
    found, expected = (
        studied(blocks, contents, ["{}"] * len(texts)) for blocks in (compiled, blocks_by_python)
    )
    assert found[:3] == expected[:3]
    plain = np.flatnonzero(np.frombuffer(found[2], np.uint8))
    assert len(plain) > 6_000
    asked = texts_of(np.frombuffer(found[0], np.int32), found[1])
    assert all(asked[row].decode() == normalise(texts[row]) for row in plain)


@native
@settings(max_examples=60, deadline=None)
@given(st.lists(examples, max_size=4))
@example([sft(text, text) for text in HARD])
def test_contents_are_read_the_same_without_a_compiler(some: list[Example]) -> None:
    found, expected = of(compiled, some), of(blocks_by_python, some)
    assert [*found[:3], *found[4:]] == [*expected[:3], *expected[4:]]
    one, other = (np.frombuffer(each[3], np.int64) for each in (found, expected))
    assert np.array_equal(one[:, None] == one, other[:, None] == other)
    assert np.array_equal(one == -1, other == -1)
    ends = np.frombuffer(found[0], np.int32)
    asked = [found[1][start:end].decode() for start, end in pairwise(ends)]
    assert list(map(normalise, asked)) == [normalise(each.asks) for each in some]


@pytest.mark.parametrize("blocks", BOTH)
def test_json_with_blanks_and_escapes_is_read(blocks: ModuleType) -> None:
    content = ' { "x" : [1, {"messages": "]"}], "messages" : [ {"content":"\\u0041\\ud83d\\ude42\\/\\"", "role" : "user"} ] } '
    found = studied(blocks, [content], ['{"chunk_ids": [], "import_row" : 3, "import_id":"i"}'])
    assert found[1].decode() == 'A🙂/"'
    assert found[5] == b"i"


@pytest.mark.parametrize("blocks", BOTH)
def test_rows_become_columns(blocks: ModuleType) -> None:
    name = "0192f0c1-2ab4-7cde-8f01-23456789abcd"
    fields = [
        (b"a", UUID(name).bytes, struct.pack(">d", 1.5), struct.pack(">i", -7)),
        (None, None, None, None),
        ("净".encode(), UUID(name).bytes, struct.pack(">d", 2.5), struct.pack(">i", 8)),
    ]
    block = b"".join(
        struct.pack(">h", 4)
        + b"".join(b"\xff" * 4 if one is None else struct.pack(">i", len(one)) + one for one in row)
        for row in fields
    )
    rows, columns = blocks.split(block + b"\xff\xff", "tudi")
    assert rows == 3
    assert [(nulls, valid) for nulls, valid, _, _ in columns] == [(1, b"\x05")] * 4
    assert columns[0][2:] == (ends_of([b"a", b"", "净".encode()]), "a净".encode())
    assert columns[1][3].decode() == name * 2
    assert np.frombuffer(columns[2][3]).tolist() == [1.5, 0.0, 2.5]
    assert np.frombuffer(columns[3][3], np.int64).tolist() == [-7, 0, 8]
    assert blocks.split(b"\xff\xff", "t")[0] == 0
    with pytest.raises(ValueError, match="whole rows"):
        blocks.split(block, "tud")


@native
def test_rows_that_are_broken_off_are_refused() -> None:
    block = struct.pack(">hi", 1, 5) + b"hello"
    for end in range(1, len(block)):
        with pytest.raises(ValueError, match="whole rows"):
            compiled.split(block[:end], "t")
