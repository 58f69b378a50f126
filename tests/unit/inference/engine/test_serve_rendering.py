from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from services.inference.engine.model import Model, load_model
from services.runtime.errors import InvalidArgument
from services.trainer.engine.conversations import Encoder, Rules
from services.trainer.engine.rendering import FILE, Renderer, RenderSettings, model_renderer
from tests.unit.inference.engine.tiny import CHATML, flags

SWITCHED = CHATML.replace(
    "<|im_start|>assistant\n{% endif %}",
    "<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}",
).replace(
    "{{ message['content'] }}<|im_end|>",
    "{% if message['role'] == 'assistant' and loop.last and not add_generation_prompt "
    "and '<think>' not in message['content'] %}<think>\n\n</think>\n\n{% endif %}"
    "{{ message['content'] }}<|im_end|>",
)
"""Like Qwen3's: the switch turned off puts an empty thought before the answer, which the last answer has anyway."""
TALK = [
    {"role": "user", "content": "Where is Ostrel? 在河边"},
    {"role": "assistant", "content": "<think>\nRivers.\n</think>\n\nBy the Amber."},
    {"role": "user", "content": "Sure?"},
    {"role": "assistant", "content": "<think>\nYes.\n</think>\n\nQuite."},
]


@pytest.mark.parametrize("template", [CHATML, SWITCHED])
@pytest.mark.parametrize("system", ["", "You know Ostrel."])
@pytest.mark.parametrize("reasoning", ["auto", "on", "off"])
def test_a_prompt_is_served_with_the_tokens_with_which_it_was_trained(
    model: Model,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    template: str,
    system: str,
    reasoning: str,
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", template)
    trained = Renderer(tokenizer, RenderSettings(system, reasoning))
    (tmp_path / FILE).write_text(json.dumps(trained.record()))
    served = replace(model, tokenizer=tokenizer, renderer=model_renderer(tokenizer, tmp_path))
    assert served.renderer.sha256 == trained.sha256
    encoder = Encoder(tokenizer, trained, Rules(10_000, mask_history=True))
    (item,) = encoder.row({"id": "1", "messages": TALK}, 1).items
    (sample,) = item.sequences
    ((start, end),) = sample.spans
    assert list(sample.ids[:start]) == served.render(TALK[:-1])
    said = tokenizer.decode(list(sample.ids[start:end]))
    assert said == ("Quite.<|im_end|>" if reasoning == "off" else TALK[-1]["content"] + "<|im_end|>")
    shown = tokenizer.decode(served.render(TALK[:-1]))
    assert ("You know Ostrel." in shown) == bool(system)
    assert ("Rivers." in shown) == (reasoning != "off")


def test_the_engine_serves_an_adapter_by_its_renderer_and_refuses_another_template(
    folder: Path, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    trained = Renderer(tokenizer, RenderSettings("You know Ostrel."))
    base = tmp_path / "base"
    shutil.copytree(folder, base)
    (base / FILE).write_text(json.dumps(trained.record()))
    model = load_model(flags(base))
    assert model.renderer.sha256 == trained.sha256
    assert "You know Ostrel." in tokenizer.decode(model.render(TALK[:1]))
    assert "You know Ostrel." not in tokenizer.decode(
        model.render([{"role": "system", "content": "Hm."}, *TALK[:1]])
    )
    (base / "chat_template.jinja").write_text(CHATML.replace("<|im_start|>assistant", "<|im_start|>bot"))
    with pytest.raises(InvalidArgument, match="trained with another chat template") as refused:
        load_model(flags(base))
    assert refused.value.reason == "RENDERER_CHANGED"


def test_the_hash_follows_all_that_decides_a_prompt(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(*settings: str) -> str:
        return Renderer(tokenizer, RenderSettings(*settings)).sha256

    found = {hashed(), hashed("A"), hashed("B"), hashed("", "on"), hashed("", "off")}
    assert hashed() in found
    monkeypatch.setattr(tokenizer, "chat_template", CHATML + " ")
    found.add(hashed())
    assert len(found) == 6
