"""Ask a model server with bespokelabs-curator: `BASE_URL CHUNKS.jsonl ROWS CONCURRENCY`.

Run by the Python of curator's own environment. Its limits are documented in
https://docs.bespokelabs.ai/curator/guides/online-processing: `max_concurrent_requests` is the setting that is
tried; requests and tokens per minute are raised so that they limit nothing (the default is 200 requests and
100,000 tokens a minute).
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import litellm
from bespokelabs import curator
from pydantic import BaseModel

UNLIMITED = 10**9
TOKENIZERS = Path(litellm.__file__).parent / "litellm_core_utils" / "tokenizers"
"""Holds the vocabulary that curator would fetch from the internet."""


class Pair(BaseModel):
    question: str
    answer: str


class Pairs(BaseModel):
    pairs: list[Pair]


def main(base_url: str, chunks: Path, rows: int, concurrency: int) -> None:
    os.environ["TIKTOKEN_CACHE_DIR"] = str(TOKENIZERS)
    texts = [json.loads(line)["text"] for line in chunks.read_text(encoding="utf-8").splitlines()]
    model = curator.LLM(
        model_name="mock-model",
        backend="openai",
        response_format=Pairs,
        backend_params={
            "base_url": base_url,
            "api_key": "none",
            "max_concurrent_requests": concurrency,
            "max_requests_per_minute": UNLIMITED,
            "max_tokens_per_minute": UNLIMITED,
        },
    )
    model(
        [
            f"Write three questions about this text, and their answers, as JSON.\n\n<text>\n{text}\n</text>"
            for text in itertools.islice(itertools.cycle(texts), rows)
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
