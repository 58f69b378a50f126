"""From requests to completions, and from completions back to one stream of what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from services.inference.engine.adapters import Adapter
from services.inference.engine.answer import THINK, AnswerReader
from services.inference.engine.completion import Completion, Delta
from services.inference.engine.detokenizer import Detokenizer
from services.inference.engine.grammar import Grammar, Grammars, after_thought, schema_rules
from services.inference.engine.model import Model
from services.inference.engine.protocol import ChatRequest, TextRequest
from services.inference.engine.replies import Choice
from services.inference.engine.sampling import SamplingParams
from services.inference.engine.scheduler import Scheduler
from services.inference.engine.tools import ToolFormat, forced_call, tool_format
from services.runtime.errors import DeadlineExceeded, InvalidArgument

_TAIL_TOKENS = 8
"""Tokens at the end of a prompt that show whether it ends inside a thought."""

Deltas = asyncio.Queue[tuple[int, Delta]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks for.

    Attributes:
        completions: one for each answer.
        deltas: what they say, by their index; bounded by their token budgets.
        choices: of a chat, how each answer is read; empty for texts.
        echoes: of texts, what each begins with.
    """

    completions: list[Completion]
    deltas: Deltas
    choices: list[Choice]
    echoes: list[str]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, each counted once."""
        return sum(len(prompt) for prompt in {id(c.prompt): c.prompt for c in self.completions}.values())


class Preparer:
    """Makes requests ready to be computed; takes milliseconds, for long prompts more.

    Args:
        model: what will answer.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._grammars = Grammars(model.tokenizer, model.vocab_size, model.eos_ids)
        template = model.tokenizer.chat_template
        self._form = tool_format(template if isinstance(template, str) else str(template))
        self.vocabulary = self._grammars.vocabulary()

    def chat(self, chat: ChatRequest, adapter: Adapter | None, loop: asyncio.AbstractEventLoop) -> Asked:
        """Make a chat ready.

        Raises:
            InvalidArgument: messages, tools, schema or length are not as this model takes them.
        """
        tools = chat.offered_tools()
        form = self._tool_form() if tools else None
        prompt = self._model.render(
            [message.plain() for message in chat.messages],
            adapter=adapter,
            tools=[tool.plain() for tool in tools],
            switches=chat.chat_template_kwargs,
        )
        thinking = self._ends_in_thought(prompt)
        grammar = self._grammar(chat, form, thinking=thinking)
        names = frozenset(tool.function.name for tool in tools)
        choices = [
            Choice(index, AnswerReader(thinking=thinking, form=form, names=names))
            for index in range(chat.choices)
        ]
        fitted = self._fitting(chat.sampling(), len(prompt), stated=chat.states_length, field="messages")
        drawn = [replace(chat.sampling(index), max_tokens=fitted) for index in range(chat.choices)]
        completions, deltas = self._completions(
            [prompt] * len(drawn), drawn, bool(chat.stream), adapter, loop
        )
        for completion in completions:
            completion.grammar = grammar.copy() if grammar else None
        return Asked(completions, deltas, choices, [])

    def text(self, asked: TextRequest, adapter: Adapter | None, loop: asyncio.AbstractEventLoop) -> Asked:
        """Make a request for completions of texts ready.

        Raises:
            InvalidArgument: a prompt is empty or too long, or has tokens that are none.
        """
        tokenizer = self._model.tokenizer
        prompts: list[list[int]] = []
        drawn: list[SamplingParams] = []
        echoes: list[str] = []
        for prompt in asked.prompts():
            ids = self._ids(prompt)
            fitted = self._fitting(asked.sampling(), len(ids), stated=asked.states_length, field="prompt")
            echo = tokenizer.decode(ids) if asked.echo else ""
            for _ in range(asked.choices):
                drawn.append(replace(asked.sampling(len(drawn)), max_tokens=fitted))
                prompts.append(ids)
                echoes.append(str(echo))
        completions, deltas = self._completions(prompts, drawn, bool(asked.stream), adapter, loop)
        return Asked(completions, deltas, [], echoes)

    def _completions(
        self,
        prompts: Sequence[list[int]],
        drawn: Sequence[SamplingParams],
        stream: bool,
        adapter: Adapter | None,
        loop: asyncio.AbstractEventLoop,
    ) -> tuple[list[Completion], Deltas]:
        deltas: Deltas = asyncio.Queue()
        backend = self._model.tokenizer.backend_tokenizer
        completions = [
            Completion(
                prompt=prompt,
                params=params,
                detokenizer=Detokenizer(backend, params.stop),
                emit=_putter(loop, deltas, index),
                stream=stream,
                adapter=adapter,
            )
            for index, (prompt, params) in enumerate(zip(prompts, drawn, strict=True))
        ]
        return completions, deltas

    def _ids(self, prompt: str | list[int]) -> list[int]:
        if not isinstance(prompt, str):
            wrong = next((token for token in prompt if token >= self._model.vocab_size), None)
            if wrong is not None:
                raise InvalidArgument(
                    "INVALID_VALUE", f"prompt: there is no token {wrong} in this model.", "prompt"
                )
            return prompt
        # With the marks that the tokenizer puts around a text, such as one for its beginning.
        ids: list[int] = self._model.tokenizer.backend_tokenizer.encode(prompt).ids
        if not ids:
            raise InvalidArgument("INVALID_VALUE", "prompt: it has no token.", "prompt")
        return ids

    def _tool_form(self) -> ToolFormat:
        if self._form is None:
            raise InvalidArgument(
                "TOOLS_UNSUPPORTED", "The chat template of this model has no place for tools.", "tools"
            )
        return self._form

    def _ends_in_thought(self, prompt: list[int]) -> bool:
        tail = self._model.tokenizer.decode(prompt[-_TAIL_TOKENS:], skip_special_tokens=False)
        return str(tail).rstrip().endswith(THINK)

    def _grammar(self, chat: ChatRequest, form: ToolFormat | None, *, thinking: bool) -> Grammar | None:
        schema, forced = chat.answer_schema(), chat.forced_tools()
        if forced and form:
            rules = forced_call(form, [tool.plain()["function"] for tool in forced])
            return self._grammars.compile_lark(after_thought(rules) if thinking else rules, "tools")
        if schema is None:
            return None
        if thinking:
            return self._grammars.compile_lark(after_thought(schema_rules(schema)), "response_format")
        return self._grammars.compile(schema)

    def _fitting(self, params: SamplingParams, prompt_tokens: int, *, stated: bool, field: str) -> int:
        """Return the most tokens to write; a length that the caller did not state shrinks to what is left."""
        limit = self._model.context_length
        left = limit - prompt_tokens
        if left < (params.max_tokens if stated else 1):
            raise InvalidArgument(
                "CONTEXT_LENGTH_EXCEEDED",
                f"This model's maximum context length is {limit} tokens. You requested {params.max_tokens} "
                f"tokens of completion after {prompt_tokens} tokens of {field}. Shorten one of them.",
                field,
            )
        return min(params.max_tokens, left)


async def run(scheduler: Scheduler, asked: Asked, seconds: float) -> AsyncGenerator[tuple[int, Delta]]:
    """Yield what the completions say, with their index, until all have ended; closing it cancels them.

    Raises:
        SishuError: the scheduler's own error, or DeadlineExceeded.
    """
    scheduler.submit(*asked.completions)
    deadline = asyncio.get_running_loop().time() + seconds
    unfinished = len(asked.completions)
    try:
        while unfinished:
            async with asyncio.timeout_at(deadline):
                index, delta = await asked.deltas.get()
            if delta.error:
                raise delta.error
            unfinished -= delta.last
            yield index, delta
    except TimeoutError as error:
        raise DeadlineExceeded("TOO_SLOW", f"The answer took longer than {seconds:g} s.") from error
    finally:
        for completion in asked.completions:
            completion.cancelled = True


def _putter(loop: asyncio.AbstractEventLoop, deltas: Deltas, index: int) -> Callable[[Delta], None]:
    def put(delta: Delta) -> None:
        # The loop may be gone when the engine stops; then nobody listens either.
        if not loop.is_closed():
            loop.call_soon_threadsafe(deltas.put_nowait, (index, delta))

    return put
