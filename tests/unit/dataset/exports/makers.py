"""Shards of dataset versions for tests and benchmarks."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.exports.shards import Shard, shard_at
from services.runtime.ids import derived_id

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "kind": pa.string(),
        "content": pa.string(),
        "lineage": pa.string(),
        "score": pa.float64(),
        "labels": pa.list_(pa.string()),
        "tag_ids": pa.list_(pa.string()),
        "document_id": pa.string(),
        "question_type": pa.string(),
        "language": pa.string(),
        "source": pa.string(),
        "review_state": pa.string(),
    }
)
SHARD_ROWS = 50_000
GROUP_ROWS = 1000

HARD = [
    "净利润是多少？\r\n第二行",
    "emoji 👩‍🔬🇨🇳 and e\u0301",
    "</s> and \\n \\u0041 [INST] <b>",
    'quotes " \' and \\ and {"json": [1]}, a, b',
    "line\u2028para\u2029next\x85last\x0b\x0c\x1f\x7f",
    " leading and trailing \t",
    "\ufeffbom \u200bzero width \U0010ffff",
    "=1+1; NA, null\nNone\n\n- list\n- of\n",
]


@dataclass
class Row:
    """A row of a shard."""

    name: str
    kind: str
    content: dict[str, Any]
    labels: Sequence[str] = ()
    tags: Sequence[str] = ()
    score: float | None = None
    language: str = ""
    document: str = ""
    source: str = "hand"
    review_state: str = "unreviewed"
    lineage: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return derived_id("example", self.name)

    def stored(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "content": orjson.dumps(self.content).decode(),
            "lineage": orjson.dumps(self.lineage).decode(),
            "score": self.score,
            "labels": list(self.labels),
            "tag_ids": list(self.tags),
            "document_id": self.document,
            "question_type": "fact" if self.kind == "sft" else "",
            "language": self.language,
            "source": self.source,
            "review_state": self.review_state,
        }


def message(role: str, content: str, reasoning: str = "") -> dict[str, str]:
    found = {"role": role, "content": content}
    return {**found, "reasoning": reasoning} if reasoning else found


def turns(*texts: str, system: str = "", reasoning: str = "") -> list[dict[str, str]]:
    """Messages, the user's first; the reasoning is that of the last answer."""
    found = [message("user" if at % 2 == 0 else "assistant", text) for at, text in enumerate(texts)]
    if reasoning:
        found[-1]["reasoning"] = reasoning
    return [message("system", system), *found] if system else found


def sft(name: str, question: str, answer: str, system: str = "", reasoning: str = "", **more: Any) -> Row:
    messages = turns(question, answer, system=system, reasoning=reasoning)
    quote = {
        "text": answer,
        "chunk_id": derived_id("chunk", name),
        "document_id": derived_id("document"),
        "document_version": 1,
        "start": 3,
        "end": 9,
    }
    return Row(name, "sft", {"messages": messages, "quotes": [quote]}, **more)


def conversation(name: str, *texts: str, system: str = "", reasoning: str = "", **more: Any) -> Row:
    return Row(name, "conversation", {"messages": turns(*texts, system=system, reasoning=reasoning)}, **more)


def preference(
    name: str, *texts: str, chosen: str = "", rejected: str = "", system: str = "", reasoning: str = ""
) -> Row:
    """A preference about the last of the texts, which is the user's."""
    answers: dict[str, Any] = {}
    if chosen:
        answers["chosen"] = message("assistant", chosen, reasoning)
    if rejected:
        answers |= {"rejected": message("assistant", rejected), "flaw": "wrong"}
    return Row(name, "preference", {"messages": turns(*texts, system=system), "preference": answers})


def pretraining(name: str, text: str) -> Row:
    return Row(name, "pretraining", {"messages": [message("assistant", text)]})


def exam_item(name: str, question: str, answer: str, system: str = "") -> Row:
    item = {"type": "single_choice", "text": question, "choices": ["x", "y"], "correct": [1]}
    return Row(name, "exam_item", {"messages": turns(question, answer, system=system), "exam_item": item})


