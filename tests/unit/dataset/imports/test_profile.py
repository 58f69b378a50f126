from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from services.dataset.examples.languages import language_of
from services.dataset.imports import seen_columns
from services.dataset.imports.conversion import Wanted
from services.dataset.imports.faults import Faults, Threshold
from services.dataset.imports.profile import QUANTILES, Histogram, Profile
from services.dataset.imports.rows import Columns, Fault, Imported
from services.runtime.errors import InvalidArgument
from tests.unit.dataset.imports.importing import chat, imported, write


@given(st.lists(st.integers(0, 10_000_000) | st.integers(0, 2000), max_size=300))
def test_quantiles_are_right_to_one_percent(lengths: list[int]) -> None:
    histogram = Histogram()
    for length in lengths:
        histogram.add(length)
    found = histogram.lengths()
    assert (found.count, found.total) == (len(lengths), sum(lengths))
    assert sum(found.bins.values()) == len(lengths)
    if lengths:
        assert (found.least, found.most) == (min(lengths), max(lengths))
        ranked = sorted(lengths)
        for share in QUANTILES:
            exact = ranked[max(1, round(share * len(lengths))) - 1]
            assert abs(found.quantiles[share] - exact) <= 0.01 * exact


def test_a_histogram_takes_no_more_memory_for_more_lengths() -> None:
    histogram = Histogram()
    draw = random.Random(5)  # noqa: S311  # the same lengths in each run
    lengths = [int(draw.lognormvariate(6, 2)) for _ in range(50_000)]
    for length in lengths:
        histogram.add(length)
    found = histogram.lengths()
    assert found.quantiles[0.5] == pytest.approx(np.quantile(lengths, 0.5), rel=0.01)
    assert len(histogram._waiting) < 5000


def test_a_profile_tells_what_rows_are_like(tmp_path: Path) -> None:
    rows = [
        {"question": "Why?", "answer": "So it is.", "source": ""},
        {"question": "Why?", "answer": "So it is.", "source": None},
        {"question": "为什么？", "answer": "因为阀门关闭。", "source": "x"},
        {"question": "", "answer": "x", "source": "x"},
    ]
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))  # noqa: S106  # no password
    tokenizer.pre_tokenizer = Whitespace()
    profile = Profile(tokenizer)
    imported(write(tmp_path / "a.jsonl", rows), profile=profile)
    figures = profile.figures()
    assert figures["examples"] == 3
    assert figures["kinds"] == {"sft": 3}
    assert figures["languages"] == {"en": 2, "zh": 1}
    assert figures["turns"] == {"2": 3}
    assert figures["duplicates"] == 1
    assert figures["empty_columns"] == {"source": 2, "question": 1}
    assert figures["faults"] == {"TEXT_EMPTY": 1}
    assert figures["characters"].most == 13
    assert figures["tokens"].most == 6


@pytest.mark.parametrize("most", [1000, 1])
def test_columns_that_no_example_is_made_of_are_named_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(seen_columns, "MOST_LAYOUTS", most)
    write(
        tmp_path / "data" / "a.jsonl", [{"instruction": "Why?", "output": "So.", "topic": "x", "\0": 1}] * 3
    )
    rows = [
        {"question": "Why?", "answer": "So.", "topic": "", "prompt": "also"},
        {"question": "Why?", "answer": "So.", "topic": "y", "tools": []},
        {"question": "", "answer": "So.", "page": 3},
    ]
    write(tmp_path / "data" / "b.jsonl", rows)
    profile = Profile()
    imported(tmp_path / "data", profile=profile)
    assert profile.figures()["unread_columns"] == {"topic": 4, "\ufffd": 3, "prompt": 1, "page": 1}
    assert profile.figures()["empty_columns"] == {"topic": 1, "question": 1, "tools": 1}
    chosen = Profile()
    imported(tmp_path / "data" / "b.jsonl", Wanted(columns=Columns(instruction="prompt")), profile=chosen)
    assert chosen.unread_columns == {"question": 2, "topic": 1, "page": 1}


def test_of_an_export_of_ours_nothing_is_left_unread(tmp_path: Path) -> None:
    about: dict[str, Any] = {
        "id": "x",
        "language": "en",
        "source": "hand",
        "review_state": "accepted",
        "labels": [],
        "score": None,
        "tag_ids": [],
    }
    parts = {"messages": chat("a", "b"), "chosen": None, "rejected": None, "quotes": [], "exam_item": None}
    whole: dict[str, Any] = {"kind": "sft", "lineage": {}, **about}
    shard = {**whole, "content": {"messages": chat("a", "b")}, "digest": "0", "document_id": "d"}
    for rows in ([{**whole, **parts, "flaw": ""}], [shard]):
        profile = Profile()
        (found,) = imported(write(tmp_path / "a.jsonl", rows), profile=profile)
        assert isinstance(found, Imported)
        assert profile.unread_columns == {}


def test_of_keys_that_are_values_only_some_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_columns, "MOST_LAYOUTS", 7)
    monkeypatch.setattr(seen_columns, "MOST_NAMES", 20)
    rows = [{"question": "Why?", "answer": "So.", f"key {number}": "x"} for number in range(300)]
    profile = Profile()
    imported(write(tmp_path / "a.jsonl", rows), profile=profile)
    assert set(profile.unread_columns.values()) == {1}
    assert 0 < len(profile.unread_columns) < 20


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Why does the pump stop?", "en"),
        ("水泵为什么停止？", "zh"),
        ("水泵 pump 为什么停止？", "zh"),
        ("The 水泵 stops when the valve is shut, says the manual.", "en"),
        ("なぜポンプは止まりますか", ""),
        ("왜 펌프가 멈추나요", ""),
        ("Почему насос останавливается?", ""),
        ("Où est la vanne fermée à l'arrêt, né d'une élévation?", ""),
        ("123 + 4", ""),
        ("", ""),
    ],
)
def test_languages_are_told_by_letters(text: str, language: str) -> None:
    assert language_of(text) == language


def test_too_many_faults_end_an_import() -> None:
    fault = Fault("a.jsonl", 3, "answer", "TEXT_EMPTY", "answer is empty; fill it")
    faults = Faults(Threshold(most_rows=2))
    faults.add(fault)
    faults.add(fault)
    with pytest.raises(
        InvalidArgument, match=r"more than 2 rows are bad: TEXT_EMPTY \(3\); the first is row 3 of a\.jsonl"
    ):
        faults.add(fault)
    share = Faults(Threshold(most_share=0.5))
    share.check(0)
    share.add(fault)
    share.check(2)
    with pytest.raises(InvalidArgument, match="1 of 1 rows are bad, at most 50% may be"):
        share.check(1)


def test_a_row_that_says_nothing_new_is_seen(tmp_path: Path) -> None:
    profile = Profile()
    imported(write(tmp_path / "a.jsonl", [{"messages": chat("a", "b")}] * 5), profile=profile)
    assert profile.figures()["duplicates"] == 4
