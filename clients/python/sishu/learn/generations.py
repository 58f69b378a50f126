"""Start generations within a budget, forecast what they take, and say how they go."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from google.protobuf.field_mask_pb2 import FieldMask

from sishu.client import Client
from sishu.common.v1.failure_pb2 import Failure
from sishu.common.v1.job_pb2 import JOB_STATE_FAILED, JOB_STATE_PAUSED, Job
from sishu.common.v1.job_service_pb2 import ResumeJobRequest
from sishu.errors import ApiError, error_of
from sishu.generation.v1.generation_pb2 import Estimate, Generation, GenerationForecast, GenerationOptions
from sishu.generation.v1.generation_service_pb2 import (
    CreateGenerationRequest,
    GetGenerationRequest,
    UpdateGenerationRequest,
)
from sishu.generation.v1.prompt_service_pb2 import ListPromptsRequest
from sishu.learn.jobs import Watcher, begun, wait
from sishu.learn.progress import Stage

Words = Callable[[str], str]
"""What something is called, by its key."""
Telling = Callable[[Failure], str]
"""What went wrong, in words."""

LEAST_PILOT = 5
PILOT = 10
"""Chunks of a pilot unless told otherwise."""
LOOK_SECONDS = 2.0
BUDGET_REACHED = "BUDGET_REACHED"
LEAST_BUDGET = {"max_cost": 1e-9, "max_tokens": 1}
"""Stands for a budget without anything left, as 0 is no limit."""


async def viewed(client: Client, generation_id: str) -> Generation:
    """A generation as it is now."""
    return (await client.generations.GetGeneration(GetGenerationRequest(id=generation_id))).generation


async def piloted(
    client: Client, wanted: Generation, chunks: int, watch: Watcher, *inputs: object
) -> Generation:
    """A pilot of a generation, done; a repeated one is found again, and tried again where it told nothing.

    Args:
        client: the rooms.
        wanted: the generation.
        chunks: how many of its chunks.
        watch: is told how far the pilot is.
        inputs: what it stands on besides, such as versions of documents.

    Raises:
        ApiError: so much of it failed that it tells nothing, or the budget did not suffice for it.
    """
    pilot = Generation()
    pilot.CopyFrom(wanted)
    pilot.options.pilot_chunks = max(LEAST_PILOT, chunks)

    made = await viewed(client, (await begin(client, pilot, *inputs)).id)
    try:
        job = await wait(
            client, "generation", made.job, watch, again=lambda job: not made.HasField("forecast")
        )
    except ApiError as error:
        if error.reason != BUDGET_REACHED:
            raise
        raise without_run(made.job.id) from None
    done = await viewed(client, made.id)
    if job.state == JOB_STATE_FAILED and not done.HasField("forecast"):
        raise without_forecast(job)
    return done


def without_run(job_id: str) -> ApiError:
    """What is said of a pilot that spent the budget of a run: to raise the pilot's own would lead to none."""
    message = (
        f"the budget has no room for the pilot that tells what the run takes (`sishu job get {job_id}`); the "
        "run itself was never created. What was answered is kept and not paid again: give the same command "
        "again with a higher `--max-cost` or `--max-tokens`, or without"
    )
    return ApiError("FAILED_PRECONDITION", BUDGET_REACHED, message, metadata={"budget_pilot": job_id})


def without_forecast(job: Job) -> ApiError:
    """What went wrong with all of a pilot, and what to do."""
    error = error_of(job.failure)
    message = (
        f"{error.message}. Nothing of the pilot ended well (`sishu job get {job.id}`), so there is no "
        "forecast; mend this, then give the same command again"
    )
    metadata = {**error.metadata, "message": error.message, "pilot_job": job.id}
    return ApiError(error.code, error.reason, message, metadata=metadata)


def without_cost_of(pilot: Generation, options: GenerationOptions) -> None:
    """Take what a pilot cost off a budget: both together are not to pass it."""
    usage = pilot.stats.usage
    spent = {"max_cost": pilot.stats.cost, "max_tokens": usage.prompt_tokens + usage.completion_tokens}
    for name, least in LEAST_BUDGET.items():
        if limit := getattr(options, name):
            setattr(options, name, max(least, limit - spent[name]))


async def begin(client: Client, wanted: Generation, *inputs: object) -> Generation:
    """Start a generation, or find it again; one that waits for a larger budget goes on with it.

    So does one that waits for a key or an account to be put right: where they are not, it is paused anew.

    Args:
        client: the rooms.
        wanted: the generation; with another budget it is the same one.
        inputs: what it stands on besides, such as versions of documents.
    """

    async def start(request_id: str) -> Generation:
        request = CreateGenerationRequest(generation=wanted, request_id=request_id)
        return (await client.generations.CreateGeneration(request)).generation

    prompts = await own_prompts(client, wanted.project_id)
    made = await begun(start, lambda one: one.job, "generate", *named(wanted), *prompts, *inputs)
    if made.job.state == JOB_STATE_PAUSED and made.job.failure.reason not in {"", BUDGET_REACHED}:
        resume = ResumeJobRequest(id=made.job.id)
        made.job.CopyFrom((await client.jobs("generation").ResumeJob(resume)).job)
    changed = [name for name in LEAST_BUDGET if getattr(made.options, name) != getattr(wanted.options, name)]
    if not changed:
        return made
    budget = Generation(id=made.id, options=wanted.options)
    mask = FieldMask(paths=[f"options.{name}" for name in changed])
    request = UpdateGenerationRequest(generation=budget, update_mask=mask)
    made = (await client.generations.UpdateGeneration(request)).generation
    if made.job.state == JOB_STATE_PAUSED and made.job.failure.reason == BUDGET_REACHED:
        await client.jobs("generation").ResumeJob(ResumeJobRequest(id=made.job.id))
    return await viewed(client, made.id)