def one_of_all() -> list[Row]:
    """Every kind, with and without what may be left out, and with texts that files find hard."""
    found = [
        sft("plain", "What is 6 × 7?", "42.", tags=["t1"], labels=["math"], score=4.5, language="en"),
        sft("system", "你好吗？", "很好。", system="用中文回答。", tags=["t1", "t2"], language="zh"),
        sft("thought", "Why?", "So.", reasoning="First this,\nthen that.", tags=["t2"]),
        conversation("talk", "One?", "1", "Two?", "2", "Three?", "3", system="Count.", reasoning="1, 2, …"),
        conversation("short talk", "Hello?", "Yes?"),
        preference("pair", "Best?", chosen="This.", rejected="That.", system="Judge.", reasoning="Hm."),
        preference("late pair", "A?", "a", "B?", chosen="b", rejected="x"),
        preference("good alone", "Good?", chosen="Good."),
        preference("bad alone", "Bad?", rejected="Bad."),
        pretraining("text", "A long text.\n\nIn paragraphs."),
        exam_item("choice", "Which?\nA. x\nB. y", "B. y", system="Choose."),
    ]
    for at, text in enumerate(HARD):
        found += [
            sft(f"hard {at}", text, text + "!", system=text, reasoning=text),
            conversation(f"hard talk {at}", text, text, text, text),
            preference(f"hard pair {at}", text, chosen=text, rejected=text + "?"),
            pretraining(f"hard text {at}", text),
        ]
    return found


def write_shards(folder: Path, split: str, rows: Iterable[Row], shard_rows: int = SHARD_ROWS) -> list[Shard]:
    """Rows as the shards of a split."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = [row.stored() for row in rows]
    shards = []
    for at, start in enumerate(range(0, len(stored), shard_rows)):
        path = folder / f"{split}-{at:05d}.parquet"
        table = pa.Table.from_pylist(stored[start : start + shard_rows], SCHEMA)
        pq.write_table(table, path, row_group_size=GROUP_ROWS, compression="zstd")
        shards.append(shard_at(split, path))
    return shards


def many(count: int, seed: int = 0) -> Iterator[pa.RecordBatch]:
    """Batches of sft rows whose contents have about 600 bytes, cheaply made."""
    dice = random.Random(seed)  # noqa: S311  # a seed gives the same rows
    words = ["".join(dice.choices("etaoinshrdlu", k=dice.randint(2, 9))) for _ in range(3000)]
    words += ["净利润", "增长", "第二季度", "报告"]
    for start in range(0, count, GROUP_ROWS):
        size = min(GROUP_ROWS, count - start)
        contents = [
            json.dumps(
                {
                    "messages": turns(
                        f"{' '.join(dice.choices(words, k=14))} {start + at}?",
                        " ".join(dice.choices(words, k=60)),
                    )
                },
                ensure_ascii=False,
                separators=(",", ":"),
            )
            for at in range(size)
        ]
        yield pa.RecordBatch.from_pydict(
            {
                "id": [derived_id("many", str(start + at)) for at in range(size)],
                "kind": ["sft"] * size,
                "content": contents,
                "lineage": ["{}"] * size,
                "score": [4.0] * size,
                "labels": [[]] * size,
                "tag_ids": [[f"tag {(start + at) % 97}"] for at in range(size)],
                "document_id": [f"document {(start + at) % 31}" for at in range(size)],
                "question_type": ["fact"] * size,
                "language": ["en"] * size,
                "source": ["hand"] * size,
                "review_state": ["unreviewed"] * size,
            },
            schema=SCHEMA,
        )


def write_many(folder: Path, count: int, split: str = "train") -> list[Shard]:
    """Shards of many rows, written as a version's are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    writer: pq.ParquetWriter | None = None
    for at, batch in enumerate(many(count)):
        if at % (SHARD_ROWS // GROUP_ROWS) == 0:
            if writer:
                writer.close()
            paths.append(folder / f"{split}-{len(paths):05d}.parquet")
            writer = pq.ParquetWriter(paths[-1], SCHEMA, compression="zstd")
        assert writer
        writer.write_batch(batch)
    if writer:
        writer.close()
    return [shard_at(split, path) for path in paths]
