"""What the tests of the engine share beside fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from services.trainer.engine.spec import TrainSpec

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MakeSpec = Callable[..., TrainSpec]
Messages = list[dict[str, str]]


def conversation(question: str, answer: str) -> Messages:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write_rows(path: Path, conversations: list[Messages]) -> Path:
    rows = [json.dumps({"id": f"row-{i}", "messages": each}) for i, each in enumerate(conversations)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
