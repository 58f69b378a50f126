"""Constrained decoding: a JSON schema as a mask over the next token, by llguidance."""

from __future__ import annotations

import json
from typing import Any

import llguidance.hf
import torch
from llguidance import LLMatcher, LLTokenizer
from transformers import PreTrainedTokenizerFast

from services.inference.engine.vocabulary import Vocabulary
from services.runtime.errors import InvalidArgument

# Without free whitespace a weak model cannot fill its budget with blanks; these separators are what it
# has read most, and all of them are forced, so they cost no decoding step.
_LAYOUT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_CLOSERS = frozenset('"}]')
_WORD_BITS = 32


def after_thought(rules: str) -> str:
    """Rules for an answer that begins inside a thought: the thought is free, what follows obeys the rules."""
    thought = r'thought[suffix="</think>"]: /(?s:.*)/'
    return rules.replace("start:", f"start: thought gap rest\n{thought}\ngap: /\\n*/\nrest:", 1)


def schema_rules(schema: dict[str, Any]) -> str:
    """Rules for an answer that is JSON by a schema."""
    return f"start: answer\nanswer: %json {json.dumps(in_layout(schema))}\n"


def in_layout(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose text is laid out as ours, for use inside of rules."""
    return {**schema, "x-guidance": _LAYOUT}


class Grammars:
    """Compiles schemas for one tokenizer; takes about 2 ms each, safe from several threads."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, vocab_size: int, eos_ids: frozenset[int]) -> None:
        self._tokenizer = llguidance.hf.from_tokenizer(tokenizer, vocab_size, sorted(eos_ids))
        self._closers = [
            token
            for token in range(self._tokenizer.vocab_size)
            if (text := self._tokenizer.decode_str([token])) and _CLOSERS.issuperset(text)
        ]

    def compile(self, schema: dict[str, Any]) -> Grammar:
        """Return a fresh grammar at its beginning.

        Raises:
            InvalidArgument: the schema is wrong, or uses a keyword that llguidance does not enforce.
        """
        found = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=_LAYOUT)
        return self._fresh(found, "response_format")

    def compile_lark(self, rules: str, field: str) -> Grammar:
        """Return a fresh grammar by rules in llguidance's dialect of Lark.

        Raises:
            InvalidArgument: a schema in them cannot be enforced; `field` is what the caller named it in.
        """
        return self._fresh(LLMatcher.grammar_from_lark(rules), field)

    def vocabulary(self) -> Vocabulary:
        """The bytes of single tokens."""
        return Vocabulary(self._tokenizer)

    def _fresh(self, grammar: str, field: str) -> Grammar:
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            fault = matcher.get_error().splitlines()[0]
            raise InvalidArgument("INVALID_SCHEMA", f"The JSON schema cannot be enforced: {fault}.", field)
        return Grammar(matcher, self._tokenizer, self._closers)


class Grammar:
    """Where one completion stands in its grammar."""

    def __init__(self, matcher: LLMatcher, tokenizer: LLTokenizer, closers: list[int]) -> None:
        self._matcher = matcher
        self._tokenizer = tokenizer
        self._closers = closers

    @property
    def complete(self) -> bool:
        """True when the text is whole and nothing can follow."""
        return self._matcher.is_stopped() and not self._matcher.is_error()

    def copy(self) -> Grammar:
        """Return an independent grammar at the same place; takes microseconds."""
        return Grammar(self._matcher.deep_copy(), self._tokenizer, self._closers)

    def forced(self) -> list[int]:
        """Take and return the tokens that the grammar leaves no choice about; they need no decoding step."""
        tokens = self._matcher.compute_ff_tokens()
        if tokens:
            self._matcher.consume_tokens(tokens)
        return tokens

    def accept(self, token: int) -> bool:
        """Take a sampled token; False where the grammar forbids it."""
        return self._matcher.consume_token(token)

    def fill_mask(self, words: torch.Tensor) -> None:
        """Write the allowed tokens into an int32 row of `mask_words(vocab_size)`, one bit for each token."""
        self._matcher.unsafe_compute_mask_ptr(words.data_ptr(), words.numel() * words.element_size())

    def closing(self, limit: int) -> list[int] | None:
        """Return at most `limit` tokens that make the text whole, or None where that many do not suffice.

        Closes strings, objects and lists as soon as the grammar lets it. The grammar itself does not move.
        """
        trial = self.copy()
        path: list[int] = []
        while not (trial.complete or trial._matcher.is_accepting()):
            token = trial._closer()
            if token is None or not trial.accept(token):
                return None
            path += [token, *trial.forced()]
            if len(path) > limit:
                return None
        return path if len(path) <= limit else None

    def _closer(self) -> int | None:
        """Return an allowed token that closes something, else any allowed one."""
        allowed = allowed_tokens(
            torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.int32)
        )
        for token in self._closers:
            if token < len(allowed) and allowed[token]:
                return token
        choices = allowed.nonzero()
        return int(choices[0]) if len(choices) else None


def mask_words(vocab_size: int) -> int:
    """Return how many int32 words hold one bit per token."""
    return -(-vocab_size // _WORD_BITS)


def allowed_tokens(words: torch.Tensor) -> torch.Tensor:
    """Unpack [..., words] int32 to [..., 32 * words] bool, lowest bit first."""
    shifts = torch.arange(8, dtype=torch.uint8)
    bits = (words.contiguous().view(torch.uint8)[..., None] >> shifts) & 1
    return bits.flatten(-2).bool()
