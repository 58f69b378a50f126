"""One question to a model and its re-asks: what is said next, and what comes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from services.generation.calls.hiding import without_key
from services.generation.calls.modes import PLAIN_TEXT
from services.generation.calls.output import (
    BLANKS,
    Decoded,
    OutputIncomplete,
    OutputInvalid,
    correction,
    decode,
    unwrapped,
    without,
)
from services.generation.calls.replies import Reply, Usage
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint
from services.runtime.errors import FailedPrecondition

T = TypeVar("T")

MOST_ASKS = 3
MOST_CUTS = 2
"""Answers that are cut off cost the most, and the third would be, too."""
RAISING = "`sishu provider update --max-answer-tokens`"
FILTERED = {"content_filter", "sensitive"}
"""What servers call it when a filter stopped the answer; `sensitive` is Zhipu's word."""


class Chain(Generic[T]):
    """The state of a question that is asked until the answer validates.

    Where only a part of an answer is good, and the parser can use it, the part is kept, the rest is asked for
    again, and if that never comes the part is the answer. An answer that was cut off is asked for again in
    fewer words, never with more tokens than the user wants: mostly the model repeats itself, or the room of
    its context is at an end, and then more tokens cost more and change nothing.

    Attributes:
        messages: what is to be said next.
        schema: what is to be asked for next.
        usage: what the calls used so far.
        salvaged: the last answer was no plain JSON.
        asked: who was asked last; nothing before the first call.
    """

    def __init__(self, prompt: Prompt, schema: Mapping[str, Any], parse: Callable[[Any], T]) -> None:
        self.messages, self.schema = prompt.messages(), schema
        self.usage, self.salvaged = Usage(), False
        self.asked: Endpoint | None = None
        self._opening, self._whole_schema, self._parse = self.messages, schema, parse
        self._plain, self._ran_out = schema == PLAIN_TEXT, False
        self._asks = self._cuts = 0
        self._parts: Mapping[str, Any] = {}
        self._partial: OutputIncomplete | None = None
        self._error = ""

    @property
    def ended(self) -> bool:
        """Whether asking again is of no use."""
        return self._asks >= MOST_ASKS or self._cuts >= MOST_CUTS

    def read(self, reply: Reply) -> T:
        """The value of a reply.

        Raises:
            OutputInvalid: it is none; what is to be said next is changed.
        """
        self._asks += 1
        self.usage += reply.usage
        cut = reply.finish_reason == "length"
        self._ran_out = self._ran_out or cut
        try:
            decoded = Decoded(reply.text.strip(BLANKS)) if self._plain else decode(reply.text)
            self.salvaged, cut = decoded.salvaged, cut or decoded.cut
            return self._parse(self._with_parts(decoded))
        except OutputInvalid as invalid:
            self._cuts += cut
            self._correct(reply.text, invalid, cut=cut)
            raise

    def partial(self) -> T | None:
        """What the parser made of a part of the answer; nothing where no part was good."""
        return self._partial.value if self._partial else None

    def failure(self, endpoint: Endpoint, sampling: Mapping[str, Any]) -> FailedPrecondition:
        """Why there is no value."""
        model, error = endpoint.model, self._error
        if self._cuts < MOST_CUTS:
            return FailedPrecondition(
                "LLM_OUTPUT_INVALID",
                f"the model {model} gave no valid {'answer' if self._plain else 'JSON'} in {self._asks} "
                f"tries: {error}; "
                "use a stronger model or ask for less in one call",
                model=model,
            )
        if not self._ran_out:
            return FailedPrecondition(
                "LLM_OUTPUT_CUT_OFF",
                f"the model {model} ended its answer in the middle in {self._cuts} tries: {error}; the "
                "server says of none that it ran out of tokens, but may have a limit of its own; ask for "
                "less in one call, or use a stronger model",
                model=model,
                tries=str(self._cuts),
            )
        limit = sampling.get("max_tokens")
        advice = f"raise max_tokens, which is {limit}" if limit else "set max_tokens above the server's limit"
        return FailedPrecondition(
            "LLM_OUTPUT_CUT_OFF",
            f"the model {model} ran out of tokens in {self._cuts} tries: {error}; "
            f"{advice} ({RAISING}), ask for less in one call, "
            "or use a model that thinks or repeats itself less",
            model=model,
        )

    def _with_parts(self, decoded: Decoded) -> Any:
        value = unwrapped(decoded.value, self.schema)
        # A part that was good is not asked for again; what comes in its place may be worse.
        return {**value, **self._parts} if self._parts and isinstance(value, dict) else value

    def _correct(self, text: str, invalid: OutputInvalid, *, cut: bool) -> None:
        self._error, wanted = str(invalid), ""
        if self.asked:
            # Another member of a pool may be asked next.
            text, self._error = without_key(text, self.asked), without_key(self._error, self.asked)
        if isinstance(invalid, OutputIncomplete):
            self._partial, self._parts = invalid, invalid.parts
        if self._parts:
            self.schema = without(self._whole_schema, self._parts)
            wanted = ", ".join(f'"{key}"' for key in self.schema["properties"])
        form = "words" if self._plain else "JSON"
        self.messages = [*self._opening, *correction(text, self._error, cut=cut, wanted=wanted, form=form)]


def stopped(reply: Reply, endpoint: Endpoint) -> FailedPrecondition | None:
    """Why a reply is final though it holds no answer; nothing where it may hold one."""
    if reply.finish_reason in FILTERED:
        return filtered(endpoint)
    if reply.refusal and not reply.text:
        return FailedPrecondition(
            "LLM_REFUSED",
            f"the model {endpoint.model} refuses to answer: {without_key(reply.refusal, endpoint)[:200]}",
            model=endpoint.model,
        )
    return None


def textless(reply: Reply, endpoint: Endpoint) -> FailedPrecondition:
    """The error for a reply that holds no text at all."""
    if reply.finish_reason == "length":
        return FailedPrecondition(
            "LLM_OUTPUT_CUT_OFF",
            f"the model {endpoint.model} ran out of tokens before it wrote an answer; "
            f"raise max_tokens ({RAISING})",
            model=endpoint.model,
        )
    return FailedPrecondition(
        "LLM_OUTPUT_EMPTY",
        f"the model {endpoint.model} answered without a text; check that it is one that writes",
        model=endpoint.model,
    )


def filtered(endpoint: Endpoint) -> FailedPrecondition:
    """The error for text that a provider does not let through."""
    return FailedPrecondition(
        "LLM_CONTENT_FILTERED",
        f"{endpoint.base_url} (model {endpoint.model}) does not let the text or its answer through its "
        "content filter; use another provider or leave the text out",
        base_url=endpoint.base_url,
        model=endpoint.model,
    )
