"""Have a model asked for an item, and account for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from services.generation.call_store import CallStore
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.llm import Llm
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
    """A validated answer and what it cost."""

    value: T
    reasoning: str
    call: CallRecord


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
        """Ask for a validated answer; what calls without one cost is stored at once.

        Raises:
            SishuError: as `Llm.ask`.
        """
        endpoints = await self._endpoints.find(task.provider)
        try:
            completion = await self._llm.ask(endpoints, task.prompt, task.schema, task.parse, task.sampling)
        except SishuError as error:
            await self._add_failed(task, endpoints, usage_of(error), error.reason)
            raise
        call = record(task, endpoints, completion.model, completion.usage)
        return Asked(completion.value, completion.reasoning, call)

    async def _add_failed(
        self, task: Task[Any], endpoints: Sequence[Endpoint], usage: Usage, reason: str
    ) -> None:
        """Store what calls cost that led to no result, each time: the next try pays anew."""
        if not usage.calls:
            return
        call = record(task, endpoints, endpoints[0].model, usage, reason)
        try:
            await self._store.add_failed(task.generation.id, call)
        except Exception as error:
            # The failure of the call matters more; it is what the item is tried again for.
            log.warning("cost_not_stored", usage=str(usage), error=as_sishu_error(error).message)


def record(
    task: Task[Any], endpoints: Sequence[Endpoint], model: str, usage: Usage, failure: str = ""
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
    )
