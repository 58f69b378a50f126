from __future__ import annotations

import random
import re
from dataclasses import asdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.ingest.outline import headings_of, layout_of
from services.ingest.readers.reading import Reading, normalised
from services.ingest.splitting import SplitOptions, split, split_reading
from services.ingest.splitting.breaks import ATOM, MAYBE_SENTENCE, sentence_ends, splits_character
from services.ingest.splitting.inline import all_spans, inline_spans, spans_in_brackets
from services.ingest.splitting.measure import LONGEST_WHOLE, SIGN_SIZES
from services.ingest.splitting.sentences import best_sentence
from services.ingest.tokens import count_tokens
from services.runtime.errors import InvalidArgument

LINES = st.one_of(
    st.sampled_from(
        [
            "",
            "# Top",
            "## Below ##",
            "Under",
            "=====",
            "---",
            "```",
            "~~~ python",
            "    indented code",
            "- an item",
            "  1. a nested item. It says more.",
            "> a quotation",
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
            "<div>",
            "</div>",
            "[ref]: http://example.org",
            "$$",
            "$x = 3.14$ and \\(y\\) and `code` and ![a](b.png)",
            "A sentence. Another one! A third? “Quoted.” End",
            "第一句话。第二句话！第三句话？「引文。」结尾",
            "مرحبا بالعالم. هذه جملة أخرى؟",
            "👩‍👩‍👧‍👦🇩🇪🇫🇷 e\u0301 क्षि 👍🏽",
            "word " * 60,
            "字" * 120,
            "x" * 200,
        ]
    ),
    st.text(max_size=40),
)
TEXTS = st.lists(LINES, max_size=30).map(lambda lines: normalised("\n".join(lines)))
SIZES = st.tuples(st.integers(1, 200), st.integers(0, 200), st.integers(0, 60)).map(
    lambda sizes: {
        "min_size": sizes[0],
        "max_size": sizes[0] + sizes[1],
        "overlap": min(sizes[2], sizes[0] - 1),
    }
)
LIMITED = st.one_of(
    st.sampled_from(["structure", "recursive", "token", "code"]).map(lambda name: {"strategy": name}),
    st.just({"strategy": "separator", "separators": ("\n\n", ". ", "字")}),
    st.just({"strategy": "recursive", "separators": ("。", " ")}),
)
SENTENCES = [
    f"Sentence number {number} is about the topic {number * 7919 % 1000}. " for number in range(8000)
]
UNITS = st.sampled_from(["characters", "tokens"])


def options_of(strategy: dict[str, object], sizes: dict[str, int], unit: str = "characters") -> SplitOptions:
    return SplitOptions(**strategy, **sizes, unit=unit)  # type: ignore[arg-type]  # wider than the fields


def check_law(text: str, spans: list[tuple[int, int]]) -> None:
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]


@settings(max_examples=400, deadline=None)
@given(TEXTS, LIMITED, SIZES, UNITS)
@example("", {"strategy": "structure"}, {}, "characters")
@example("a\fb\u2028c\x85d\x1ce", {"strategy": "structure"}, {"min_size": 1, "max_size": 2}, "characters")
@example("\n\n\n# A\n\n", {"strategy": "structure"}, {"min_size": 1, "max_size": 1}, "tokens")
def test_chunks_together_are_the_text(
    text: str, strategy: dict[str, object], sizes: dict[str, int], unit: str
) -> None:
    options = options_of(strategy, sizes, unit)
    spans = split_reading(Reading(text), options)
    check_law(text, spans)
    most = options.max_size - options.overlap
    tokens = unit == "tokens" or options.strategy == "token"
    size = count_tokens if tokens else len
    for start, end in spans:
        if size(text[start:end]) > most:
            assert is_one_thing(text, start, end)


