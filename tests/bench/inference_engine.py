"""The built-in engine with the built-in model on this machine, and `generate` on the same weights in turn.

`python -m tests.bench.inference_engine` prints one JSON object. `generate_tokens_s`, `single_tokens_s` and
`batch8_tokens_s`: tokens written a second by `generate` for one prompt after another, by the engine for one
request at a time, and by the engine for eight at once, medians of `--rounds` turns; `single_vs_generate` and
`batch8_vs_sequential`, the engine's over `generate`'s; `ttft_p99_s` and `ttft_p50_s`, seconds from a request to
its first token while 16 clients, twice as many as there are slots, ask without pause; `rss_growth_mb`, what the
engine's memory grew by in the second half of these requests. All ask for the same number of tokens, with the end
of an answer forbidden; every prompt is another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from openai import AsyncOpenAI

from services.runtime.base_models import resolve_base_model
from tests.integration.stores import ROOT

CACHE = Path.home() / ".cache" / "sishu" / "bench" / "models"
NAME = "built-in"
SLOTS = 8
CLIENTS = 16
TOKENS = 48
READY_SECONDS = 300.0


def prompt_of(number: int) -> list[dict[str, str]]:
    """A question that no other asks."""
    return [{"role": "user", "content": f"Write a long story about the town number {number} on the river."}]


@asynccontextmanager
async def engine(
    model: Path, folder: Path, precision: str
) -> AsyncIterator[tuple[AsyncOpenAI, psutil.Process]]:
    """An engine that answers, and its process."""
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "services.inference.engine", "--model", str(model), "--name", NAME]
    flags = ["--max-batch", str(SLOTS), "--precision", precision, "--ready-file", str(ready)]
    process = await asyncio.create_subprocess_exec(
        *command, *flags, cwd=ROOT, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not ready.exists():
                await asyncio.sleep(0.1)
        port = json.loads(ready.read_text(encoding="utf-8"))["port"]
        async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", timeout=600) as client:
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


class Reference:
    """The same weights behind transformers' `generate`."""

    def __init__(self, model: Path, dtype: torch.dtype) -> None:
        self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(model)
        self._network: Any = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=dtype)

    def rate(self, numbers: list[int]) -> float:
        """Tokens a second for prompts one after another."""
        began = time.perf_counter()
        for number in numbers:
            ids = self.tokenizer.apply_chat_template(
                prompt_of(number), add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            self._network.generate(**ids, do_sample=False, min_new_tokens=TOKENS, max_new_tokens=TOKENS)
        return TOKENS * len(numbers) / (time.perf_counter() - began)


class Asker:
    """Asks the engine."""

    def __init__(self, client: AsyncOpenAI, eos: int) -> None:
        self._client = client
        self._options: dict[str, Any] = {
            "model": NAME,
            "temperature": 0,
            "max_tokens": TOKENS,
            "logit_bias": {str(eos): -100},
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def ask(self, number: int) -> float:
        """Ask one question to its end; return the seconds to the first token."""
        began, first = time.perf_counter(), 0.0
        options = {**self._options, "messages": prompt_of(number)}
        stream = await self._client.chat.completions.create(**options)
        usage = None
        async for chunk in stream:
            first = first or time.perf_counter() - began
            usage = chunk.usage
        if usage is None or usage.completion_tokens != TOKENS:
            raise RuntimeError(f"{TOKENS} tokens were asked for, not {usage}")
        return first

    async def rate(self, numbers: list[int]) -> float:
        """Tokens a second for questions asked at once."""
        began = time.perf_counter()
        await asyncio.gather(*map(self.ask, numbers))
        return TOKENS * len(numbers) / (time.perf_counter() - began)

    async def crowd(self, numbers: list[int]) -> list[float]:
        """Let `CLIENTS` ask without pause; return the seconds to each first token."""
        left, found = list(numbers), []

        async def client() -> None:
            while left:
                found.append(await self.ask(left.pop()))

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return found


async def measure(rounds: int, requests: int, precision: str) -> dict[str, float]:
    """All figures."""
    model = resolve_base_model("builtin", CACHE)
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    reference = Reference(model, dtype)
    with tempfile.TemporaryDirectory() as folder:
        async with engine(model, Path(folder), precision) as (client, process):
            asker = Asker(client, int(reference.tokenizer.eos_token_id))
            rates: dict[str, list[float]] = {"generate": [], "single": [], "batch8": []}
            await asker.rate([0])
            reference.rate([0])
            for turn in range(rounds):
                base = 100 * (turn + 1)
                rates["generate"].append(reference.rate([base, base + 1]))
                singles = [await asker.rate([base + 10]), await asker.rate([base + 11])]
                rates["single"].append(statistics.mean(singles))
                rates["batch8"].append(await asker.rate(list(range(base + 20, base + 20 + SLOTS))))
            half = requests // 2
            waits = await asker.crowd(list(range(10_000, 10_000 + half)))
            before = process.memory_info().rss
            waits += await asker.crowd(list(range(20_000, 20_000 + requests - half)))
            growth = process.memory_info().rss - before
    return figures(rates, waits, growth)


def figures(rates: dict[str, list[float]], waits: list[float], growth: int) -> dict[str, float]:
    """What is printed."""
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ordered = sorted(waits)
    return {
        "batch8_vs_sequential": round(medians["batch8"] / medians["generate"], 2),
        "single_vs_generate": round(medians["single"] / medians["generate"], 2),
        "ttft_p99_s": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 3),
        "ttft_p50_s": round(statistics.median(ordered), 3),
        "rss_growth_mb": round(growth / 2**20, 1),
        "requests": len(ordered),
        **{f"{name}_tokens_s": round(value, 1) for name, value in medians.items()},
    }


def main() -> dict[str, float]:
    """Read the flags and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    flags = parser.parse_args()
    return asyncio.run(measure(flags.rounds, flags.requests, flags.precision))


if __name__ == "__main__":
    print(json.dumps(main()))
