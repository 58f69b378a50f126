"""Exports by a filter hold what a plain rule finds, row by row."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.dataset.exports import filtering
from services.dataset.exports.exports import options_of, options_sha256, stored_options
from services.dataset.exports.filtering import fitting, may_say
from services.dataset.exports.making import export
from services.dataset.exports.options import ExportFilter, ExportOptions
from services.runtime.errors import FailedPrecondition
from tests.unit.dataset.exports.makers import Row, one_of_all, preference, sft, write_shards

WORDS = ["Heron", "HERON", "苍鹭", "Straße", "ΟΔΟΣ", "\u212aelvin", "taxİ", '"a\nb\\"', "ılık", "\x01\x1f"]
REVIEWS = ["unreviewed", "accepted", "rejected", "disputed"]
CASES: dict[str, Any] = {
    "document_ids": ["d1", "d2"],
    "tag_ids": ["t1", "t2", "none"],
    "labels": ["l0"],
    "min_score": 2.0,
    "max_score": 3.5,
    "languages": ["", "zh"],
    "question_types": ["fact"],
    "sources": ["hand", "import:1"],
    "review_states": ["accepted", "disputed"],
    "text": "heRon",
}


def some_rows(count: int, seed: int = 0) -> list[Row]:
    dice = random.Random(seed)  # noqa: S311  # a seed gives the same rows

    def named(at: int) -> Row:
        said = [" ".join(dice.choices(WORDS, k=3)) for _ in range(3)]
        if dice.random() < 0.2:
            return preference(f"row {at}", said[0], chosen=said[1], rejected=said[2], reasoning=said[0])
        return sft(f"row {at}", said[0], said[1], reasoning=dice.choice(["", said[2]]))

    return [
        replace(
            named(at),
            labels=dice.sample(["l0", "l1", "l2"], dice.randint(0, 3)),
            tags=dice.sample(["t0", "t1", "t2"], dice.randint(0, 2)),
            score=dice.choice([None, 0.0, 2.0, 3.5, 5.0]),
            language=dice.choice(["", "zh", "en"]),
            document=dice.choice(["", "d1", "d2", "d3"]),
            source=dice.choice(["hand", "import:1", "generation:1", "version:1"]),
            review_state=dice.choice(REVIEWS),
        )
        for at in range(count)
    ]


def meant(row: Row, wanted: ExportFilter) -> bool:
    """Whether a row is meant, by a plain rule."""
    found, said = row.stored(), wanted.said
    columns = {"document_ids": "document_id", "languages": "language", "question_types": "question_type"}
    columns |= {"sources": "source", "review_states": "review_state"}
    answers: Mapping[str, Any] = row.content.get("preference") or {}
    turns = [*row.content["messages"], *(turn for turn in answers.values() if isinstance(turn, dict))]
    texts = [text for turn in turns for name, text in turn.items() if name != "role"]
    return (
        all(found[column] in said[name] for name, column in columns.items() if name in said)
        and all(set(found[name]) & set(said[name]) for name in ("tag_ids", "labels") if name in said)
        and ("min_score" not in said or (row.score is not None and row.score >= said["min_score"]))
        and ("max_score" not in said or (row.score is not None and row.score <= said["max_score"]))
        and ("text" not in said or any(said["text"].lower() in text.lower() for text in texts))
    )


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches end within shards, and shards within batches."""
    monkeypatch.setattr(filtering, "ROWS", 70)
    monkeypatch.setattr(filtering, "CONTENTS", 30)


@pytest.mark.parametrize("name", CASES)
def test_each_field_finds_what_a_plain_rule_finds(name: str, tmp_path: Path) -> None:
    rows = some_rows(400)
    wanted = ExportFilter(**{name: CASES[name]})
    expected = [meant(row, wanted) for row in rows]
    assert fitting(write_shards(tmp_path, "train", rows, shard_rows=150), wanted).tolist() == expected
    assert 0 < sum(expected) < len(rows)


def test_fields_hold_together(tmp_path: Path) -> None:
    rows = some_rows(600)
    shards = write_shards(tmp_path, "train", rows, shard_rows=250)
    dice = random.Random(1)  # noqa: S311  # a seed gives the same rows
    found = 0
    for count in (2, 2, 3, 4, 10):
        wanted = ExportFilter(**{name: CASES[name] for name in dice.sample(list(CASES), count)})
        expected = [meant(row, wanted) for row in rows]
        assert fitting(shards, wanted).tolist() == expected
        found += sum(expected)
    assert found


