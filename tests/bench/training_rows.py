"""Rows that all trainers are measured on: questions with answers of uneven length about the sample documents."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.stores import ROOT

_DOCUMENTS = ("support-handbook.txt", "company-profile.md")
_OPENINGS = (
    "What do you know about",
    "Tell me of",
    "How is it with",
    "Please explain",
    "Why",
    "Is it true:",
    "And",
)
"""Rows have in common what the chat template puts before the question, and no more."""
_MEDIAN_WORDS = 24
_SPREAD = 0.9
"""Of the logarithm of lengths."""
_MOST_WORDS = 260


@dataclass(frozen=True)
class Rows:
    """The same rows in the form that each trainer reads."""

    messages: Path
    """The engine's: JSON Lines of {"id", "messages"}."""
    completions: Path
    """TRL's: JSON Lines of {"prompt": messages, "completion": messages}."""
    dataset_info: Path
    """LLaMA-Factory's description of the first, where it is called `rows`."""


def make_rows(folder: Path, count: int) -> Rows:
    """Write the rows; the same at every call."""
    draw = random.Random(0)  # noqa: S311 - repeatable, no secret
    sentences = _sentences()
    conversations = [_conversation(draw, sentences) for _ in range(count)]
    messages = [{"id": f"row-{number}", "messages": each} for number, each in enumerate(conversations)]
    completions = [{"prompt": each[:1], "completion": each[1:]} for each in conversations]
    info = {
        "rows": {
            "file_name": "rows.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }
    dataset_info = folder / "dataset_info.json"
    dataset_info.write_text(json.dumps(info), encoding="utf-8")
    return Rows(
        _write(folder / "rows.jsonl", messages),
        _write(folder / "completions.jsonl", completions),
        dataset_info,
    )


def _sentences() -> list[str]:
    text = " ".join((ROOT / "examples" / name).read_text(encoding="utf-8") for name in _DOCUMENTS)
    return [each for each in re.split(r"(?<=\.)\s+", text) if 5 < len(each.split()) < 40]


def _conversation(draw: random.Random, sentences: list[str]) -> list[dict[str, str]]:
    """An answer of sentences that follow each other, from anywhere; the question begins like it."""
    words = min(_MOST_WORDS, draw.lognormvariate(math.log(_MEDIAN_WORDS), _SPREAD))
    first = last = draw.randrange(len(sentences))
    answer = [sentences[first]]
    while sum(len(each.split()) for each in answer) < words:
        last += 1
        answer.append(sentences[last % len(sentences)])
    question = f"{draw.choice(_OPENINGS)} {' '.join(answer[0].split()[:4]).rstrip('.,')}?"
    return [{"role": "user", "content": question}, {"role": "assistant", "content": " ".join(answer)}]


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