def is_one_thing(text: str, start: int, end: int) -> bool:
    """Whether a part is one character as one sees it, or but for white space one thing that is not cut."""
    if all(splits_character(text, place, start) for place in range(start + 1, end)):
        return True
    part = text[start:end].strip()
    first = text.index(part, start)
    headings, tables = headings_of(text, "markdown")
    blocks = [*layout_of(text).wholes, *(one[:2] for one in headings), *(one[:2] for one in tables)]
    if any(low <= first and first + len(part) <= high for low, high in blocks):
        return True
    return ATOM.fullmatch(part) is not None or inline_spans(part, 0, len(part)).at(1) == (0, len(part))


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=6), SIZES)
def test_pages_rows_and_cut_points_together_are_the_text(
    text: str, places: list[int], sizes: dict[str, int]
) -> None:
    inside = sorted({place for place in places if 0 < place < len(text)})
    for strategy in ("page", "row"):
        reading = Reading(text, page_starts=(0, *inside), row_starts=inside)
        check_law(text, split_reading(reading, SplitOptions(strategy, **sizes)))  # type: ignore[arg-type]
    spans = split(text, SplitOptions("custom", cut_points=tuple(inside)))
    check_law(text, spans)
    assert [start for start, _ in spans[1:]] == inside


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from([*"[[]]()!^: \n\"'a", "![", "](b)", "[^1]", "[c]: d"]), max_size=30).map("".join)
)
@example("![^a] [^b]: [c](d)![e](f) ![g] [h][i]")
def test_links_and_footnote_marks_are_found_alike_in_both_ways(text: str) -> None:
    assert spans_in_brackets(text, 0, len(text)) == all_spans(text, 0, len(text))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([*".!?…。；\n \t\u3000)”]_a1字", "。」"]), max_size=12).map("".join))
def test_where_a_sentence_ends_it_may_end(text: str) -> None:
    assert MAYBE_SENTENCE.search(text) or not list(sentence_ends(text, 0, len(text)))


def texts(text: str, min_size: int, max_size: int) -> list[str]:
    return [text[start:end] for start, end in split(text, SplitOptions(min_size=min_size, max_size=max_size))]


def test_a_heading_starts_a_chunk_once_the_one_before_is_large_enough() -> None:
    text = "# One\n\n" + "a " * 30 + "\n\n# Two\n\nb\n"
    assert texts(text, 20, 500) == ["# One\n\n" + "a " * 30 + "\n\n", "# Two\n\nb\n"]


def test_small_sections_are_joined_while_they_fit() -> None:
    text = "# One\n\na\n\n# Two\n\nb\n\n# Three\n\nc\n"
    assert texts(text, 20, 500) == ["# One\n\na\n\n# Two\n\nb\n\n", "# Three\n\nc\n"]


def test_a_long_paragraph_is_cut_after_sentences() -> None:
    text = "First sentence here. Second sentence here. Third sentence here.\n"
    assert all(part.endswith((". ", ".\n")) for part in texts(text, 1, 45))


def test_a_long_chinese_paragraph_is_cut_after_sentences_and_their_quotation_marks() -> None:
    text = "他说：“第一句话在这里。”第二句话在这里！第三句话在这里？"
    assert all(part.endswith(("。”", "！", "？")) for part in texts(text, 1, 17))


def test_abbreviations_end_no_sentence() -> None:
    text = "We met Dr. Smith and e.g. J. Doe on 5. May at Nr. 7 of the street. Then we left the town."
    cuts = {
        text[:end]
        for low in range(1, 40)
        for start, end in split(text, SplitOptions(min_size=low, max_size=80))
    }
    assert cuts <= {"We met Dr. Smith and e.g. J. Doe on 5. May at Nr. 7 of the street. ", text}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "A sentence. ",
                "Dr. Who",
                "e.g. this ",
                "3.14 ",
                "字字。",
                "字！？",
                "”",
                "。。",
                "... ",
                "a.b",
                "\n",
            ]
        ),
        min_size=60,
        max_size=120,
    ).map("".join),
    st.integers(20, 60),
)
def test_a_place_found_the_quick_way_is_the_end_of_a_sentence(text: str, least: int) -> None:
    place = best_sentence(text, least, len(text) - 20)
    ends = set(sentence_ends(text, 0, len(text)))
    assert place == 0 or (least <= place <= len(text) - 20 and place in ends)


