"""What the engine's tests share beside fixtures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.inference.engine.adapters import Adapter
from services.inference.engine.completion import Completion, Delta
from services.inference.engine.config import EngineConfig
from services.inference.engine.detokenizer import Detokenizer
from services.inference.engine.grammar import Grammar
from services.inference.engine.model import Model
from services.inference.engine.sampling import SamplingParams
from services.inference.engine.scheduler import Scheduler

CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] == 'assistant' %}{{ raise_exception('a user begins') }}{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NAME = "tiny"
ITEMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "quote": {"enum": [f"The plant number {n} lies in Ostrel." for n in range(30)]},
                    "question": {"type": "string", "minLength": 1, "maxLength": 20},
                },
                "required": ["quote", "question"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["items"],
    "additionalProperties": False,
}


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def flags(folder: Path, **changes: Any) -> EngineConfig:
    return replace(EngineConfig(model=folder, name=NAME, precision="fp32", kv_memory_mib=64), **changes)


def greedy(max_tokens: int = 12, **changes: Any) -> SamplingParams:
    return replace(SamplingParams(temperature=0, max_tokens=max_tokens), **changes)


@dataclass(eq=False)
class Heard:
    """A completion, and what it emitted."""

    completion: Completion
    deltas: list[Delta]
    ended: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> Delta:
        assert self.ended.wait(30)
        return self.deltas[-1]


def ask(
    scheduler: Scheduler,
    model: Model,
    prompt: list[int],
    params: SamplingParams,
    *,
    grammar: Grammar | None = None,
    stream: bool = False,
    adapter: Adapter | None = None,
) -> Heard:
    deltas: list[Delta] = []
    detokenizer = Detokenizer(model.tokenizer.backend_tokenizer, params.stop)

    def emit(delta: Delta) -> None:
        deltas.append(delta)
        if delta.last:
            heard.ended.set()

    completion = Completion(prompt, params, detokenizer, emit, grammar, stream, adapter)
    heard = Heard(completion, deltas)
    scheduler.submit(completion)
    return heard
