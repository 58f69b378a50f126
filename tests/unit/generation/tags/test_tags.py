"""Tags: outlines as models see them, trees as they answer, and where every entry ends up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.generations.kinds import TagOptions
from services.generation.tags.tag_outlines import (
    MOST_CHARS,
    MOST_ENTRIES,
    Entry,
    beginning,
    part,
    shown,
    upper,
)
from services.generation.tags.tag_trees import TagTree, nearest, next_step, whole_documents
from services.generation.tags.tag_writing import (
    Leaf,
    places_parser,
    places_schema,
    tree_parser,
    tree_schema,
)
from services.generation.tags.tags import check_parent
from services.runtime.errors import InvalidArgument
from tests.support.prompts import render

REBUILD, REVISE, KEEP = (TagOptions(mode=mode) for mode in ("rebuild", "revise", "keep"))


def outline(*paths: str, document: str = "a") -> list[Entry]:
    """Entries by their paths, such as `Trees/Ash`."""
    titles = [tuple(path.split("/")) for path in paths]
    return [
        Entry(number, document, f"{document}.md", path, None, path[-1])
        for number, path in enumerate(titles, 1)
    ]


def big(upper_ones: int, lower_ones: int) -> list[Entry]:
    """An outline with so many upper headings, and so many under each."""
    titles = [f"heading number {number} of the upper level" for number in range(upper_ones)]
    paths = [[one, *(f"{one}/lower heading {number}" for number in range(lower_ones))] for one in titles]
    return outline(*(path for many in paths for path in many))


def test_an_outline_is_numbered_indented_and_names_documents() -> None:
    entries = [*outline("Trees", "Trees/Ash", "Trees/Ash/Age", "Visits"), *outline("Wages", document="b")]
    assert shown(entries).splitlines() == [
        "# a.md",
        "1. Trees",
        "2.   Ash",
        "3.     Age",
        "4. Visits",
        "# b.md",
        "5. Wages",
    ]


def test_what_stands_above_an_entry_stands_on_its_line_where_it_is_no_entry() -> None:
    entries = outline("Trees/Ash/Age", "Trees/Ash/Age/Rings", "Trees/Birch")
    assert shown(entries).splitlines()[1:] == ["1. Trees > Ash > Age", "2.       Rings", "3. Trees > Birch"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\nThe garden of Kew\nIt is old.", "The garden of Kew"),
        ("1.\nIt is old.", "1. It is old."),
        ("It is old. " * 50, ("It is old. " * 50)[:200]),
        ("短句。\n红隼重十二千克。", "短句。 红隼重十二千克。"),
    ],
)
def test_a_text_without_headings_is_known_by_its_beginning(text: str, said: str) -> None:
    assert beginning(text) == said


def test_a_large_outline_begins_with_its_upper_levels_and_is_seen_in_parts() -> None:
    entries = big(100, 20)
    first = upper(entries)
    assert {one.depth for one in first} == {1}
    assert len(first) == 100
    seen, rest = 0, entries
    while rest:
        some = part(rest)
        assert len(shown(some)) <= MOST_CHARS
        assert len(some) <= MOST_ENTRIES
        seen, rest = seen + len(some), rest[len(some) :]
    assert seen == len(entries)


def test_of_a_first_level_that_is_too_large_some_are_seen_spread_over_all() -> None:
    entries = big(3000, 0)
    chosen = [one.number for one in upper(entries)]
    assert len(chosen) <= MOST_ENTRIES
    assert chosen[0] == 1
    assert chosen[-1] > 2900


def test_one_entry_is_always_a_part() -> None:
    entries = [replace(outline("Ash")[0], title="x" * 2 * MOST_CHARS)]
    assert part(entries) == entries == upper(entries)


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_of_the_prompt_keeps_the_rules_of_the_answer(levels: int, language: str) -> None:
    prompt = render("tags", language, outline="# a.md\n1. Ash", levels=levels, most=10, tags="")
    example = json.loads(prompt.texts[2])
    leaves = tree_parser(levels, 10, 6)(example)
    assert sorted(number for leaf in leaves for number in leaf.entries) == [1, 2, 3, 4, 5, 6]
    assert {len(leaf.titles) for leaf in leaves} == {levels}


@pytest.mark.parametrize("may_be_none", [False, True])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_of_places_keeps_the_rules_of_the_answer(may_be_none: bool, language: str) -> None:
    prompt = render(
        "tag_places", language, outline="# a.md\n1. Ash", tags="1. Trees", may_be_none=may_be_none
    )
    example = json.loads(prompt.texts[2])
    assert places_parser(3, 4, may_be_none=may_be_none)(example) == [3, 4, 0 if may_be_none else 1]


def depth_of(schema: Any) -> int:
    inner = schema["properties"].get("tags")
    return 1 + depth_of(inner["items"]) if inner else 0


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_the_schema_has_exactly_the_levels_and_limits_what_stands_under_one(levels: int) -> None:
    schema = tree_schema(levels, 7, 9)
    assert depth_of(schema) == levels
    assert schema["properties"]["tags"]["maxItems"] == 7


def leaf(title: str, *entries: Any) -> dict[str, Any]:
    return {"title": title, "entries": list(entries)}


def test_a_tree_is_read_and_of_an_entry_that_stands_twice_the_first_place_counts() -> None:
    value: Any = {
        "tags": [{"title": " The \n trees ", "tags": [leaf("Ash", 1, "2", 9, True), leaf("Birch", 2, 3)]}]
    }
    assert tree_parser(2, 10, 3)(value) == [
        Leaf(("The trees", "Ash"), [1, 2]),
        Leaf(("The trees", "Birch"), [3]),
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"tags": [leaf("A", 1), leaf("B", 2), leaf("C", 3)]}, "3 tags at the top, of at most 2"),
        ({"tags": [leaf("A", 1), leaf("", 2)]}, "a tag at the top has no title"),
        ({"tags": [leaf("A", 1), 7]}, "a tag at the top has no title"),
    ],
)
def test_a_tree_that_breaks_a_rule_is_asked_for_again_and_what_is_good_is_kept(value: Any, told: str) -> None:
    with pytest.raises(OutputIncomplete, match=told) as caught:
        tree_parser(1, 2, 3)(value)
    assert caught.value.value[0] == Leaf(("A",), [1])
    assert not caught.value.parts


@pytest.mark.parametrize(
    "value", [None, [], {}, {"tags": []}, {"tags": [leaf("A")]}, {"tags": [leaf("A", 9)]}]
)
def test_a_tree_without_entries_is_none(value: Any) -> None:
    with pytest.raises(OutputInvalid):
        tree_parser(1, 2, 3)(value)


def test_a_tree_with_a_level_too_few_says_where() -> None:
    with pytest.raises(OutputInvalid, match="under 'A'"):
        tree_parser(2, 2, 3)({"tags": [leaf("A", 1)]})


def test_places_that_lack_are_asked_for_again_alone() -> None:
    parse = places_parser(3, 5, may_be_none=False)
    assert parse({"entry_1": 1, "entry_2": "5", "entry_3": 2}) == [1, 5, 2]
    with pytest.raises(OutputIncomplete, match='"entry_2" must be the number of a tag, 1 to 5') as caught:
        parse({"entry_1": 1, "entry_2": 0, "entry_3": 6})
    assert (caught.value.parts, caught.value.value) == ({"entry_1": 1}, [1, 0, 0])
    assert places_parser(1, 5, may_be_none=True)({"entry_1": 0}) == [0]
    values: list[Any] = [{}, [], {"entry_1": None}]
    for value in values:
        with pytest.raises(OutputInvalid):
            parse(value)
    schema = places_schema(2, 5, may_be_none=True)
    assert schema["required"] == ["entry_1", "entry_2"]
    assert schema["properties"]["entry_1"]["minimum"] == 0


def test_titles_that_differ_in_case_are_one_tag_and_no_tag_gets_too_many() -> None:
    tree = TagTree([("Trees",), ("Trees", "Ash")])
    assert tree.add(("trees", "ASH"), 2) == ("Trees", "Ash")
    assert tree.add(("Trees", "Birch"), 2) == ("Trees", "Birch")
    assert tree.add(("Trees", "Cedar"), 2) == ("Trees",)
    assert tree.add(("Visits", "Tickets"), 2) == ("Visits", "Tickets")
    assert tree.add(("Wages", "Holidays"), 2) is None
    assert list(tree) == [
        ("Trees",),
        ("Trees", "Ash"),
        ("Trees", "Birch"),
        ("Visits",),
        ("Visits", "Tickets"),
    ]
    assert tree.numbered().splitlines()[1] == "2.   Ash"
    assert tree.listed().splitlines()[:2] == ["- Trees", "  - Ash"]


def with_tags(entries: Sequence[Entry], *tags: str | None, **flags: Any) -> list[Entry]:
    return [
        replace(entry, tag=tuple(tag.split("/")) if tag else None, **flags)
        for entry, tag in zip(entries, tags, strict=True)
    ]


def test_a_small_outline_is_one_call_and_only_what_it_leaves_out_is_asked_for_again() -> None:
    entries, tree = outline("Ash", "Birch", "Cedar"), TagTree()
    step = next_step(entries, tree, REBUILD)
    assert step
    assert (step.writes, len(step.entries)) == (True, 3)
    tree.add(("Trees", "All"), 10)
    asked = with_tags(entries, "Trees/All", None, "Trees/All", written=True)
    step = next_step(asked, tree, REBUILD)
    assert step
    assert ([one.title for one in step.entries], step.writes, step.may_be_none) == (["Birch"], False, False)
    asked[1] = replace(asked[1], placed=True)
    assert next_step(asked, tree, REBUILD) is None


def test_new_tags_are_asked_for_only_where_none_that_is_there_fits() -> None:
    entries, tree = outline("Ash", "Wages"), TagTree([("Trees",)])
    step = next_step(entries, tree, REVISE)
    assert step
    assert (step.writes, step.may_be_none) == (False, True)
    placed = with_tags(entries, "Trees", None, placed=True)
    step = next_step(placed, tree, REVISE)
    assert step
    assert ([one.title for one in step.entries], step.writes) == (["Wages"], True)
    assert next_step([replace(one, written=True) for one in placed], tree, REVISE) is None


def test_tags_that_are_kept_get_everything_and_nothing_is_added() -> None:
    entries, tree = outline("Ash", "Wages"), TagTree([("Trees",)])
    step = next_step(entries, tree, KEEP)
    assert step
    assert (step.writes, step.may_be_none) == (False, False)
    assert next_step(with_tags(entries, "Trees", None, placed=True), tree, KEEP) is None


@given(
    st.integers(0, 60),
    st.integers(0, 30),
    st.sampled_from([REBUILD, REVISE, KEEP]),
    st.randoms(use_true_random=False),
)
def test_whatever_a_model_leaves_out_every_entry_gets_a_tag_after_finitely_many_calls(
    upper_ones: int, lower_ones: int, options: TagOptions, dice: Any
) -> None:
    entries = big(upper_ones, lower_ones)
    tree = TagTree([("Trees",), ("Trees", "Ash")] if options.mode == "keep" else ())
    calls = 0
    while step := next_step(entries, tree, options):
        calls += 1
        assert calls <= 2 + 3 * len(entries)
        for entry in step.entries:
            tag = (
                tree.add((f"top {dice.randrange(3)}", "low"), 10) if step.writes else dice.choice(list(tree))
            )
            tag = tag if dice.random() < 0.5 or not len(tree) else None
            flags: dict[str, Any] = {"written" if step.writes else "placed": True}
            entries[entry.number - 1] = replace(entry, tag=tag, **flags)
    tags = nearest(entries, tree, {})
    assert tags.keys() == {entry.number for entry in entries}
    assert all(tag in set(tree) for tag in tags.values())


def test_what_no_model_placed_goes_where_what_stands_above_it_is() -> None:
    paths = ("Trees", "Trees/Ash", "Visits", "Visits/Tickets", "Wages")
    tree = TagTree([("Plants",), ("People",)])
    entries = with_tags(outline(*paths), "Plants", None, "People", None, None, placed=True)
    found = nearest(entries, tree, {})
    assert [found[number][0] for number in range(1, 6)] == ["Plants", "Plants", "People", "People", "People"]
    alone = nearest(outline("Ash", "Birch"), tree, {})
    assert set(alone.values()) == {("Plants",)}
    known = nearest(outline("Trees/Ash", "Wages"), tree, {"a": {("Trees",): ("People",), (): ("People",)}})
    assert set(known.values()) == {("People",)}


def test_a_whole_document_goes_where_most_of_its_upper_headings_are() -> None:
    entries = outline("Trees", "Trees/Ash", "Visits", "Wages")
    tags: dict[int, tuple[str, ...]] = {1: ("Plants",), 2: ("Plants",), 3: ("People",), 4: ("People",)}
    assert whole_documents(entries, tags, {}) == {"a": ("People",)}
    assert whole_documents(entries, tags, {"a": {(): ("Plants",)}}) == {}


def test_a_tag_is_under_no_other_project_and_not_under_itself() -> None:
    check_parent("t", "p", "p", ["parent", "top"])
    with pytest.raises(InvalidArgument) as caught:
        check_parent("t", "p", "other", ["parent"])
    assert caught.value.reason == "TAG_OF_OTHER_PROJECT"
    with pytest.raises(InvalidArgument) as caught:
        check_parent("t", "p", "p", ["child", "t", "top"])
    assert (caught.value.reason, caught.value.field) == ("TAG_UNDER_ITSELF", "tag.parent_id")