def test_most_places_are_found_the_quick_way() -> None:
    generator = random.Random(7)  # noqa: S311  # the same text every time
    english, chinese = "".join(SENTENCES[:400]), "他说了第一句话，然后走了。他又回来了！" * 400
    for text in (english, chinese):
        places = [best_sentence(text, start, start + 700) for start in generator.sample(range(1, 5000), k=50)]
        assert all(place in set(sentence_ends(text, 0, len(text))) for place in places)


def test_a_sentence_too_long_is_cut_between_words_and_a_word_too_long_anywhere() -> None:
    assert all(part.endswith(" ") for part in texts("one two three four ", 1, 8))
    assert [len(part) for part in texts("x" * 100, 1, 40)] == [40, 40, 20]


def test_a_table_is_cut_between_rows_and_its_header_is_not_alone() -> None:
    text = "| a | b |\n|---|---|\n" + "| 1. x | 2 |\n| 3. y | 4 |\n" * 9
    parts = texts(text, 20, 45)
    assert all(part.endswith("|\n") for part in parts)
    assert parts[0].count("\n") >= 3


def test_a_heading_is_never_last_in_a_chunk() -> None:
    generator = random.Random(5)  # noqa: S311  # the same text every time
    text = "".join(
        f"{'#' * generator.randint(1, 3)} Title {number}\n\n{'Some words here. ' * generator.randint(1, 30)}\n\n"
        for number in range(200)
    )
    for high in (120, 300, 900):
        assert not any(
            part.rstrip().rpartition("\n")[2].startswith("#") for part in texts(text, high // 2, high)
        )


WORDS = st.sampled_from(
    ["word", "sentence.", "Yes!", "字字字字", "。", "，", "longer-word", "end.\n", "\n\n"]
)
SIGNS = ("👩‍👩‍👧‍👦", "e\u0301\u0323", "🇩🇪")
THINGS = st.sampled_from(
    [
        "```\ncode line. one\n\n# two\n```",
        "$$\na = b. c\n\nd = e\n$$",
        "\\[\na = b. c\n\\]",
        "\\begin{aligned}\na. b\n\\end{aligned}",
        "| a b. c | d |\n|---|---|\n| e. f | g h |",
        "$a. b + c$",
        "\\(x. y\\)",
        "`co de. x`",
        "3.14159",
        "1,234,567.89",
        "10\u00a0000\u00a0000",
        "https://example.org/a/long/path?x=1,2",
        "https://例子.中国/路径/文件",
        "someone.else@example.org",
        "[^note-12]",
        "![a picture. of](images/0123456789abcdef.png)",
        "[a link. with words](https://example.org/x)",
        *SIGNS,
    ]
)
BLOCKS = ("```", "$$", "\\[", "\\begin", "|")


@st.composite
def texts_with_things(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """A text, and the spans in it that are never cut: of tables the rows."""
    text, spans = "", []
    for _ in range(draw(st.integers(1, 12))):
        text += " ".join(draw(st.lists(WORDS, max_size=12)))
        thing = draw(THINGS)
        block = thing.startswith(BLOCKS)
        text += "\n\n" if block else draw(st.sampled_from([" ", "\n"]))
        starts = len(text)
        text += thing
        parts = thing.split("\n") if thing.startswith("|") else [thing]
        for part in parts:
            spans.append((starts, starts + len(part)))
            starts += len(part) + 1
        text += "\n\n" if block else " "
    return text, spans


@settings(max_examples=600, deadline=None)
@given(texts_with_things(), st.integers(1, 80), st.integers(0, 80), UNITS)
def test_things_are_never_cut(
    made: tuple[str, list[tuple[int, int]]], low: int, more: int, unit: str
) -> None:
    text, things = made
    spans = split(text, SplitOptions(min_size=low, max_size=low + more, unit=unit))
    check_law(text, spans)
    cuts = {end for _, end in spans}
    size = len if unit == "characters" else count_tokens
    for start, end in things:
        if text[start:end] not in SIGNS or size(text[start:end]) <= SIGN_SIZES * (low + more) - 2:
            assert not cuts & set(range(start + 1, end)), text[start:end]


LONG_THINGS = st.sampled_from(
    [
        ("```\n", "x = f(1). # y\n\n", "```"),
        ("~~~~ python\n", "x = 1\n", "~~~~"),
        ("$$\n", "a + b. c\n", "$$"),
        ("\\[\n", "a + b\n\n", "\\]"),
        ("\\begin{align}\n", "a &= b. \\\\\n", "\\end{align}"),
        ("| a | b |\n|---|---|\n| ", "A cell. It says more, 1.5. ", " | c |"),
        ("$", "Area + base. ", "c$"),
        ("\\(", "Area. Y\n", "\\)"),
        ("``", "Code words. ` ", "``"),
        ("[", "Some words. ", "](https://example.org)"),
        ("https://example.org/", "a/1,2.3/", "z"),
        ("", "1,234.", "5"),
        ("", "123", "4"),
    ]
)


def is_block(thing: str) -> bool:
    return thing.startswith((*BLOCKS, "~~~"))


@st.composite
def texts_with_long_things(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    """A text, and the spans in it that are never cut, most of them much longer than a chunk."""
    text, spans = "", []
    for _ in range(draw(st.integers(1, 4))):
        head, body, tail = draw(LONG_THINGS)
        most = (LONGEST_WHOLE - len(head) - len(tail) - 1) // len(body)
        thing = head + body * draw(st.one_of(st.integers(1, most), st.just(most))) + tail
        block = is_block(thing)
        text += " ".join(draw(st.lists(WORDS, max_size=300))) + ("\n\n" if block else " ")
        first = len(text) + (thing.rindex("\n") + 1 if thing.startswith("|") else 0)
        text += thing
        spans.append((first, len(text)))
        text += "\n\n" if block else draw(st.sampled_from([" ", "\n", "\n\n"]))
    return text, spans


@settings(max_examples=120, deadline=None)
@given(texts_with_long_things(), SIZES, UNITS, st.sampled_from(["structure", "separator"]))
def test_long_things_are_never_cut_up_to_the_hard_limit(
    made: tuple[str, list[tuple[int, int]]], sizes: dict[str, int], unit: str, strategy: str
) -> None:
    text, things = made
    separators = ("\n\n\n\n",) if strategy == "separator" else ()
    spans = split(text, options_of({"strategy": strategy, "separators": separators}, sizes, unit))
    check_law(text, spans)
    for start, end in things:
        assert end - start <= LONGEST_WHOLE
        inside = [place for _, place in spans if start < place < end]
        assert not inside, (text[start : start + 20], end - start, inside[0] - start)


@settings(max_examples=300, deadline=None)
@given(TEXTS, SIZES)
def test_numbers_and_urls_of_any_text_are_never_cut(text: str, sizes: dict[str, int]) -> None:
    cuts = {end for _, end in split(text, options_of({"strategy": "structure"}, sizes))}
    for found in re.finditer(r"[0-9]+(?:[.,][0-9]+)*|https?://[^\s<>\"，。；、！？：）（]+", text):
        assert not cuts & set(range(found.start() + 1, found.end())), found[0]


@settings(max_examples=400, deadline=None)
@given(TEXTS, SIZES)
def test_code_blocks_and_rows_that_another_parser_finds_are_never_cut(
    text: str, sizes: dict[str, int]
) -> None:
    # The other parser knows no formulas, and so takes fences inside of them for code.
    text = text.replace("$$", "")
    cuts = {end for _, end in split(text, options_of({"strategy": "structure"}, sizes))}
    starts = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in {"fence", "tr_open"} and token.map is not None:
            start, end = (starts[min(line, len(starts) - 1)] for line in token.map)
            assert not cuts & set(range(start + 1, end)), text[start:end]


@pytest.mark.parametrize("body", ["x = 1\n", "x = 1\n\n"])
@pytest.mark.parametrize("more", [0, 1])
def test_a_fence_is_cut_at_lines_only_beyond_the_hard_limit(body: str, more: int) -> None:
    head = "```" + "p" * ((LONGEST_WHOLE - 8) % len(body)) + "\n"
    fence = head + body * ((LONGEST_WHOLE - len(head) - 4) // len(body) + more) + "```\n"
    parts = texts("Some words.\n\n" + fence + "\nMore words.\n", 40, 100)
    assert (len(fence) > LONGEST_WHOLE) == bool(more)
    assert any(part.startswith(fence) for part in parts) != bool(more)
    assert all(part.endswith("\n") for part in parts)
    assert not more or max(map(len, parts)) <= 100


def test_a_number_beyond_the_hard_limit_is_cut_to_size() -> None:
    assert [len(part) for part in texts("1" * LONGEST_WHOLE, 40, 100)] == [LONGEST_WHOLE]
    parts = texts("1" * (LONGEST_WHOLE + 1), 40, 100)
    assert max(map(len, parts)) <= 100


def test_a_thing_far_too_large_is_cut_at_blank_lines_then_lines() -> None:
    code = (
        "```\n"
        + "".join(f"line {number % 100}\n" + "\n" * (number % 10 == 9) for number in range(9000))
        + "```\n"
    )
    parts = texts(code, 40, 100)
    assert len(parts) > 10
    assert all(part.endswith("\n\n") for part in parts[:-1])
    assert all(part.endswith("\n") for part in texts(code.replace("\n\n", "\n"), 40, 100))


def document(generator: random.Random, sections: bool, blank: bool) -> list[str]:
    """Sentences of about 300 chunks, with or without headings and paragraphs."""
    parts = []
    for sentence in SENTENCES:
        if sections and generator.random() < 0.02:
            parts.append(f"\n\n## Title {generator.random():.6f}\n\n")
        elif blank and generator.random() < 0.1:
            parts.append("\n\n")
        parts.append(sentence)
    return parts


@pytest.mark.parametrize(("sections", "blank"), [(True, True), (False, True), (False, False)])
def test_a_change_of_a_sentence_changes_few_chunks(sections: bool, blank: bool) -> None:
    generator = random.Random(3)  # noqa: S311  # the same text every time
    parts = document(generator, sections, blank)
    old_text = "".join(parts)
    old = {old_text[start:end] for start, end in split(old_text)}
    assert len(old) > 250
    changed = []
    for _ in range(60):
        place = generator.randrange(len(parts))
        new = (
            parts[:place]
            + generator.choice([[], ["Something new was said. "], [parts[place], "More. "]])
            + parts[place + 1 :]
        )
        text = "".join(new)
        changed.append(len({text[start:end] for start, end in split(text)} - old))
    assert sum(changed) / len(changed) <= 4


@pytest.mark.parametrize(
    ("sign", "count"),
    [
        ("a", 3_000_000),
        ("$", 1_000_000),
        ("|", 1_000_000),
        ("`", 1_000_000),
        ("1.", 500_000),
        ("\n", 3_000_000),
        ("# a\n", 200_000),
        ("a\n---\n", 100_000),
        ("|-|\n", 200_000),
        ("[", 300_000),
        ("$a ", 300_000),
        ("\\(", 300_000),
        ("<!-- ", 200_000),
        ("<b>\n", 200_000),
        ("- a\n  ```\n", 60_000),
        ("......", 300_000),
        ("\u0301", 300_000),
        ("🇩", 200_000),
        ("> ```\n", 100_000),
        ("$$\n", 200_000),
        ("`` ` ", 200_000),
        ("  ", 500_000),
        (" \n", 500_000),
        ("1", 1_000_000),
        ("a@", 300_000),
        ("![](", 200_000),
        ("字", 1_000_000),
        ("\\[\n", 200_000),
        ("\\begin{a}\n", 100_000),
        ("\\[\n" * 6000 + "# a\n\\]\n", 20),
        ("$" + "a " * 40_000 + "\n\n", 20),
    ],
)
def test_hostile_texts_take_linear_time(sign: str, count: int) -> None:
    text = sign * count
    spans = split(text)
    check_law(text, spans)
    assert all(end - start <= SIGN_SIZES * 1500 for start, end in spans)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"min_size": 0}, "min_size"),
        ({"min_size": -1}, "min_size"),
        ({"min_size": 11, "max_size": 10}, "min_size"),
        ({"overlap": 800}, "overlap"),
        ({"overlap": -1}, "overlap"),
        ({"strategy": "magic"}, "strategy"),
        ({"unit": "words"}, "unit"),
        ({"separators": ("a",)}, "separators"),
        ({"strategy": "separator"}, "separators"),
        ({"strategy": "separator", "separators": ("a", "")}, "separators"),
        ({"cut_points": (1,)}, "cut_points"),
        ({"strategy": "custom", "cut_points": (0, 1)}, "cut_points"),
        ({"strategy": "custom", "cut_points": (2, 2)}, "cut_points"),
    ],
)
def test_options_that_contradict_each_other_are_refused(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        SplitOptions(**wrong)  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.field) == ("SPLIT_OPTIONS_INVALID", f"split_options.{field}")


