from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.trainer.engine import data
from services.trainer.engine.conversations import Rules
from services.trainer.engine.errors import BaseModelError, InvalidRowError
from services.trainer.engine.rendering import RenderError, RenderSettings
from services.trainer.engine.tokenizing import Recipe, renderer_of, token_set
from services.trainer.engine.truncation import POLICIES
from tests.unit.trainer.engine.tiny import (
    CHATML,
    Messages,
    conversation,
    encode_rows,
    read_samples,
    write_rows,
)


def read(path: Path, tokenizer: Any, conversations: list[Messages], **rules: Any) -> list[data.Sample]:
    return read_samples(write_rows(path / "train.jsonl", conversations), tokenizer, **rules)


def learned(tokenizer: Any, sample: data.Sample) -> list[str]:
    return [tokenizer.decode(list(sample.ids[start:end])) for start, end in sample.spans]


def test_only_answers_are_learned_each_with_its_end_token(tmp_path: Path, tokenizer: Any) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        *conversation("Where is Ostrel?", "By the Amber."),
        *conversation("And the 河?", "Amber 河."),
    ]
    (sample,) = read(tmp_path, tokenizer, [messages])
    assert learned(tokenizer, sample) == ["By the Amber.<|im_end|>", "Amber 河.<|im_end|>"]


def test_the_tokens_are_those_of_the_template_up_to_the_last_end_token(
    tmp_path: Path, tokenizer: Any
) -> None:
    messages = [*conversation("Where?", "Here."), *conversation("Sure?", "Yes.")]
    (sample,) = read(tmp_path, tokenizer, [messages])
    text = tokenizer.apply_chat_template(messages, tokenize=False).rstrip()
    assert list(sample.ids) == tokenizer(text, add_special_tokens=False)["input_ids"]


def test_the_prompt_has_the_ids_that_serving_gives_it(tmp_path: Path, tokenizer: Any) -> None:
    messages = conversation("Where is Ostrel?", "\n By the Amber.")
    (sample,) = read(tmp_path, tokenizer, [messages])
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
    first, second = read(tmp_path, tokenizer, [messages])
    assert learned(tokenizer, first) == ["<think></think>One.<|im_end|>"]
    assert learned(tokenizer, second) == ["<think></think>Two.<|im_end|>"]
    assert "<think>" not in tokenizer.decode(list(second.ids[: second.spans[0][0]]))
    assert (first.line, second.line) == (1, 1)


