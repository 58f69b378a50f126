"""Have a model asked for an item, unless it was answered before; what is asked is counted."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import structlog

from services.generation.asking.batching import PENDING, Batcher
from services.generation.asking.budgets import LIMITS, Amount, worst_cost, worst_usage
from services.generation.asking.call_store import CallStore, Settlement
from services.generation.asking.claiming import Claimer, is_awaited, own_key
from services.generation.asking.refusing import pausing
from services.generation.asking.reserving import WAIT_SECONDS, Reserver
from services.generation.calls.answers import KeptAnswer, answer_key
from services.generation.calls.chain import Chain
from services.generation.calls.endpoints import Endpoints
from services.generation.calls.llm import Llm
from services.generation.calls.output import OutputIncomplete, OutputInvalid
from services.generation.calls.replies import Usage
from services.generation.generations.generations import Generation
from services.generation.prompts.built_in import Prompt
from services.generation.providers.providers import Endpoint, Provider
from services.generation.questions.questions import CallRecord
from services.runtime.db import HELD_SECONDS
from services.runtime.errors import SishuError, Unavailable
from services.runtime.faults import as_sishu_error
from services.runtime.ids import new_id
from services.runtime.in_work import item_waiting, to_the_end
from services.runtime.jobs import Item, ItemClosed, Jobs

T = TypeVar("T")

MOST_BUDGETS = 1000
"""More generations with a budget than a process works on at once."""

ENDING_SECONDS = 5.0
"""How long an item that is stopped may take to store what it paid."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Task(Generic[T]):
    """What an item has a model asked for.

    Args:
        item: the item.
        generation: what it belongs to.
        provider: who is asked.
        chunk_id: what it is about; nothing where that is no chunk.
        prompt: what is asked.
        schema: JSON schema of the answer.
        parse: turns decoded JSON into the value; raises `OutputInvalid` to have it asked for again.
        own_sampling: sampling of this call in place of the generation's; nothing for that one.
    """

    item: Item
    generation: Generation
    provider: Provider
    chunk_id: str | None
    prompt: Prompt
    schema: Mapping[str, Any]
    parse: Callable[[Any], T]
    own_sampling: Mapping[str, Any] | None = None

    @property
    def sampling(self) -> Mapping[str, Any]:
        """What is sent of it."""
        if self.own_sampling is not None:
            return {**self.provider.sampling, **self.own_sampling}
        return sampling_of(self.generation, self.provider)


def sampling_of(generation: Generation, provider: Provider) -> Mapping[str, Any]:
    """Sampling of a call: the generation's, else the provider's; what is set nowhere is not sent."""
    return {**provider.sampling, **generation.options.sampling}


@dataclass(frozen=True)
class Asked(Generic[T]):
    """A validated answer, what it cost, and what is to be stored with it."""

    value: T
    reasoning: str
    call: CallRecord
    settlement: Settlement


@dataclass
class Attempt:
    """The calls of a task.

    Attributes:
        endpoints: where they may be made.
        chain: what they came to so far; nothing before the first.
        worst: the most that the last one is taken to use, where there is a budget.
    """

    endpoints: Sequence[Endpoint]
    chain: Chain[Any] | None = None
    worst: Usage = field(default_factory=Usage)
    _before: Usage = field(default_factory=Usage)
    _counted_before: Usage = field(default_factory=Usage)

    @cached_property
    def id(self) -> str:
        """Under which is reserved, where there is a budget."""
        return new_id()

    @property
    def currency(self) -> str:
        """In which money it is paid."""
        return next((one.price.currency for one in self.endpoints if one.price), "")

    def begin(self, chain: Chain[Any]) -> None:
        """Note that the next call is about to be made."""
        self._counted_before, self._before, self.chain = self.used, chain.usage, chain

    @property
    def used(self) -> Usage:
        """What counts as used: of a call of which nobody says it, the most that is taken for possible."""
        last = self.chain.usage - self._before if self.chain else Usage()
        if last.calls and not last.tokens:
            last = replace(self.worst, calls=last.calls, seconds=last.seconds)
        return self._counted_before + last


