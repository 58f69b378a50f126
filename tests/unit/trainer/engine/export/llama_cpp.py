"""A GGUF file in llama.cpp itself, where the package xllamacpp brings it; no dependency of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx


class LlamaCpp:
    """A running server of llama.cpp.

    Args:
        url: where it listens.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def tokens(self, text: str) -> list[int]:
        """Its tokens of a text, special ones read as such."""
        asked = {"content": text, "add_special": False, "parse_special": True}
        found: list[int] = self._http.post("/tokenize", json=asked).json()["tokens"]
        return found

    def next_token(self, ids: list[int], most: int) -> dict[int, float]:
        """Log-probabilities of the likeliest next tokens; none where the likeliest ends the answer."""
        asked = {"prompt": ids, "n_predict": 1, "n_probs": most, "temperature": 0.0, "cache_prompt": False}
        answer = self._http.post("/completion", json=asked).json()
        told = answer.get("completion_probabilities") or [{"top_logprobs": []}]
        return {each["id"]: each["logprob"] for each in told[0]["top_logprobs"]}


@contextmanager
def serving(path: Path, xllamacpp: Any) -> Iterator[LlamaCpp]:
    """A server of a file on a port of this machine."""
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(path)
    wanted.n_ctx, wanted.n_parallel, wanted.cpuparams.n_threads, wanted.warmup = 256, 1, 1, False
    server = xllamacpp.Server(wanted)
    yield LlamaCpp(server.listening_address)
