"""Chat templates as formats, and formats as templates of Ollama's language."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from services.trainer.engine.export.chat_format import chat_format
from services.trainer.engine.export.modelfile import modelfile
from services.trainer.engine.export.prompts import Prompts, prompts_of
from services.trainer.engine.rendering import Renderer, RenderSettings
from tests.unit.trainer.engine.export import templates

GO = shutil.which("go")
CONVERSATION = [
    {"role": "user", "content": 'Where {{ is }} "Ostrel"?\n它在哪？'},
    {"role": "assistant", "content": "By the river."},
    {"role": "user", "content": "Sure?"},
]
SYSTEM = {"role": "system", "content": "One line."}
PROGRAM = """package main
import ("encoding/json"; "os"; "text/template")
func main() {
	var all []struct { Template string; Messages []map[string]string }
	if err := json.NewDecoder(os.Stdin).Decode(&all); err != nil { panic(err) }
	found := []string{}
	for _, one := range all {
		type message struct { Role, Content string }
		messages := []message{}
		for _, each := range one.Messages { messages = append(messages, message{each["role"], each["content"]}) }
		sink := &writer{}
		template.Must(template.New("").Parse(one.Template)).Execute(sink, map[string]any{"Messages": messages})
		found = append(found, sink.text)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}
type writer struct { text string }
func (w *writer) Write(b []byte) (int, error) { w.text += string(b); return len(b), nil }
"""


def renderer_of(tokenizer: Any, template: str, settings: RenderSettings | None = None) -> Renderer:
    own = copy.deepcopy(tokenizer)
    own.chat_template = template
    return Renderer(own, settings)


def prompts(renderer: Renderer, bos: str = "") -> Prompts:
    return Prompts(chat_format(renderer), bos, "<|im_end|>", 4096)


@pytest.mark.parametrize("name", ["CHATML", "QWEN2", "LLAMA3", "LLAMA2", "GEMMA"])
def test_a_format_says_what_the_template_renders(tokenizer: Any, name: str) -> None:
    renderer = renderer_of(tokenizer, getattr(templates, name))
    form = chat_format(renderer)
    assert form is not None
    assert form.text(CONVERSATION) == renderer.text(CONVERSATION, answer_follows=True)
    if name == "GEMMA":
        assert form.system is None
    else:
        with_system = [SYSTEM, *CONVERSATION]
        assert form.text(with_system) == renderer.text(with_system, answer_follows=True)
    assert bool(form.default_system) == (name == "QWEN2")
    assert form.joins_user == (name == "LLAMA2")


def test_a_template_that_does_more_has_no_format(tokenizer: Any) -> None:
    renderer = renderer_of(tokenizer, templates.COUNTED)
    assert chat_format(renderer) is None
    text = modelfile(".", prompts(renderer))
    assert "TEMPLATE " not in text.replace("a TEMPLATE of yours", "")
    assert "is not translated here" in text
    assert 'PARAMETER stop "<|im_end|>"' in text


def test_what_was_set_for_the_model_is_in_its_format(tokenizer: Any) -> None:
    settings = RenderSettings(system_prompt="Be brief.", reasoning="off")
    form = chat_format(renderer_of(tokenizer, templates.QWEN2, settings))
    assert form is not None
    assert form.default_system == "Be brief."
    assert form.answer.endswith("<think>\n\n</think>\n\n")


def test_a_modelfile_says_what_ollama_must_know(tokenizer: Any) -> None:
    text = modelfile("./model.gguf", prompts(renderer_of(tokenizer, templates.QWEN2)))
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """')
    assert 'SYSTEM """You are Qwen, created by Alibaba Cloud."""\n' in text
    assert text.endswith('PARAMETER stop "<|im_end|>"\nPARAMETER num_ctx 4096\n')


def test_the_beginning_token_is_left_to_those_who_add_it(base_model: Path, tokenizer: Any) -> None:
    own = copy.deepcopy(tokenizer)
    own.bos_token, own.chat_template = "<|im_start|>", templates.LLAMA3
    found = prompts_of(own, base_model)
    assert (found.bos, found.end, found.context) == ("<|im_start|>", "<|im_end|>", 512)
    assert found.form is not None
    assert found.form.start == "<|im_start|>"
    assert "<|im_start|>" not in modelfile(".", found)
    own.chat_template = templates.LLAMA2
    assert prompts_of(own, base_model).bos == ""


@pytest.mark.full
@pytest.mark.skipif(GO is None, reason="needs Go, whose template language Ollama has")
def test_go_renders_what_the_chat_template_renders(tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text(PROGRAM)
    asked, wanted = [], []
    for name in ("CHATML", "QWEN2", "LLAMA3", "LLAMA2", "GEMMA"):
        renderer = renderer_of(tokenizer, getattr(templates, name))
        found = prompts(renderer, bos="<|im_start|>" if name in {"LLAMA3", "GEMMA"} else "")
        assert found.form is not None
        template = modelfile(".", found).partition('TEMPLATE """')[2].partition('"""')[0]
        for messages in [CONVERSATION, [SYSTEM, *CONVERSATION]][: 1 if name == "GEMMA" else 2]:
            default = {"role": "system", "content": found.form.default_system}
            # As Ollama puts SYSTEM before messages without one.
            before = [default] if found.form.default_system and messages[0]["role"] != "system" else []
            asked.append({"Template": template, "Messages": [*before, *messages]})
            wanted.append(renderer.text(messages, answer_follows=True).removeprefix(found.bos))
    answer = subprocess.run(
        [str(GO), "run", "main.go"],
        cwd=tmp_path,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(answer.stdout) == wanted