class Asker:
    """Asks for items.

    Args:
        store: keeps answers and what calls cost.
        reserver: lets calls begin where there is a budget.
        llm: makes them.
        batcher: has them made in batches.
        endpoints: finds where.
        jobs: pauses.
    """

    def __init__(
        self,
        store: CallStore,
        reserver: Reserver,
        llm: Llm,
        batcher: Batcher,
        endpoints: Endpoints,
        jobs: Jobs,
    ) -> None:
        self._store = store
        self._reserver = reserver
        self._llm = llm
        self._batcher = batcher
        self._endpoints = endpoints
        self._jobs = jobs
        self._claimer = Claimer(store)
        self._longest: OrderedDict[str, int] = OrderedDict()
        self._first: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def asked(self, task: Task[T]) -> AsyncIterator[Asked[T]]:
        """Take the answer that was given before, else ask; the block stores it with its settlement.

        What calls cost in vain is stored at once.

        Raises:
            ItemClosed: the job is paused: its budget has no room for a call, or all calls would be refused.
            SishuError: as `Llm.ask`, and `ANSWER_AWAITED` while another item asks the same.
        """
        found, key = None, b""
        try:
            async with pausing(self._jobs, task.item):
                key = await self._key(task)
                found = await self._claimer.find(task.generation, task.item, key, partial(again, task))
                found = found or await self._called(task, key)
            yield found
        except BaseException as error:
            await to_the_end(self._settle(task, key, found, error), ENDING_SECONDS)
            raise
        finally:
            self._reserver.ended(task.item)

    async def _settle(self, task: Task[T], key: bytes, found: Asked[T] | None, error: BaseException) -> None:
        """Store what an item had paid for that came to nothing; give up what is reserved, and its claim."""
        if found is None and is_awaited(error):
            return
        if found and found.call.calls:
            # It is paid, whatever became of the item; who asks the same again finds it.
            kept = replace(found.settlement, key=own_key(task.generation, task.item, key))
            await self._add(task, replace(found.call, failure=reason_of(error)), kept, error)
        if not is_pending(error):
            await self._reserver.release(task.item)
        elif task.generation.options.has_budget:
            await self._reserver.keep(task.item)
        await self._claimer.give_up(task.generation, task.item, key)

    async def _key(self, task: Task[Any]) -> bytes:
        # The name of a deployment's model says nothing about its weights.
        named = task.provider.deployment_id or task.provider.model
        model = named or (await self._endpoints.find(task.provider))[0].model
        return answer_key(task.prompt.messages(), model, task.sampling, task.schema)

    async def _called(self, task: Task[T], key: bytes) -> Asked[T]:
        attempt = Attempt(await self._endpoints.find(task.provider))

        async def before(chain: Chain[Any]) -> None:
            attempt.begin(chain)
            if task.generation.options.has_budget:
                await self._reserve(task, attempt, chain)

        opening = self._batcher.opening(task.item, task.generation, attempt.endpoints, key, task.sampling)
        try:
            async with self._measuring(task, key) as measures:
                completion = await self._llm.ask(
                    attempt.endpoints,
                    task.prompt,
                    task.schema,
                    with_json(task.parse),
                    task.sampling,
                    before,
                    None if measures else opening,
                )
                usage = attempt.used
                self._note_longest(task, usage)
        except BaseException as error:
            await to_the_end(self._add_failed(task, attempt, error), ENDING_SECONDS)
            raise
        value, written = completion.value
        kept = KeptAnswer(written, completion.reasoning, completion.model, usage)
        return Asked(
            value,
            completion.reasoning,
            record(task, completion.model, usage, currency=attempt.currency),
            Settlement(task.generation.project_id, key, kept.as_text(), task.item.id),
        )

    @asynccontextmanager
    async def _measuring(self, task: Task[Any], key: bytes) -> AsyncIterator[bool]:
        """Around the calls of a task; says whether it is to find out how long answers are, by a single call.

        Many calls begin, or are handed in, before any answer is there. So where nothing limits an answer, the
        first call of a generation with a budget goes ahead.
        """
        options = task.generation.options
        limited = any(task.sampling.get(name) for name in LIMITS)
        if limited or not options.has_budget or task.generation.id in self._longest:
            yield False
            return
        if await self._batcher.is_asked(task.item, task.generation, key):
            yield False
            return
        first = self._first.setdefault(task.generation.id, asyncio.Lock())
        async with waited_for(first):
            if task.generation.id not in self._longest:
                yield True
                return
        yield False

    async def _reserve(self, task: Task[Any], attempt: Attempt, chain: Chain[Any]) -> None:
        used, longest = attempt.used, self._longest.get(task.generation.id, 0)
        worst = worst_usage(chain.messages, chain.schema, task.sampling, longest)
        attempt.worst = replace(worst, cost=worst_cost(worst, attempt.endpoints))
        total = attempt.worst + used
        await self._reserver.reserve(
            task.item,
            attempt.id,
            Amount(total.tokens, total.cost),
            attempt.currency,
            stops=not chain.usage.calls,
        )

    def _note_longest(self, task: Task[Any], usage: Usage) -> None:
        if not task.generation.options.has_budget:
            return
        longest = max(self._longest.pop(task.generation.id, 0), usage.completion_tokens)
        self._longest[task.generation.id] = longest
        if len(self._longest) > MOST_BUDGETS:
            self._longest.popitem(last=False)

    async def _add_failed(self, task: Task[Any], attempt: Attempt, error: BaseException) -> None:
        """Store what calls cost that led to no result, each time: the next try pays anew."""
        usage, chain = attempt.used, attempt.chain
        model = ((chain and chain.asked) or attempt.endpoints[0]).model
        if usage.calls:
            call = record(task, model, usage, currency=attempt.currency, failure=reason_of(error))
            await self._add(task, call, Settlement(item_id=task.item.id), error)

    async def _add(
        self, task: Task[Any], call: CallRecord, settlement: Settlement, cause: BaseException
    ) -> None:
        # A process that is to end does not wait long for its database.
        seconds = ENDING_SECONDS if isinstance(cause, asyncio.CancelledError) else HELD_SECONDS
        try:
            await self._store.add_failed(task.generation.id, call, settlement, seconds)
            await self._batcher.used(task.item, task.generation)
        except Exception as error:
            # The failure of the call matters more; it is what the item is tried again for.
            log.warning("cost_not_stored", usage=str(call), error=as_sishu_error(error).message)