def test_a_cut_point_behind_the_text_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="cut point 5 is not inside"):
        split("hello", SplitOptions("custom", cut_points=(1, 5)))


def test_options_come_back_from_json_as_they_went() -> None:
    options = SplitOptions("recursive", separators=("a", "b"))
    assert SplitOptions(**{**asdict(options), "separators": ["a", "b"]}) == options


def test_separators_end_their_pieces_and_pieces_are_not_joined() -> None:
    text = "a--b---c--\n\nd"
    spans = split(text, SplitOptions("separator", separators=("--", "---")))
    assert [text[start:end] for start, end in spans] == ["a--", "b---", "c--", "\n\nd"]


def test_a_recursive_split_joins_what_fits() -> None:
    text = "aa bb\ncc dd\n\nee ff gg hh"
    spans = split(text, SplitOptions("recursive", min_size=1, max_size=8))
    assert [text[start:end] for start, end in spans] == ["aa bb\n", "cc dd\n\n", "ee ff ", "gg hh"]


def test_rows_are_pieces_and_headers_with_the_text_before_them_too() -> None:
    text = "## One\n\n| a |\n|---|\n| 1 |\n| 2 |\n\n## Two\n\n| b |\n|---|\n| 3 |\n"
    rows = [text.index(f"| {number} |") for number in (1, 2, 3)]
    spans = split_reading(Reading(text, row_starts=rows), SplitOptions("row"))
    assert [text[start:end] for start, end in spans] == [
        "## One\n\n| a |\n|---|\n",
        "| 1 |\n",
        "| 2 |\n\n",
        "## Two\n\n| b |\n|---|\n",
        "| 3 |\n",
    ]


def test_pages_are_pieces_whatever_their_size() -> None:
    text = "one\n\n" + "two " * 1000 + "\n\nthree"
    reading = Reading(text, page_starts=(0, 5, 5, len(text) - 5))
    assert [text[start:end] for start, end in split_reading(reading, SplitOptions("page"))] == [
        "one\n\n",
        "two " * 1000 + "\n\n",
        "three",
    ]
