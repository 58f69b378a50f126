from __future__ import annotations

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from services.inference.engine.detokenizer import Detokenizer
from services.inference.engine.grammar import Grammars
from services.inference.engine.model import Model
from services.inference.engine.sampling import SamplingParams, adjust, sample
from services.runtime.errors import InvalidArgument
from tests.unit.inference.engine.tiny import ITEMS


def pieces(tokenizer: PreTrainedTokenizerFast, tokens: list[int], *stop: str) -> list[str]:
    detokenizer = Detokenizer(tokenizer.backend_tokenizer, stop)
    said = [detokenizer.push(token) for token in tokens]
    return [*said, detokenizer.finish()]


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=30), stop=st.text(min_size=1, max_size=4))
def test_pieces_join_to_the_text_before_the_stop_string(
    text: str, stop: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    tokens = tokenizer.encode(text, add_special_tokens=False)
    assert "".join(pieces(tokenizer, tokens)) == text
    assert "".join(pieces(tokenizer, tokens, stop)) == text.split(stop, maxsplit=1)[0]


def test_a_character_of_several_tokens_comes_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = tokenizer.encode("私塾 is a school", add_special_tokens=False)
    said = pieces(tokenizer, tokens)
    assert said[:3] == ["", "", "私"]
    assert "".join(said) == "私塾 is a school"


def test_bytes_that_are_no_character_come_at_the_end(tokenizer: PreTrainedTokenizerFast) -> None:
    broken = tokenizer.encode("塾", add_special_tokens=False)[:2]
    assert pieces(tokenizer, broken) == ["", "", "\N{REPLACEMENT CHARACTER}"]


def test_special_tokens_are_not_text(tokenizer: PreTrainedTokenizerFast) -> None:
    assert "".join(pieces(tokenizer, tokenizer.encode("a<|im_end|>"))) == "a"


def drawn(logits: list[float], params: SamplingParams, count: int = 4000) -> list[float]:
    rows = torch.tensor([logits]).repeat(count, 1)
    source = random.Random(3)  # noqa: S311 - no secret
    tokens = sample(rows, [params] * count, [source] * count)
    return [tokens.count(token) / count for token in range(len(logits))]


def test_draws_follow_the_probabilities() -> None:
    probabilities = [0.5, 0.3, 0.15, 0.05]
    logits = torch.tensor(probabilities).log().tolist()
    assert drawn(logits, SamplingParams()) == pytest.approx(probabilities, abs=0.03)
    squared = [p * p / 0.365 for p in probabilities]
    assert drawn(logits, SamplingParams(temperature=0.5)) == pytest.approx(squared, abs=0.03)
    assert drawn(logits, SamplingParams(temperature=0)) == [1, 0, 0, 0]


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = torch.tensor([0.15, 0.5, 0.3, 0.05]).log().tolist()
    assert drawn(logits, SamplingParams(top_p=0.79)) == pytest.approx([0, 0.625, 0.375, 0], abs=0.03)
    assert drawn(logits, SamplingParams(top_p=0.5)) == [0, 1, 0, 0]


def test_top_p_looks_beyond_the_top_where_the_distribution_is_flat() -> None:
    tokens = sample(
        torch.zeros(500, 1000),
        [SamplingParams(top_p=0.9)] * 500,
        [random.Random(n) for n in range(500)],  # noqa: S311 - no secret
    )
    assert len(set(tokens)) > 256


def test_top_k_and_min_p_keep_the_likeliest() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]]).repeat(400, 1)
    draws = [random.Random(n) for n in range(400)]  # noqa: S311
    few = [SamplingParams(top_k=2)] * 400
    assert set(sample(logits.clone(), few, draws)) == {0, 1}
    likely = [SamplingParams(min_p=0.2)] * 400
    assert set(sample(logits.clone(), likely, draws)) == {0, 1}


def test_penalties_mean_what_openai_says() -> None:
    logits = torch.tensor([1.0, 1.0, -1.0, 1.0])
    row = logits.clone()
    adjust(row, SamplingParams(presence_penalty=0.5, frequency_penalty=0.25), [3, 3], [0, 0, 2])
    assert row.tolist() == [1 - 0.5 - 0.5, 1, -1 - 0.5 - 0.25, 1]
    row = logits.clone()
    adjust(row, SamplingParams(repetition_penalty=2.0), [3], [0, 2])
    assert row.tolist() == [0.5, 1, -2, 0.5]
    row = logits.clone()
    adjust(row, SamplingParams(logit_bias={1: -100.0, 3: 4.0}), [3], [])
    assert row.tolist() == [1, -99, -1, 5]
    assert not SamplingParams(presence_penalty=0.0).moves_logits


def test_forbidden_tokens_are_never_drawn() -> None:
    logits = [-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]
    shares = drawn(logits, SamplingParams(temperature=2.0))
    assert [share > 0 for share in shares] == [False, True, False, True, False]


def test_rows_of_different_kinds_are_drawn_together() -> None:
    logits = torch.tensor([[0.0, 9.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 50.0]])
    params = [SamplingParams(temperature=0), SamplingParams(temperature=0.01), SamplingParams(top_p=0.1)]
    source = random.Random(0)  # noqa: S311 - no secret
    assert sample(logits, params, [source] * 3) == [1, 0, 2]


@pytest.mark.parametrize(
    ("schema", "fault"), [({"type": "strin"}, "strin"), ({"type": "string", "not": {"const": "a"}}, "not")]
)
def test_a_schema_that_cannot_be_enforced_is_refused(
    model: Model, schema: dict[str, object], fault: str
) -> None:
    grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)
    with pytest.raises(InvalidArgument, match=fault):
        grammars.compile(schema)


def test_forced_text_needs_no_draw(model: Model) -> None:
    grammar = Grammars(model.tokenizer, model.vocab_size, model.eos_ids).compile(ITEMS)
    text = str(model.tokenizer.decode(grammar.forced()))
    assert text.startswith('{"items": [{"quote": "The plant number')


def test_closing_finds_the_way_out_and_leaves_the_grammar_where_it_is(model: Model) -> None:
    grammar = Grammars(model.tokenizer, model.vocab_size, model.eos_ids).compile(
        {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    )
    for character in '[["ab':
        assert grammar.accept(model.tokenizer.encode(character, add_special_tokens=False)[0])
    path = grammar.closing(8)
    assert path is not None
    assert model.tokenizer.decode(path) == '"]]'
    assert grammar.closing(len(path) - 1) is None
    assert not grammar.complete
