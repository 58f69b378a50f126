from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.trainer.engine import data
from services.trainer.engine.errors import BaseModelError, InvalidRowError
from tests.unit.trainer.engine.tiny import CHATML, Messages, conversation, write_rows


def read(
    path: Path, tokenizer: Any, conversations: list[Messages], cutoff: int = 512
) -> data.Samples[data.Sample]:
    return data.read_samples(write_rows(path / "train.jsonl", conversations), tokenizer, cutoff)


def learned(tokenizer: Any, sample: data.Sample) -> list[str]:
    return [tokenizer.decode(list(sample.ids[start:end])) for start, end in sample.spans]


def test_only_answers_are_learned_each_with_its_end_token(tmp_path: Path, tokenizer: Any) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        *conversation("Where is Ostrel?", "By the Amber."),
        *conversation("And the 河?", "Amber 河."),
    ]
    (sample,) = read(tmp_path, tokenizer, [messages]).kept
    assert learned(tokenizer, sample) == ["By the Amber.<|im_end|>", "Amber 河.<|im_end|>"]


def test_the_tokens_are_those_of_the_template_up_to_the_last_end_token(
    tmp_path: Path, tokenizer: Any
) -> None:
    messages = [*conversation("Where?", "Here."), *conversation("Sure?", "Yes.")]
    (sample,) = read(tmp_path, tokenizer, [messages]).kept
    text = tokenizer.apply_chat_template(messages, tokenize=False).rstrip()
    assert list(sample.ids) == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_the_prompt_has_the_ids_that_serving_gives_it(tmp_path: Path, tokenizer: Any) -> None:
    messages = conversation("Where is Ostrel?", "\n By the Amber.")
    (sample,) = read(tmp_path, tokenizer, [messages]).kept
    prompt = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    assert list(sample.ids[: sample.spans[0][0]]) == tokenizer(prompt, add_special_tokens=False)["input_ids"]


def test_a_template_that_drops_old_thoughts_gives_each_answer_its_own_sample(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = CHATML.replace(
        "{{ m['content'] }}",
        "{% if m['role'] == 'assistant' and loop.last %}<think></think>{% endif %}{{ m['content'] }}",
    )
    monkeypatch.setattr(tokenizer, "chat_template", template)
    messages = [*conversation("A?", "One."), *conversation("B?", "Two.")]
    first, second = read(tmp_path, tokenizer, [messages]).kept
    assert learned(tokenizer, first) == ["<think></think>One.<|im_end|>"]
    assert learned(tokenizer, second) == ["<think></think>Two.<|im_end|>"]
    assert "<think>" not in tokenizer.decode(list(second.ids[: second.spans[0][0]]))
    assert (first.line, second.line) == (1, 1)


def test_a_template_without_end_token_still_teaches_to_stop(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", CHATML.replace("<|im_end|>", ""))
    (sample,) = read(tmp_path, tokenizer, [conversation("A?", "One.")]).kept
    assert learned(tokenizer, sample) == ["One.<|im_end|>"]


def test_a_template_whose_answer_does_not_continue_its_prompt_is_refused(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = CHATML.replace(
        "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>{% endif %}"
    )
    monkeypatch.setattr(tokenizer, "chat_template", template)
    with pytest.raises(InvalidRowError, match=r"train\.jsonl:1: messages\[1\]: the chat template"):
        read(tmp_path, tokenizer, [conversation("A?", "One.")])


def test_a_tokenizer_without_template_is_refused(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", None)
    with pytest.raises(BaseModelError, match="no chat template"):
        read(tmp_path, tokenizer, [conversation("A?", "One.")])


def test_long_rows_lose_whole_turns_or_go_and_are_counted(tmp_path: Path, tokenizer: Any) -> None:
    short, long = conversation("A?", "One."), conversation("B?", "Two. " * 100)
    samples = read(tmp_path, tokenizer, [short, [*short, *long], long], cutoff=64)
    assert (samples.rows, samples.truncated_lines, samples.dropped_lines) == (3, [2], [3])
    whole, cut = samples.kept
    assert cut.ids == whole.ids
    assert cut.spans == whole.spans


def test_a_row_just_at_the_cutoff_is_whole(tmp_path: Path, tokenizer: Any) -> None:
    (sample,) = read(tmp_path, tokenizer, [conversation("A?", "One.")]).kept
    size = len(sample.ids)
    assert read(tmp_path, tokenizer, [conversation("A?", "One.")], cutoff=size).dropped_lines == []
    with pytest.raises(InvalidRowError, match=f"all 1 rows exceed cutoff_length {size - 1}"):
        read(tmp_path, tokenizer, [conversation("A?", "One.")], cutoff=size - 1)


def test_an_empty_file_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    (tmp_path / "train.jsonl").write_text("\n")
    with pytest.raises(InvalidRowError, match="nothing to train on: no rows"):
        data.read_samples(tmp_path / "train.jsonl", tokenizer, 512)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"{", "not a line of JSON in UTF-8"),
        (b'{"messages": "\xff"}', "not a line of JSON in UTF-8"),
        ([1], "messages: must be a list"),
        ({"id": "a"}, "messages: must be a list"),
        ({"messages": [{"role": "user"}]}, "messages[0]: must be"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role: must be one of"),
        (
            {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": " "}]},
            "messages[1].content",
        ),
        ({"messages": [{"role": "user", "content": "x"}]}, "messages[0].role: the last message must be"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "must begin with a user message"),
        (
            {"messages": [*conversation("a", "b"), {"role": "system", "content": "x"}]},
            "messages[2].role: system may only come first",
        ),
    ],
)
def test_a_bad_row_is_refused_by_file_line_and_field(
    tmp_path: Path, tokenizer: Any, row: Any, message: str
) -> None:
    path = write_rows(tmp_path / "train.jsonl", [conversation("A?", "One.")])
    with path.open("ab") as sink:
        sink.write(row if isinstance(row, bytes) else json.dumps(row).encode())
    with pytest.raises(InvalidRowError) as caught:
        data.read_samples(path, tokenizer, 512)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)
