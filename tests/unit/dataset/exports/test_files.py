from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.dataset.exports.bundles import BUNDLES
from services.dataset.exports.making import export
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.sinks import JsonArray, JsonLines, open_bytes
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.unit.dataset.exports.makers import conversation, one_of_all, preference, sft, write_shards


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("file_type", ["json", "jsonl", "csv", "parquet"])
@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
def test_the_same_rows_give_the_same_bytes(file_type: str, compression: str, tmp_path: Path) -> None:
    options = ExportOptions(shape="alpaca", file_type=file_type, compression=compression)
    for name in ("one", "two"):
        shards = write_shards(tmp_path / name / "version", "train", one_of_all(), shard_rows=9)
        export(shards, options, tmp_path / name / "out")
    assert digests(tmp_path / "one" / "out") == digests(tmp_path / "two" / "out")


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_bundle_has_the_same_bytes_each_time(bundle: str, tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", one_of_all(), shard_rows=9)
    for name in ("one", "two"):
        export(shards, ExportOptions(bundle=bundle), tmp_path / name)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.parametrize(("compression", "ending"), [("gzip", ".gz"), ("zstd", ".zst")])
def test_a_compressed_file_holds_what_the_plain_one_holds(
    compression: str, ending: str, tmp_path: Path
) -> None:
    shards = write_shards(tmp_path / "version", "train", one_of_all())
    export(shards, ExportOptions(shape="openai"), tmp_path / "plain")
    export(shards, ExportOptions(shape="openai", compression=compression), tmp_path / "small")
    path = tmp_path / "small" / f"train.jsonl{ending}"
    plain = (tmp_path / "plain" / "train.jsonl").read_bytes()
    with pa.CompressedInputStream(pa.OSFile(str(path)), compression) as stream:
        assert stream.read() == plain
    if compression == "gzip":
        assert gzip.decompress(path.read_bytes()) == plain
        # No flags, so no name; no time.
        assert path.read_bytes()[3:8] == b"\0" * 5


def test_no_reader_of_lines_takes_a_row_for_two(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", one_of_all())
    export(shards, ExportOptions(shape="messages_jsonl"), tmp_path / "out")
    text = (tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [
        row.id for row in one_of_all() if row.kind in {"sft", "conversation", "exam_item"}
    ]


def test_an_array_has_a_row_a_line(tmp_path: Path) -> None:
    for rows in ([], [{"a": 1}], [{"a": 1}, {"a": 2}]):
        sink = JsonArray(open_bytes(tmp_path / "a.json", ""))
        sink.write(rows[:1])
        sink.write(rows[1:])
        sink.close()
        text = (tmp_path / "a.json").read_text(encoding="utf-8")
        assert json.loads(text) == rows
        assert text.count("\n") == (len(rows) + 2 if rows else 1)


def test_nothing_written_is_an_empty_file(tmp_path: Path) -> None:
    sink = JsonLines(open_bytes(tmp_path / "a.jsonl", ""))
    sink.write([])
    sink.close()
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_splits_and_kinds_can_be_chosen(tmp_path: Path) -> None:
    shards = [
        shard
        for split in ("train", "validation", "exam")
        for shard in write_shards(tmp_path / "version", split, one_of_all())
    ]
    options = ExportOptions(shape="openai", splits=["validation"], kinds=["conversation", "preference"])
    result = export(shards, options, tmp_path / "out")
    assert list(result.written) == ["validation.jsonl"]
    assert result.written["validation.jsonl"].examples == {"conversation": 10}


def tagged(count: int) -> list[Any]:
    return [
        sft(f"row {at}", f"Q{at}?", "A.", tags=[f"t{at % 4}", f"u{at % 3}"], labels=["l"] if at % 2 else [])
        for at in range(count)
    ]


def tags_in(folder: Path) -> Counter[str]:
    rows = pq.read_table(folder / "train.parquet").to_pylist()
    return Counter(tag for row in rows for tag in row["tag_ids"])


def test_no_tag_is_borne_by_more_than_its_limit(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", tagged(400), shard_rows=150)
    options = ExportOptions(shape="structured", file_type="parquet", max_per_tag=20, seed=1)
    export(shards, options, tmp_path / "one")
    export(shards, options, tmp_path / "again")
    export(
        shards,
        ExportOptions(shape="structured", file_type="parquet", max_per_tag=20, seed=2),
        tmp_path / "other",
    )
    counts = tags_in(tmp_path / "one")
    assert max(counts.values()) == 20
    # Every row that is missing would break a limit.
    there = {row["id"] for row in pq.read_table(tmp_path / "one" / "train.parquet").to_pylist()}
    assert all(max(counts[tag] for tag in row.tags) == 20 for row in tagged(400) if row.id not in there)
    assert digests(tmp_path / "one") == digests(tmp_path / "again")
    assert digests(tmp_path / "one") != digests(tmp_path / "other")


def test_labels_have_a_limit_of_their_own_and_rows_without_stay(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", tagged(100))
    export(shards, ExportOptions(shape="structured", file_type="parquet", max_per_label=7), tmp_path / "out")
    rows = pq.read_table(tmp_path / "out" / "train.parquet").to_pylist()
    assert sum(1 for row in rows if row["labels"]) == 7
    assert sum(1 for row in rows if not row["labels"]) == 50


def test_what_has_no_place_takes_no_room_under_a_limit(tmp_path: Path) -> None:
    rows = [preference(f"p{at}", "Q?", chosen="a", rejected="b") for at in range(50)]
    for row in rows:
        row.tags = ["t"]
    rows += [sft(f"s{at}", "Q?", "A.", tags=["t"]) for at in range(20)]
    shards = write_shards(tmp_path / "version", "train", rows)
    result = export(shards, ExportOptions(shape="alpaca", max_per_tag=20), tmp_path / "out")
    assert result.written["train.jsonl"].rows == 20


def test_parts_are_masked_as_the_whole_is(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", tagged(90), shard_rows=40)
    export(shards, ExportOptions(bundle="hugging_face", max_per_tag=5), tmp_path / "parts")
    export(shards, ExportOptions(shape="structured", file_type="parquet", max_per_tag=5), tmp_path / "whole")
    parts = [pq.read_table(path).to_pylist() for path in sorted((tmp_path / "parts" / "data").iterdir())]
    assert len(parts) == 3
    assert list(chain.from_iterable(parts)) == pq.read_table(tmp_path / "whole" / "train.parquet").to_pylist()


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({}, "EXPORT_SHAPE_MISSING", "shape"),
        ({"shape": "alpaca", "bundle": "trl"}, "EXPORT_SHAPE_MISSING", "shape"),
        ({"shape": "alpca"}, "EXPORT_OPTION_UNFIT", "shape"),
        ({"bundle": "torchtune"}, "EXPORT_OPTION_UNFIT", "bundle"),
        ({"shape": "alpaca", "file_type": "xlsx"}, "EXPORT_OPTION_UNFIT", "file_type"),
        ({"shape": "alpaca", "compression": "rar"}, "EXPORT_OPTION_UNFIT", "compression"),
        ({"bundle": "llama_factory", "compression": "gzip"}, "EXPORT_OPTION_UNFIT", "compression"),
        ({"bundle": "hugging_face", "file_type": "csv"}, "EXPORT_OPTION_UNFIT", "file_type"),
        ({"shape": "alpaca", "reasoning": "field"}, "EXPORT_OPTION_UNFIT", "reasoning"),
        ({"shape": "multilingual_thinking", "reasoning": "none"}, "EXPORT_OPTION_UNFIT", "reasoning"),
        (
            {"shape": "openai", "reasoning": "field", "reasoning_field": "a b"},
            "EXPORT_OPTION_UNFIT",
            "reasoning_field",
        ),
        (
            {"shape": "openai", "reasoning": "tags", "reasoning_open": " "},
            "EXPORT_OPTION_UNFIT",
            "reasoning_open",
        ),
        ({"shape": "alpaca", "splits": ["test"]}, "EXPORT_OPTION_UNFIT", "splits"),
        ({"shape": "alpaca", "kinds": ["rag"]}, "EXPORT_OPTION_UNFIT", "kinds"),
        ({"shape": "alpaca", "kinds": ["preference"]}, "EXPORT_OPTION_UNFIT", "kinds"),
        ({"shape": "custom"}, "EXPORT_COLUMNS_MISSING", "columns"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    options: dict[str, Any], reason: str, field: str, tmp_path: Path
) -> None:
    shards = write_shards(tmp_path / "version", "train", one_of_all())
    with pytest.raises(InvalidArgument) as raised:
        export(shards, ExportOptions(**options), tmp_path / "out")
    assert (raised.value.reason, raised.value.field) == (reason, f"export.options.{field}")
    assert not (tmp_path / "out").exists()


def test_an_export_of_nothing_is_refused(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "version", "train", [conversation("one", "Q?", "A.")])
    with pytest.raises(FailedPrecondition) as raised:
        export(shards, ExportOptions(shape="dpo_trl"), tmp_path / "out")
    assert raised.value.reason == "NOTHING_TO_EXPORT"
    assert "preference" in raised.value.message


def test_the_folder_of_llama_factory_names_what_it_has(tmp_path: Path) -> None:
    shards = [
        *write_shards(tmp_path / "version", "train", one_of_all()),
        *write_shards(tmp_path / "version", "validation", [sft("v", "Q?", "A.")]),
        *write_shards(tmp_path / "version", "exam", [conversation("e", "Q?", "A.")]),
    ]
    export(shards, ExportOptions(bundle="llama_factory"), tmp_path / "out")
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text(encoding="utf-8"))
    assert {name: one["file_name"] for name, one in info.items()} == {
        "sishu_alpaca": "alpaca.json",
        "sishu_validation_alpaca": "alpaca_validation.json",
        "sishu_exam_alpaca": "alpaca_exam.json",
        "sishu_sharegpt": "sharegpt.json",
        "sishu_validation_sharegpt": "sharegpt_validation.json",
        "sishu_exam_sharegpt": "sharegpt_exam.json",
        "sishu_dpo": "dpo.json",
        "sishu_kto": "kto.json",
        "sishu_pretraining": "pretraining.json",
    }
    assert "history" not in info["sishu_validation_alpaca"]["columns"]
    assert info["sishu_alpaca"]["columns"]["history"] == "history"
    assert "eval_dataset: sishu_validation_sharegpt" in (tmp_path / "out" / "sft.yaml").read_text()
    assert "eval_dataset" not in (tmp_path / "out" / "dpo.yaml").read_text()


def test_a_row_that_shows_all_types_comes_early(tmp_path: Path) -> None:
    many = [sft(f"s{at}", f"Question {at}?", "x" * 3000) for at in range(1500)]
    late = [conversation(f"c{at}", "1?", "1", "2?", "2") for at in range(3)]
    shards = write_shards(tmp_path / "version", "train", [*many, *late, *many[:10]], shard_rows=700)
    result = export(shards, ExportOptions(shape="alpaca"), tmp_path / "out")
    lines = (tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert result.written["train.jsonl"].rows == len(rows) == 1513
    assert [at for at, row in enumerate(rows) if row["history"]] == [0, 1501, 1502]
    assert [row["instruction"] for row in rows[1:1501]] == [f"Question {at}?" for at in range(1500)]