def test_a_template_without_end_token_still_teaches_to_stop(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", CHATML.replace("<|im_end|>", ""))
    (sample,) = read(tmp_path, tokenizer, [conversation("A?", "One.")])
    assert learned(tokenizer, sample) == ["One.<|im_end|>"]


def test_a_template_whose_answer_does_not_continue_its_prompt_is_refused(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = CHATML.replace(
        "<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>{% endif %}"
    )
    monkeypatch.setattr(tokenizer, "chat_template", template)
    with pytest.raises(InvalidRowError, match=r"messages\[1\]: the chat template"):
        read(tmp_path, tokenizer, [conversation("A?", "One.")])


def test_a_tokenizer_without_template_is_refused(
    tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", None)
    with pytest.raises(RenderError, match="no chat template"):
        read(tmp_path, tokenizer, [conversation("A?", "One.")])
    with pytest.raises(BaseModelError, match=r"base_model: .* no chat template"):
        renderer_of(tokenizer, RenderSettings())


LONG = [
    {"role": "system", "content": "Be brief."},
    *conversation("Where is the first town?", "By the river Amber."),
    *conversation("And where is the second one?", "In the hills."),
    *conversation("And the third?", "By the lake."),
]


def rows(path: Path, tokenizer: Any, messages: Messages, cutoff: int, **rules: Any) -> data.Encoded:
    (row,) = encode_rows(write_rows(path / "train.jsonl", [messages]), tokenizer, cutoff, **rules)
    assert all(len(each.ids) <= cutoff for item in row.items for each in item.sequences)
    return row


def texts(tokenizer: Any, row: data.Encoded) -> list[str]:
    return [tokenizer.decode(list(each.ids)) for item in row.items for each in item.sequences]


def test_a_long_conversation_is_parted_at_turns_and_every_answer_is_learned(
    tmp_path: Path, tokenizer: Any
) -> None:
    (whole,) = read(tmp_path, tokenizer, [LONG])
    row = rows(tmp_path, tokenizer, LONG, len(whole.ids) - 1)
    assert (row.row_id, row.outcome, row.tokens) == ("row-0", data.CUT, len(whole.ids))
    first, second = texts(tokenizer, row)
    assert first.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhere is the first")
    assert second.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nAnd the third?")
    answers = [text for item in row.items for text in learned(tokenizer, item.sequences[0])]
    assert answers == learned(tokenizer, whole)


def test_a_turn_too_long_by_itself_is_left_out_of_the_parts(tmp_path: Path, tokenizer: Any) -> None:
    messages = [
        *conversation("A?", "One."),
        *conversation("B?", "Two. " * 100),
        *conversation("C?", "Three."),
    ]
    row = rows(tmp_path, tokenizer, messages, 64)
    assert [learned(tokenizer, item.sequences[0]) for item in row.items] == [
        ["One.<|im_end|>"],
        ["Three.<|im_end|>"],
    ]
    assert rows(tmp_path, tokenizer, conversation("B?", "Two. " * 100), 64).outcome == data.DROPPED


def test_keep_end_lets_the_oldest_turns_go_and_then_cuts_the_question(tmp_path: Path, tokenizer: Any) -> None:
    (whole,) = read(tmp_path, tokenizer, [LONG])
    row = rows(tmp_path, tokenizer, LONG, len(whole.ids) - 1, truncation="keep_end")
    (text,) = texts(tokenizer, row)
    assert text.startswith(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nAnd where is the second"
    )
    assert text.endswith("By the lake.<|im_end|>")
    question = "".join(f"Sentence {i} of a long text. " for i in range(60)) + "So where is Ostrel?"
    row = rows(tmp_path, tokenizer, conversation(question, "By the Amber."), 100, truncation="keep_end")
    (text,) = texts(tokenizer, row)
    assert text.endswith("So where is Ostrel?<|im_end|>\n<|im_start|>assistant\nBy the Amber.<|im_end|>")
    assert text.startswith("<|im_start|>user\n")
    assert row.outcome == data.CUT
    assert row.kept_tokens > 90
    row = rows(tmp_path, tokenizer, conversation("Why?", "Amber. " * 200), 100, truncation="keep_end")
    assert (row.outcome, row.items, row.kept_tokens) == (data.DROPPED, [], 0)


def test_drop_leaves_a_long_row_out_whole(tmp_path: Path, tokenizer: Any) -> None:
    (whole,) = read(tmp_path, tokenizer, [LONG])
    assert rows(tmp_path, tokenizer, LONG, len(whole.ids) - 1, truncation="drop").outcome == data.DROPPED
    assert rows(tmp_path, tokenizer, LONG, len(whole.ids), truncation="drop").outcome == data.KEPT


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("last", [False, True])
def test_no_policy_cuts_a_header_an_answer_or_an_end_token(
    tmp_path: Path, tokenizer: Any, policy: str, last: bool
) -> None:
    (whole,) = read(tmp_path, tokenizer, [LONG])
    answers = set(learned(tokenizer, whole))
    header = tokenizer("<|im_start|>assistant\n", add_special_tokens=False)["input_ids"]
    path = write_rows(tmp_path / "train.jsonl", [LONG])
    for cutoff in range(8, len(whole.ids) + 1, 3):
        for sample in read_samples(path, tokenizer, cutoff, truncation=policy, mask_history=last):
            assert len(sample.ids) <= cutoff
            assert set(learned(tokenizer, sample)) <= answers
            for start, _ in sample.spans:
                assert list(sample.ids[start - len(header) : start]) == header


def test_only_the_last_answer_is_learned_where_history_is_masked(tmp_path: Path, tokenizer: Any) -> None:
    (whole,), (masked,) = (read(tmp_path, tokenizer, [LONG], mask_history=masked) for masked in (False, True))
    assert masked.ids == whole.ids
    assert learned(tokenizer, masked) == ["By the lake.<|im_end|>"]
    row = rows(tmp_path, tokenizer, LONG, len(whole.ids) - 1, mask_history=True)
    (text,) = texts(tokenizer, row)
    assert "first town" not in text
    assert text.endswith("By the lake.<|im_end|>")


def test_a_prompt_is_learned_too_where_that_is_wished_for(tmp_path: Path, tokenizer: Any) -> None:
    (whole,), (prompted,) = (
        read(tmp_path, tokenizer, [LONG], train_on_prompt=wished) for wished in (False, True)
    )
    assert prompted.ids == whole.ids
    assert prompted.spans == ((1, len(whole.ids)),)


def test_a_row_just_at_the_cutoff_is_whole(tmp_path: Path, tokenizer: Any) -> None:
    (sample,) = read(tmp_path, tokenizer, [conversation("A?", "One.")])
    size = len(sample.ids)
    for cutoff, outcome in ((size, data.KEPT), (size - 1, data.DROPPED)):
        assert rows(tmp_path, tokenizer, conversation("A?", "One."), cutoff).outcome == outcome


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
    tmp_path: Path, tokenizer: Any, base_model: Path, row: Any, message: str
) -> None:
    path = write_rows(tmp_path / "train.jsonl", [conversation("A?", "One.")])
    with path.open("ab") as sink:
        sink.write(row if isinstance(row, bytes) else json.dumps(row).encode())
    with pytest.raises(InvalidRowError) as caught:
        token_set(
            Recipe(base_model, "sft", RenderSettings(), Rules(512)), path, tokenizer, tmp_path / "tokens"
        )
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)