@pytest.mark.parametrize("word", [*WORDS, "i", "kelvin", "taxi", "i\u0307", "οδοσ", "\n", "role", "x" * 150])
def test_a_text_is_found_whatever_its_case_and_letters(word: str, tmp_path: Path) -> None:
    rows = [*some_rows(60), sft("long", "x" * 149 + "X", "A."), sft("escaped", "line\\nend", "A.")]
    shards = write_shards(tmp_path, "train", rows)
    for text in (word, word.upper(), word.lower()):
        wanted = ExportFilter(text=text)
        assert fitting(shards, wanted).tolist() == [meant(row, wanted) for row in rows]


def test_no_letter_is_passed_over_for_its_case() -> None:
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    cased = [letter for letter in letters if letter.lower() != letter]
    assert len(cased) > 1000
    for letter in cased:
        for text in {letter.lower(), *letter.lower()}:
            assert may_say(pa.array([orjson.dumps(f"a{letter}b").decode()]), text).to_pylist() == [True]


def test_an_export_holds_what_fits_and_limits_count_only_that(tmp_path: Path) -> None:
    rows = some_rows(400)
    wanted = ExportFilter(review_states=["accepted"], max_score=3.5)
    shards = write_shards(tmp_path / "version", "train", rows, shard_rows=150)
    ids = [row.id for row in rows if meant(row, wanted)]
    plain = ExportOptions(shape="structured", file_type="parquet", filter=wanted)
    assert exported(shards, plain, tmp_path / "out").column("id").to_pylist() == ids
    capped = replace(plain, max_per_tag=5, kinds=["sft"])
    table = exported(shards, capped, tmp_path / "capped")
    tags = [tag for tags in table.column("tag_ids").to_pylist() for tag in tags]
    assert set(table.column("id").to_pylist()) < set(ids)
    assert max(map(tags.count, tags)) == 5
    assert exported(shards, capped, tmp_path / "again").equals(table)


def exported(shards: Any, options: ExportOptions, folder: Path) -> pa.Table:
    export(shards, options, folder)
    return pq.read_table(folder / "train.parquet")


def test_only_what_fits_is_planned_for_and_left_out(tmp_path: Path) -> None:
    rows = [
        replace(row, review_state="accepted" if at % 2 else "unreviewed")
        for at, row in enumerate(one_of_all())
    ]
    shards = [
        *write_shards(tmp_path / "version", "train", rows),
        *write_shards(
            tmp_path / "version", "exam", [row for row in rows if row.review_state == "unreviewed"]
        ),
    ]
    options = ExportOptions(shape="openai", filter=ExportFilter(review_states=["accepted"]))
    result = export(shards, options, tmp_path / "out")
    fit = [row.kind for row in rows if row.review_state == "accepted"]
    carried = {"sft", "conversation", "exam_item"}
    assert list(result.written) == ["train.jsonl"]
    written = result.written["train.jsonl"]
    assert written.examples == {kind: fit.count(kind) for kind in sorted(carried & set(fit))}
    assert written.left_out == {
        "KIND_NOT_CARRIED": {kind: fit.count(kind) for kind in sorted(set(fit) - carried)}
    }


@pytest.mark.parametrize(
    ("shape", "wanted", "told"),
    [
        (
            "openai",
            {"labels": ["a", "b", "c", "d"]},
            "no examples that fit the filter (labels 'a', 'b', 'c' and 1 more)",
        ),
        ("dpo_trl", {"min_score": 4.0, "text": "x"}, "of them that fit the filter (min_score 4.0; text 'x')"),
    ],
)
def test_where_nothing_fits_the_filter_is_named(
    shape: str, wanted: dict[str, Any], told: str, tmp_path: Path
) -> None:
    shards = write_shards(tmp_path / "version", "train", [sft("one", "Xx?", "A.", score=4.5)])
    with pytest.raises(FailedPrecondition) as raised:
        export(shards, ExportOptions(shape=shape, filter=ExportFilter(**wanted)), tmp_path / "out")
    assert raised.value.reason == "NOTHING_TO_EXPORT"
    assert told in raised.value.message
    assert "other values of the filter" in raised.value.message


def test_equal_filters_are_one_export_and_are_kept_as_they_were() -> None:
    one, same, other = (
        ExportOptions(shape="openai", filter=ExportFilter(labels=labels, min_score=1.0))
        for labels in (["a", "b"], ["b", "a", "a"], ["a"])
    )
    assert options_sha256(one) == options_sha256(same) != options_sha256(other)
    stored = orjson.loads(orjson.dumps(stored_options(one)))
    assert options_of(stored).filter == one.filter
    assert stored["filter"] == {"labels": ["a", "b"], "min_score": 1.0}
