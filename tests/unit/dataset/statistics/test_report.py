"""What a version is like: counted from its shards, and told on one page."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import orjson
import pytest

from services.dataset.examples.examples import Message, Preference
from services.dataset.statistics.charts import lengths_chart
from services.dataset.statistics.covering import paths_of
from services.dataset.statistics.page import page, percent
from services.dataset.statistics.statistics import Figures
from services.dataset.statistics.words import EN, ZH
from services.runtime.ids import derived_id
from tests.unit.dataset.makers import conversation, sft
from tests.unit.dataset.statistics.figures import (
    NASTY,
    TAGS,
    example,
    figures_of,
    known,
    statistics,
    studied,
    version,
)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    train = [example(number, "one.md") for number in range(40)]
    exam = [example(number, "two.md") for number in range(100, 110)]
    examples = {"train": [*train, example(900, "gone.md")], "exam": exam}
    study = studied(tmp_path_factory.mktemp("shards"), examples, samples=10, near_copy_threshold=0.95)
    return figures_of(study, [known("one.md"), known("two.md", 20), known("bare.md", 5)])


def test_examples_are_counted_by_split_and_facet(figures: Figures) -> None:
    assert figures.split_counts == {"train": 41, "exam": 10}
    tags = figures.facet("tag")
    assert sum(value.total for value in tags.values) == 51
    assert {value.name for value in tags.values} == set(TAGS.values())
    scores = figures.facet("score")
    assert [value.value for value in scores.values] == ["0", "1", "2", "3", "4", "5"]
    assert scores.without == sum(number % 5 == 0 for number in [*range(40), *range(100, 110), 900])
    assert figures.facet("kind").values[0].counts == {"train": 41, "exam": 10}
    assert figures.mean_score == pytest.approx(2.5, abs=0.5)


def test_documents_tell_what_of_them_is_used(figures: Figures) -> None:
    one, two, gone, bare = figures.documents
    assert (one.name, one.examples, one.chunks, one.chunks_used) == ("one.md", 40, 10, 8)
    assert (one.sections, one.sections_used) == (7, 4)
    assert one.unused_sections == ["Guide / Part 3", "Annex"]
    assert (two.name, two.counts, two.chunks, two.chunks_used) == ("two.md", {"exam": 10}, 20, 8)
    assert (gone.name, gone.document_id, gone.examples) == ("", derived_id("gone.md"), 1)
    assert (bare.name, bare.examples, bare.unused_sections) == ("bare.md", 0, ["Guide", "Annex"])
    assert (figures.all_documents.chunks, figures.all_documents.chunks_used) == (35, 16)


def test_lengths_are_those_of_what_is_said(tmp_path: Path) -> None:
    told = sft("Who?", "I.")
    thought = replace(told, messages=[Message("user", "Who?"), Message("assistant", "I.", "Hmm.")])
    chosen = Preference(Message("assistant", "Good."), Message("assistant", "Bad."))
    judged = replace(sft("Why?", kind="preference"), messages=[Message("user", "Why?")], preference=chosen)
    talk = conversation("A?", "B.", "C?", "D.", system="Be brief.")
    lengths = studied(tmp_path, {"train": [thought, judged, talk]}).lengths()
    assert (lengths["question"]["count"], lengths["question"]["total"]) == (3, 4 + 4 + 4)
    assert lengths["answer"]["total"] == 2 + 9 + 4
    assert (lengths["reasoning"]["count"], lengths["reasoning"]["total"]) == (1, 4)
    assert lengths["example"]["total"] == 10 + 13 + 17


def test_copies_and_samples_are_found(tmp_path: Path) -> None:
    texts = [f"What does heron {derived_id(str(number))} weigh, please?" for number in range(30)]
    train = [sft(text, name=f"t{text}") for text in texts]
    exam = [sft(texts[0].upper(), name="copy"), sft("Something else entirely."), sft(texts[1] + "!")]
    study = studied(tmp_path, {"train": train, "exam": exam}, samples=11)
    copies = study.copies()
    assert (copies.duplicates, copies.near_copies, copies.groups) == (1, 4, 2)
    assert (copies.largest_group, copies.crossing_groups) == (2, 2)
    drawn = study.samples()
    assert [one.split for one in drawn] == ["train"] * 10 + ["exam"]
    again = studied(tmp_path, {"train": train[::-1], "exam": exam}, samples=11).samples()
    other = studied(tmp_path, {"train": train, "exam": exam}, samples=11, seed=1).samples()
    assert drawn == again != other
    assert not studied(tmp_path, {"train": train}, samples=0).samples()


def test_figures_are_kept_as_json(figures: Figures) -> None:
    kept = orjson.dumps(figures.as_json())
    assert orjson.dumps(Figures.of(orjson.loads(kept)).as_json()) == kept


class Checked(HTMLParser):
    """Demands that what is opened is closed, and notes what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags = set[str]()
        self.attributes = set[str]()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "link", "br", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        (
            "en",
            ["41 to train on and 10 to examine with", "3 documents", "16 of 35 passages", "Lengths"],
        ),
        (
            "zh",
            ["41 条用于训练，10 条用于考试", "3 篇文档", "35 个段落", "与留作考试或验证的样例近似", "长度"],
        ),
    ],
)
def test_the_page_is_whole_needs_nothing_else_and_runs_nothing(
    figures: Figures, language: str, wanted: list[str]
) -> None:
    html = page(NASTY, version(split_counts=figures.split_counts), statistics(figures), language)
    checked = Checked()
    checked.feed(html)
    assert checked.open == []
    assert not checked.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert not checked.attributes & {"src", "href", "srcset", "data"}
    assert not {name for name in checked.attributes if name.startswith("on")}
    assert not re.search(r"https?://|url\(|@import", html)
    assert NASTY in checked.text
    for words in wanted:
        assert words in checked.text


def test_a_page_of_nothing_is_a_page(tmp_path: Path) -> None:
    empty = figures_of(studied(tmp_path, {"train": [], "exam": []}), [])
    html = page("acme", version(dropped_counts={}), statistics(empty), "en")
    assert "holds 0 examples" in html
    assert "The project has no documents now." in html


def test_both_languages_say_the_same_things() -> None:
    assert EN.texts.keys() == ZH.texts.keys()
    assert EN.nouns.keys() == ZH.nouns.keys()
    assert EN.names.keys() == ZH.names.keys() - {"generation", "import"}
    places = re.compile(r"\{(\w+)\}")
    for name, text in EN.texts.items():
        assert set(places.findall(text)) == set(places.findall(ZH.texts[name]))


def test_shares_say_all_and_nothing_only_where_it_is_so() -> None:
    assert [percent(*pair) for pair in ((0, 0), (0, 9), (1, 9999), (9998, 9999), (9, 9))] == [
        "–",
        "0 %",
        "< 1 %",
        "99 %",
        "100 %",
    ]
    assert lengths_chart({}, "") == ""
    assert "<rect" in lengths_chart({"0": 3}, "")
    assert paths_of([("a", "", "A"), ("b", "a", "B"), ("c", "", "C")]) == [("A",), ("A", "B"), ("C",)]
