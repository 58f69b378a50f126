from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.dataset.copies.sketches import sketch
from services.dataset.examples.content import content_json, lineage_json
from services.dataset.examples.examples import Example
from services.dataset.versions import shards
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.reading import RowReader, digest_of, parsed
from services.dataset.versions.shards import SCHEMA, ShardCutter, of_side
from tests.unit.dataset.makers import conversation, sft


def copied(examples: list[Example]) -> bytes:
    """Examples as Postgres copies them out."""
    return b"".join(map(row_of, examples))


def row_of(one: Example) -> bytes:
    lists = [json.dumps(list(found)) if found else None for found in (one.labels, one.tag_ids)]
    texts = [one.kind, content_json(one), lineage_json(one.lineage), *lists]
    generation = one.lineage.generation_id
    fields = [
        UUID(one.id).bytes,
        *(None if text is None else text.encode() for text in texts),
        UUID(one.document_id).bytes if one.document_id else None,
        one.lineage.question_type.encode(),
        one.language.encode(),
        UUID(generation).bytes if generation else None,
        None,
        None if one.score is None else struct.pack(">d", one.score),
        struct.pack(">i", one.characters),
        one.review_state.encode(),
    ]
    told = [b"\xff" * 4 if each is None else struct.pack(">i", len(each)) + each for each in fields]
    return struct.pack(">h", len(fields)) + b"".join(told)


def dealt(
    folder: Path, examples: list[Example], seed: int = 0, batch: int = 7, prompt: str = ""
) -> list[pa.Table]:
    folder.mkdir(exist_ok=True)
    reader = RowReader(folder, DatasetOptions(seed=seed, system_prompt=prompt), len(examples))
    for start in range(0, len(examples), batch):
        reader.add(parsed(copied(examples[start : start + batch])))
    entries, sketches = reader.finish()
    assert sketches.keys.tolist() == sketch(one.asks for one in examples).keys.tolist()
    writer = ShardCutter(folder, "train")
    sides = np.zeros(len(entries), np.int8)
    made = [each for rows in reader.dealer.ranges() for each in writer.add(of_side(rows, sides, 0))]
    made += writer.finish()
    tables = [pq.read_table(shard.write().path) for shard in made]
    assert [shard.rows.num_rows for shard in made] == [table.num_rows for table in tables]
    return tables


def ids(tables: list[pa.Table]) -> list[str]:
    return [row_id for table in tables for row_id in table.column("id").to_pylist()]


def test_every_row_is_in_one_shard_and_shards_are_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROWS", 30)
    examples = [sft(f"Question {number}?") for number in range(200)]
    tables = dealt(tmp_path / "a", examples)
    assert [table.num_rows for table in tables] == [30] * 6 + [20]
    assert sorted(ids(tables)) == sorted(one.id for one in examples)
    assert ids(tables) != [one.id for one in examples]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        f"train-{number:05d}.parquet" for number in range(7)
    ]


def test_another_order_of_the_input_gives_the_same_bytes_and_another_seed_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROWS", 30)
    examples = [sft(f"Question {number}? 问{number}") for number in range(90)]
    first = dealt(tmp_path / "a", examples)
    dealt(tmp_path / "b", examples[::-1], batch=11)
    files = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert files[0] == files[1]
    other = ids(dealt(tmp_path / "c", examples, seed=1))
    assert sorted(other) == sorted(ids(first))
    assert other != ids(first)


def test_a_row_says_what_is_known_of_its_example(tmp_path: Path) -> None:
    one, other = replace(sft("净利润？"), review_state="accepted"), conversation('Q,\n"?', "A.", system="S.")
    (table,) = dealt(tmp_path, [one, other])
    assert table.schema.names == SCHEMA.names
    by_id = {row["id"]: row for row in table.to_pylist()}
    content = json.loads(by_id[one.id]["content"])
    assert [message["content"] for message in content["messages"]] == ["净利润？", "Forty-two."]
    quote = one.quotes[0]
    assert content["quotes"] == [
        {
            "text": quote.text,
            "chunk_id": quote.chunk_id,
            "document_id": quote.document_id,
            "document_version": 1,
            "start": 10,
            "end": 27,
        }
    ]
    lineage = json.loads(by_id[one.id]["lineage"])
    assert lineage["question_ids"] == list(one.lineage.question_ids)
    assert lineage["answer_origin"] == {"model": "m", "parameters": {"seed": 7.0}, "calls": 2}
    assert (by_id[one.id]["document_id"], by_id[one.id]["source"]) == (quote.document_id, "hand")
    assert (by_id[one.id]["review_state"], by_id[other.id]["review_state"]) == ("accepted", "unreviewed")
    assert by_id[other.id]["kind"] == "conversation"
    assert json.loads(by_id[other.id]["content"])["messages"][1]["content"] == 'Q,\n"?'


def test_a_system_prompt_changes_what_is_said_and_no_place(tmp_path: Path) -> None:
    examples = [sft(f"Question {number}?") for number in range(20)]
    (plain,) = dealt(tmp_path / "a", examples)
    (prompted,) = dealt(tmp_path / "b", examples, prompt="Be brief.")
    assert ids([plain]) == ids([prompted])
    said = [json.loads(text)["messages"][0]["content"] for text in prompted.column("content").to_pylist()]
    assert said == ["Be brief."] * 20
    for table in (plain, prompted):
        rows = zip(table.column("kind").to_pylist(), table.column("content").to_pylist(), strict=True)
        wanted = [digest_of(kind, content.encode()).hex() for kind, content in rows]
        assert table.column("digest").to_pylist() == wanted
    assert not set(plain.column("digest").to_pylist()) & set(prompted.column("digest").to_pylist())


def test_a_split_of_nothing_has_an_empty_shard(tmp_path: Path) -> None:
    (table,) = dealt(tmp_path, [])
    assert table.num_rows == 0
    assert table.schema.names == SCHEMA.names