async def own_prompts(client: Client, project_id: str) -> list[str]:
    """The versions of prompts that a project made itself and goes by: another one writes other texts."""
    request = ListPromptsRequest(project_id=project_id, page_size=1000)
    found: list[str] = []
    while True:
        page = await client.prompts.ListPrompts(request)
        found += [prompt.version for prompt in page.prompts if prompt.own]
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def named(wanted: Generation) -> tuple[str, str, bytes]:
    """What a generation is found again by: all but its budget."""
    options = GenerationOptions()
    options.CopyFrom(wanted.options)
    for name in LEAST_BUDGET:
        options.ClearField(name)  # type: ignore[arg-type]  # one of them
    return wanted.project_id, wanted.provider_id, options.SerializeToString(deterministic=True)


@asynccontextmanager
async def figures_shown(
    client: Client, generation_id: str, stage: Stage, words: Words
) -> AsyncIterator[None]:
    """Show in a stage how fast a generation is, what it cost and when it ends, until that is over."""

    async def look() -> None:
        with contextlib.suppress(ApiError):
            stage.figures = live(await viewed(client, generation_id), words)

    async def show() -> None:
        while True:
            await look()
            await asyncio.sleep(LOOK_SECONDS)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing
    # What is said last holds: not the cost of a moment before, and no seconds that are left.
    await look()


def live(generation: Generation, words: Words) -> str:
    """How fast a generation is, what it cost, and when it ends."""
    stats, forecast = generation.stats, generation.forecast
    parts = []
    if stats.calls_per_second:
        parts.append(words("live_rate").format(stats.calls_per_second))
    if stats.currency:
        parts.append(money(stats.cost, stats.currency))
    if forecast.HasField("seconds"):
        parts.append(words("live_left").format(duration(forecast.seconds.expected)))
    if forecast.promised_seconds:
        parts.append(words("live_promised").format(duration(forecast.promised_seconds)))
    return ", ".join(parts)


def rows(forecast: GenerationForecast, currency: str, words: Words) -> list[tuple[str, str]]:
    """A forecast in words: labels and values."""
    kinds: list[tuple[str, Callable[[float], str]]] = [
        ("calls", whole),
        ("prompt_tokens", whole),
        ("completion_tokens", whole),
        ("cost", lambda value: money(value, currency)),
        ("seconds", duration),
    ]
    chunks = words("forecast_chunks_seen").format(forecast.chunks, forecast.chunks_seen)
    promised = words("forecast_promised").format(duration(forecast.promised_seconds))
    return [
        (words("forecast_chunks"), chunks),
        *(
            (words(f"forecast_{name}"), interval(getattr(forecast, name), shown))
            for name, shown in kinds
            if forecast.HasField(name)  # type: ignore[arg-type]  # one of them
        ),
        *([(words("forecast_seconds"), promised)] if forecast.promised_seconds else []),
    ]


def failed_part(job: Job, words: Words, telling: Telling) -> str:
    """How many items of a pilot failed, and why the first did; nothing where none did."""
    if not job.counts.failed:
        return ""
    first = f"{telling(job.failure)} [{job.failure.reason}]"
    return words("forecast_failed").format(job.counts.failed, job.counts.total, first)


def told(pilot: Generation, words: Words, telling: Telling) -> list[str]:
    """What a pilot tells, in lines: the forecast, and what failed."""
    return [line(pilot.forecast, pilot.stats.currency, words), *beside(pilot, words, telling)]


def beside(pilot: Generation, words: Words, telling: Telling) -> list[str]:
    """What is to be known beside a forecast, in lines."""
    kept = words("forecast_kept").format(pilot.stats.cached) if pilot.stats.cached else ""
    return [one for one in (failed_part(pilot.job, words, telling), kept) if one]


def line(forecast: GenerationForecast, currency: str, words: Words) -> str:
    """A forecast in one line."""
    parts = [f"{label} {value}" for label, value in rows(forecast, currency, words)]
    return f"{words('forecast')}: " + "; ".join(parts)


def interval(estimate: Estimate, shown: Callable[[float], str]) -> str:
    """An estimate: what is expected, and from where to where it may be."""
    return f"{shown(estimate.expected)} ({shown(estimate.low)} – {shown(estimate.high)})"


def whole(value: float) -> str:
    """A number of things."""
    return f"{value:,.0f}"


def money(value: float, currency: str) -> str:
    """An amount of money; of little, three digits that say something."""
    return f"{value:,.2f} {currency}" if value >= 1 else f"{value:.3g} {currency}"


def duration(seconds: float) -> str:
    """A time, in the unit that fits."""
    for size, unit, until in ((1, "s", 90), (60, "min", 90 * 60)):
        if seconds < until:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"
