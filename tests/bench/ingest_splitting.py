"""MB/s of splitting beside the libraries that people use, on the same texts in the same run.

`python -m tests.bench.ingest_splitting` prints one JSON object: `split_mb_s` of chunks with their texts and offsets,
which is what the peers give, on English of short paragraphs, `split_CASE_mb_s` and the MB/s of each peer on the other
texts (`texts`), for each text by how many times ours is as fast as the fastest peer, `split_vs_fastest_peer`, the
least of these (the bar: at least 1), `paths_mb_s` with heading paths, `cut_mb_s` with sections, token counts, hashes
and ids, too, and `split_peak_mb` for the longest text that is taken.
`split_compiled` is 1 if the C of `services/ingest/outline/c` was compiled, which not every machine can, else 0.
MB are millions of bytes of UTF-8.
"""

from __future__ import annotations

import json
import random
import textwrap
import time
import tracemalloc
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions

from chonkie import FastChunker, RecursiveChunker, SentenceChunker
from langchain_text_splitters import MarkdownTextSplitter, RecursiveCharacterTextSplitter
from semchunk.semchunk import chunkerify

from services.ingest.chunks import cut, headings_and_tables, parents_of, paths_of
from services.ingest.outline.native import scan
from services.ingest.readers.reading import Reading
from services.ingest.splitting import SplitOptions, split, split_reading
from tests.integration.stores import ROOT

CHARS = 4_000_000
LONGEST = 20_000_000
SLOW_CHARS = 1_000_000
"""A peer that is slower than `SLOW_MB_S` gets so much of the text: its speed does not change."""
SLOW_MB_S = 20.0
ROUNDS = 11
SIZE = 1500
LETTERS = "etaoinshrdlucmfwypvbgkqjxz"
WEIGHTS = [13, 9, 8, 8, 7, 7, 6, 6, 6, 4, 4, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1]

SHORT, LONG = (2, 6), (10, 40)
"""Sentences of a paragraph, from and to."""
LINE = 72
VERSUS = "_vs_fastest_peer"
REPORTS = ROOT.parent / "shared" / "data" / "finance-2024q2"

Side = Callable[[str], object]


def english(dice: random.Random, chars: int, sentences: tuple[int, int] = SHORT) -> str:
    """Paragraphs of sentences under headings, with lists, tables and code."""
    words = ["".join(dice.choices(LETTERS, WEIGHTS, k=dice.randint(1, 10))) for _ in range(5000)]

    def sentence() -> str:
        return " ".join(dice.choices(words, k=dice.randint(6, 24))).capitalize() + dice.choice(
            [".", ".", ".", "?"]
        )

    return document(dice, chars, sentence, " ", sentences)


def chinese(dice: random.Random, chars: int, sentences: tuple[int, int] = SHORT) -> str:
    """The same in Chinese."""
    signs = [chr(dice.randint(0x4E00, 0x9FA5)) for _ in range(2500)]

    def sentence() -> str:
        parts = ("".join(dice.choices(signs, k=dice.randint(4, 14))) for _ in range(dice.randint(2, 6)))
        return "，".join(parts) + dice.choice(["。", "。", "。", "？", "！"])

    return document(dice, chars, sentence, "", sentences)


def document(
    dice: random.Random, chars: int, sentence: Callable[[], str], space: str, sentences: tuple[int, int]
) -> str:
    """A Markdown text of blocks."""
    parts: list[str] = []
    length = 0
    while length < chars:
        parts.append(block(dice, sentence, space, sentences) + "\n\n")
        length += len(parts[-1])
    return "".join(parts)[:chars]


def block(dice: random.Random, sentence: Callable[[], str], space: str, sentences: tuple[int, int]) -> str:
    """A heading, list, table, code block or paragraph."""
    kind = dice.random()
    if kind < 0.12:
        return f"{'#' * dice.randint(1, 4)} {sentence()[:40]}"
    if kind < 0.18:
        return "\n".join(f"- {sentence()}" for _ in range(dice.randint(3, 9)))
    if kind < 0.21:
        rows = (
            f"| {sentence()[:12]} | {dice.randint(1, 9999)} | {sentence()[:20]} |"
            for _ in range(dice.randint(3, 20))
        )
        return "\n".join(["| name | number | note |", "| --- | --- | --- |", *rows])
    if kind < 0.24:
        lines = (
            f"    value_{dice.randint(1, 99)} = call({dice.randint(1, 999)})"
            for _ in range(dice.randint(3, 25))
        )
        return "\n".join(["```python", f"def function_{dice.randint(1, 99)}():", *lines, "```"])
    return space.join(sentence() for _ in range(dice.randint(*sentences)))


def wrapped(text: str) -> str:
    """The same text with its paragraphs in lines of print."""
    parts = (
        part if "\n" in part or part.startswith("#") else "\n".join(textwrap.wrap(part, LINE))
        for part in text.split("\n\n")
    )
    return "\n\n".join(parts)


