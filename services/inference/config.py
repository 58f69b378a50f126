"""What the inference room can be told."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from services.runtime.config import SOME, setting


@dataclass(frozen=True)
class InferenceConfig:
    """Settings of the inference room beside those that every room has."""

    engine_python: Path = setting("SISHU_ENGINE_PYTHON", Path(sys.executable))
    """Python that runs the engines and converts base models; it has torch and transformers."""
    engine_batch: int = setting("SISHU_INFERENCE_ENGINE_BATCH", 16, least=1)
    """Answers that one engine writes at once."""
    openai_port: int = setting("SISHU_INFERENCE_OPENAI_PORT", 0, least=0)
    """Port of the OpenAI HTTP API over all deployments, on `SISHU_HOST`; 0 lets the system choose."""
    load_seconds: float = setting("SISHU_INFERENCE_LOAD_SECONDS", 600.0, least=SOME)
    """Longest time from the start of an engine until it answers."""
    answer_seconds: float = setting("SISHU_INFERENCE_ANSWER_SECONDS", 600.0, least=SOME)
    """Longest time that one answer may take."""
