"""A leak check catches what was planted, and hardly anything else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from services.dataset.benchmarks.files import guard_of
from services.dataset.benchmarks.items import Item
from services.dataset.leak_checks.finding import Guarded, LeakSearch, Looked, exam_question, trained_text
from services.dataset.leak_checks.leak_checks import LeakCounts, LeakSource
from tests.unit.dataset.benchmarks.planted_leaks import content, planted_leaks

CHOICES = ("the grey heron", "the white stork", "the mute swan", "the herring gull")


def search(items: list[Item], folder: Path) -> LeakSearch:
    return LeakSearch([Guarded(LeakSource("b", "name", "", len(items)), items, guard_of(items))], folder)


def nothing(_count: int) -> None:
    """Tells nobody."""


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [300, pytest.param(4000, marks=pytest.mark.full)])
def test_planted_leaks_are_caught_and_hardly_anything_else(tmp_path: Path, language: str, size: int) -> None:
    made = planted_leaks(language, size, 5 * size, size)
    found = pq.read_table(search(made.items, tmp_path).run(made.examples, nothing)).to_pylist()
    rows = {int(leak["example_id"]): leak["row"] for leak in found}
    planted = Counter(kind for _, kind in made.planted.values())
    caught = Counter(kind for row, (_, kind) in made.planted.items() if row in rows)
    assert set(planted) == {"verbatim", "edited", "numbers", "reordered"}
    assert {kind for kind, count in planted.items() if caught[kind] < 0.99 * count} == set()
    assert len(rows.keys() - made.planted.keys()) <= 0.01 * (len(made.examples) - len(made.planted))
    right = sum(rows[row] == item for row, (item, _) in made.planted.items() if row in rows)
    assert right >= 0.99 * caught.total()


def test_what_many_ask_is_a_question_only_with_its_choices(tmp_path: Path) -> None:
    asked = "Which of these is true?"
    items = [
        Item("b", row, asked, (f"It is {row * 7919} m long.", f"It weighs {row * 6607} g."))
        for row in range(9)
    ]
    right = "\n".join([asked, *items[4].choices])
    examples = [
        Looked("other", "sft", content("Which of these is true?\nA. Iron floats.\nB. Copper rusts.", "No.")),
        Looked("bare", "sft", content(asked, "None.")),
        Looked("same", "sft", content(right, "The first.")),
    ]
    (leak,) = pq.read_table(search(items, tmp_path).run(examples, nothing)).to_pylist()
    assert (leak["example_id"], leak["row"], leak["ways"]) == ("same", 4, ["shared_words", "near_copy"])


def test_an_example_counts_once_and_its_thoughts_and_answers_are_looked_at(tmp_path: Path) -> None:
    item = Item(
        "b",
        1,
        "Which bird of the northern lakes do people there call the heaviest of all that can fly?",
        CHOICES,
    )
    guarded = [Guarded(LeakSource(name, name, "", 1), [item], guard_of([item])) for name in ("one", "two")]
    turns = [{"role": "user", "content": "Go on."}]
    answer = {"role": "assistant", "content": "Well.", "reasoning": f"They ask: {item.question}"}
    values = {
        "messages": turns,
        "preference": {"chosen": {"role": "assistant", "content": "No."}, "rejected": answer},
    }
    assert item.question in trained_text(values)
    both = LeakSearch(guarded, tmp_path)
    told: list[int] = []
    both.run([Looked("a", "preference", orjson.dumps(values))], told.append)
    assert (both.counts, told) == (LeakCounts(1, 1, 2, 0), [1])
    assert [(source.benchmark_id, source.leaks) for source in both.sources] == [("one", 1), ("two", 1)]


def test_of_an_exam_example_only_what_it_asks_is_looked_for() -> None:
    task = {"type": "single_choice", "text": "Which?", "choices": list(CHOICES), "correct": [2]}
    turns = [{"role": "user", "content": "Which?\nA. …"}, {"role": "assistant", "content": "the mute swan"}]
    assert exam_question("exam_item", {"messages": turns, "exam_item": task}) == Item(
        "", 0, "Which?", CHOICES
    )
    assert exam_question("sft", {"messages": turns}) == Item("", 0, "Which?\nA. …")