def readmes() -> str:
    """What the installed packages say of themselves, in Markdown."""
    texts = {
        found.name: found.metadata.json.get("description", "")
        for found in distributions()
        if str(found.metadata.json.get("description_content_type", "")).startswith("text/markdown")
    }
    return "\n\n".join(str(texts[name]) for name in sorted(texts))


def reports() -> str:
    """Press reports in Chinese, again and again; nothing where they are not at hand."""
    text = "\n\n".join(path.read_text() for path in sorted(REPORTS.glob("*")))
    return (text * (CHARS // max(1, len(text)) + 1))[:CHARS]


def texts() -> Mapping[str, str]:
    """All texts by name."""
    dice = random.Random(20)  # noqa: S311  # no secret
    long = english(dice, CHARS, LONG)
    found = {
        "": english(dice, CHARS),
        "_chinese": chinese(dice, CHARS),
        "_long": long,
        "_long_chinese": chinese(dice, CHARS, LONG),
        "_wrapped": wrapped(long),
        "_readmes": readmes(),
        "_reports": reports(),
    }
    return {name: text for name, text in found.items() if text}


def peers(chinese_text: bool) -> Mapping[str, Side]:
    """The libraries, set to chunks of as many characters as ours have at most."""
    # It counts bytes, of which a Chinese character has three.
    fast = FastChunker(chunk_size=3 * SIZE if chinese_text else SIZE)
    return {
        "langchain_recursive": RecursiveCharacterTextSplitter(chunk_size=SIZE, chunk_overlap=0).split_text,
        "langchain_markdown": MarkdownTextSplitter(chunk_size=SIZE, chunk_overlap=0).split_text,
        "semchunk": chunkerify(len, SIZE),
        "chonkie_recursive": RecursiveChunker(tokenizer="character", chunk_size=SIZE).chunk,
        "chonkie_sentence": SentenceChunker(tokenizer="character", chunk_size=SIZE, chunk_overlap=0).chunk,
        "chonkie_fast": fast.chunk,
    }


def speeds(sides: Mapping[str, Side], text: str) -> dict[str, float]:
    """MB/s of each side: the best of several rounds, in each of which all sides have their turn."""
    first = text[:SLOW_CHARS]
    slow = {name for name, side in sides.items() if megabytes(first) / seconds(side, first) < SLOW_MB_S}
    best = dict.fromkeys(sides, 0.0)
    for _ in range(ROUNDS):
        for name, side in sides.items():
            part = first if name in slow else text
            best[name] = max(best[name], megabytes(part) / seconds(side, part))
    return best


def seconds(side: Side, text: str) -> float:
    """Processor time of one run, as none uses more than one processor and others may use them, too."""
    started = time.process_time()
    side(text)
    return time.process_time() - started


def megabytes(text: str) -> float:
    """Millions of bytes of UTF-8."""
    return len(text.encode()) / 1e6


def peak_mb(text: str) -> float:
    """Most memory that a split takes beside the text, its result included."""
    tracemalloc.start()
    try:
        split(text)
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def measured(text: str, mark: str) -> Iterator[tuple[str, float]]:
    """All figures of one text, whose name ends theirs."""
    others = peers(mark in {"_chinese", "_long_chinese", "_reports"})
    found = speeds({"split": pieces, "paths": pieces_with_paths, "cut": cut_all, **others}, text)
    for name, speed in found.items():
        yield f"{name}{mark}_mb_s", speed
    yield f"split{mark or '_english'}{VERSUS}", found["split"] / max(found[name] for name in others)


def pieces(text: str) -> object:
    """Chunks as the peers give them: texts, from where and up to where."""
    return [(text[start:end], start, end) for start, end in split(text)]


def pieces_with_paths(text: str) -> object:
    """The same with the titles of the headings above each."""
    reading = Reading(text)
    headings, _ = headings_and_tables(reading)
    starts, paths = [heading.start for heading in headings], paths_of(headings, parents_of(headings))
    return [
        (text[start:end], start, end, paths[bisect_right(starts, start)])
        for start, end in split_reading(reading, SplitOptions())
    ]


def cut_all(text: str) -> object:
    """Everything that is made of a text."""
    return cut(Reading(text), "document", SplitOptions())


def measure() -> dict[str, float]:
    """Measure all sides on all texts."""
    found: dict[str, float] = {}
    given = texts()
    for mark, text in given.items():
        found |= dict(measured(text, mark))
    found[f"split{VERSUS}"] = min(value for name, value in found.items() if name.endswith(VERSUS))
    found["split_compiled"] = float(scan is not None)
    found["split_peak_mb"] = peak_mb((given[""] * (LONGEST // CHARS + 1))[:LONGEST])
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    """Measure and print."""
    print(json.dumps(measure()))


if __name__ == "__main__":
    main()
