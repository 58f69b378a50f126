"""What a model is trained on is what it is shown when it serves, token by token, family by family.

The templates were written for this test after what each family documents of its format.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from services.inference.engine.model import Model
from services.inference.engine.protocol import ChatRequest, parse_request
from services.trainer.engine.conversations import Encoder, Rules
from services.trainer.engine.rendering import FILE, Renderer, RenderSettings, model_renderer

TEMPLATES = Path(__file__).with_name("templates")
FAMILIES = [
    ("qwen2_5", "auto", "<|im_start|>assistant\n"),
    ("qwen3", "on", "<|im_start|>assistant\n"),
    ("qwen3", "off", "<think>\n\n</think>\n\n"),
    ("deepseek_r1", "auto", "<think>\n"),
    ("llama3", "auto", "<|end_header_id|>\n\n"),
    ("gemma", "auto", "<start_of_turn>model\n"),
    ("mistral", "auto", "[/INST]"),
]
TALKS = {
    "one question": [
        {"role": "user", "content": "Where is Ostrel? 它在河边吗？"},
        # A template that opens the thought itself can be trained on thoughtful answers only.
        {"role": "assistant", "content": "<think>\nRivers.\n</think>\n\nBy the Amber."},
    ],
    "two questions and a system prompt": [
        {"role": "system", "content": "You know Ostrel."},
        {"role": "user", "content": "  Where is it?\n"},
        {"role": "assistant", "content": "<think>\nRivers.\n</think>\n\nBy the Amber."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "<think>\nYes.\n</think>\n\nQuite."},
    ],
}


@pytest.mark.parametrize(("family", "reasoning", "end"), FAMILIES)
@pytest.mark.parametrize("talk", TALKS)
def test_training_and_serving_give_the_same_prompt_tokens(
    model: Model,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    family: str,
    reasoning: str,
    end: str,
    talk: str,
) -> None:
    ours = copy.deepcopy(tokenizer)
    ours.chat_template = (TEMPLATES / f"{family}.jinja").read_text(encoding="utf-8")
    trained = Renderer(ours, RenderSettings("", reasoning))
    (tmp_path / FILE).write_text(json.dumps(trained.record()))
    messages = TALKS[talk]
    (item,) = Encoder(ours, trained, Rules(10_000, mask_history=True)).row({"messages": messages}, 1).items
    (sample,) = item.sequences
    ((start, _),) = sample.spans
    served = replace(model, tokenizer=ours, renderer=model_renderer(ours, tmp_path))
    body = json.dumps({"model": "m", "messages": messages[:-1]}).encode()
    prompt = served.render([each.plain() for each in parse_request(ChatRequest, body).messages])
    assert list(sample.ids[:start]) == prompt
    assert str(ours.decode(prompt)).endswith(end)
