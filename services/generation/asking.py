"""Have a model asked for an item, unless it was answered before; what is asked is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

import structlog

from services.generation.call_store import NOTHING, CallStore, Settlement
from services.generation.calls.answers import KeptAnswer, answer_key
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.llm import Llm
from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.calls.replies import Usage, usage_of
from services.generation.generations import Generation
from services.generation.prompts import Prompt
from services.generation.providers import Endpoint, Provider
from services.generation.questions import CallRecord
from services.runtime.errors import SishuError
from services.runtime.faults import as_sishu_error
from services.runtime.ids import new_id

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True)
class Task(Generic[T]):
    """What an item has a model asked for.

    Args:
        generation: what it belongs to.
        provider: who is asked.
        chunk_id: what it is about.
        prompt: what is asked.
        schema: JSON schema of the answer.
        parse: turns decoded JSON into the value; raises `OutputInvalid` to have it asked for again.
    """

    generation: Generation
    provider: Provider
    chunk_id: str
    prompt: Prompt
    schema: Mapping[str, Any]
    parse: Callable[[Any], T]

    @property
    def sampling(self) -> Mapping[str, Any]:
        """Sampling: the generation's, else the provider's; what is set nowhere is not sent."""
        return {**self.provider.sampling, **self.generation.options.sampling}


@dataclass(frozen=True)
class Asked(Generic[T]):
    """A validated answer, what it cost, and what is to be stored with it."""

    value: T
    reasoning: str
    call: CallRecord
    settlement: Settlement


class Asker:
    """Asks for items.

    Args:
        store: keeps what calls cost.
        llm: makes them.
        endpoints: finds where.
    """

    def __init__(self, store: CallStore, llm: Llm, endpoints: Endpoints) -> None:
        self._store = store
        self._llm = llm
        self._endpoints = endpoints

    async def ask(self, task: Task[T]) -> Asked[T]:
        """Take the answer that was given before, else ask; what calls cost in vain is stored at once.

        Raises:
            SishuError: as `Llm.ask`.
        """
        model = await self._model(task.provider)
        key = answer_key(task.prompt.messages(), model, task.sampling, task.schema)
        if not task.generation.options.no_cache:
            found = await self._store.find_answer(task.generation.project_id, key)
            known = found and again(task, found)
            if known:
                return known
        return await self._called(task, key)

    async def _model(self, provider: Provider) -> str:
        """What stands for the model: the name of a deployment's says nothing about its weights."""
        named = provider.deployment_id or provider.model
        return named or (await self._endpoints.find(provider))[0].model

    async def _called(self, task: Task[T], key: bytes) -> Asked[T]:
        endpoints = await self._endpoints.find(task.provider)
        try:
            completion = await self._llm.ask(
                endpoints, task.prompt, task.schema, with_json(task.parse), task.sampling
            )
        except SishuError as error:
            await self._add_failed(task, endpoints, usage_of(error), error.reason)
            raise
        value, written = completion.value
        kept = KeptAnswer(written, completion.reasoning, completion.model, completion.usage).as_text()
        return Asked(
            value,
            completion.reasoning,
            record(task, completion.model, completion.usage, endpoints),
            Settlement(task.generation.project_id, key, kept),
        )

    async def _add_failed(
        self, task: Task[Any], endpoints: Sequence[Endpoint], usage: Usage, reason: str
    ) -> None:
        """Store what calls cost that led to no result, each time: the next try pays anew."""
        if not usage.calls:
            return
        call = record(task, endpoints[0].model, usage, endpoints, failure=reason)
        try:
            await self._store.add_failed(task.generation.id, call)
        except Exception as error:
            # The failure of the call matters more; it is what the item is tried again for.
            log.warning("cost_not_stored", usage=str(usage), error=as_sishu_error(error).message)


def with_json(parse: Callable[[Any], T]) -> Callable[[Any], tuple[T, Any]]:
    """The parser, which gives what it read as well."""

    def both(value: Any) -> tuple[T, Any]:
        try:
            return parse(value), value
        except OutputIncomplete as error:
            raise OutputIncomplete(str(error), error.parts, (error.value, value)) from None

    return both


def again(task: Task[T], kept: KeptAnswer) -> Asked[T] | None:
    """An answer of an earlier call; nothing where it does not validate, as rules may have changed since."""
    try:
        value = task.parse(kept.value)
    except OutputIncomplete as incomplete:
        # The rest was asked for, and never came.
        value = incomplete.value
    except OutputInvalid:
        return None
    call = record(task, kept.model, Usage(), cached=asdict(kept.usage))
    return Asked(value, kept.reasoning, call, NOTHING)


def record(
    task: Task[Any],
    model: str,
    usage: Usage,
    endpoints: Sequence[Endpoint] = (),
    *,
    failure: str = "",
    cached: Mapping[str, Any] | None = None,
) -> CallRecord:
    """What is stored about the calls of a task."""
    return CallRecord(
        id=new_id(),
        prompt_version=task.prompt.version,
        provider_id=task.provider.id,
        model=model,
        parameters=task.sampling,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        calls=usage.calls,
        seconds=usage.seconds,
        cost=usage.cost,
        currency=next((one.price.currency for one in endpoints if one.price), ""),
        chunk_id=task.chunk_id,
        failure=failure,
        cached=cached,
    )
