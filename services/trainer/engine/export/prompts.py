"""How a model in a folder is asked: the format of its prompts, and the tokens around them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.trainer.engine.export.chat_format import ChatFormat, chat_format
from services.trainer.engine.rendering import RenderError, model_renderer


@dataclass(frozen=True)
class Prompts:
    """What other programs must know to ask a model as it was trained."""

    form: ChatFormat | None
    """Nothing where the chat template is more than text around messages, or there is none."""
    bos: str
    """The token that begins every prompt, which they add by themselves; empty for none."""
    end: str
    """The token that ends an answer; empty for none."""
    context: int
    """Most tokens that the model was made for; 0 where its configuration does not say."""


def prompts_of(tokenizer: Any, folder: Path) -> Prompts:
    """How the model in a folder is asked."""
    try:
        form = chat_format(model_renderer(tokenizer, folder))
    except RenderError:
        form = None
    return Prompts(form, _bos(tokenizer, form), str(tokenizer.eos_token or ""), _context(folder))


def _bos(tokenizer: Any, form: ChatFormat | None) -> str:
    """The beginning token, where every prompt has it once; without a format, where the tokenizer adds it."""
    token = str(tokenizer.bos_token or "")
    if not token:
        return ""
    if form is not None:
        return token if form.start.startswith(token) else ""
    return token if tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id] else ""


def _context(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_bytes())
    positions = config.get("text_config", config).get("max_position_embeddings")
    return positions if isinstance(positions, int) else 0