@asynccontextmanager
async def waited_for(lock: asyncio.Lock) -> AsyncIterator[None]:
    """Hold a lock, for which an item waits only as long as nothing else is to be done.

    Raises:
        ItemClosed: the job was paused, or others need the slot.
        Unavailable: another held it for ten minutes.
    """
    try:
        async with item_waiting(), asyncio.timeout(WAIT_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise Unavailable(
            "BUDGET_RESERVED", "the first call, which tells what others may cost, lasts"
        ) from None
    try:
        yield
    finally:
        lock.release()


def is_pending(error: BaseException) -> bool:
    """Whether the call of an item is in a batch, and what is reserved for it stays."""
    return isinstance(error, SishuError) and error.reason == PENDING


def reason_of(error: BaseException) -> str:
    """Why calls led to no result."""
    if isinstance(error, SishuError):
        return error.reason
    return "STOPPED" if isinstance(error, (ItemClosed, asyncio.CancelledError)) else "INTERNAL"


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
    # A worker that was killed may have reserved for it.
    return Asked(value, kept.reasoning, call, Settlement(item_id=task.item.id))


def record(
    task: Task[Any],
    model: str,
    usage: Usage,
    *,
    currency: str = "",
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
        currency=currency,
        chunk_id=task.chunk_id,
        failure=failure,
        cached=cached,
    )
