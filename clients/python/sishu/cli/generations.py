"""`sishu generation create|forecast|update`: runs that write questions and answers, and their cost."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from sishu.cli.context import with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.find import find_provider
from sishu.cli.find_projects import find_project
from sishu.cli.gate_options import GateOptions
from sishu.cli.knowledge_options import KnowledgeWishes
from sishu.cli.options import IdArgument, ProjectOption, WaitOption, takes
from sishu.cli.output import ERRORS, show_fields, show_one
from sishu.cli.question_options import QuestionOptions
from sishu.cli.question_templates import template_ids
from sishu.cli.sampling_options import SamplingOptions
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1.generation_pb2 import Generation, GenerationOptions
from sishu.generation.v1.generation_service_pb2 import CreateGenerationRequest, UpdateGenerationRequest
from sishu.generation.v1.provider_service_pb2 import GetProviderRequest
from sishu.generation.v1.question_options_pb2 import CoverageOptions
from sishu.learn.generations import (
    LEAST_PILOT,
    PILOT,
    beside,
    figures_shown,
    piloted,
    rows,
    told,
    viewed,
    without_cost_of,
)
from sishu.learn.jobs import wait_for_success
from sishu.learn.progress import ProgressDisplay, watching

ProviderOption = Annotated[str, typer.Option(help=say("provider"))]
MaxCostOption = Annotated[float | None, typer.Option(min=0, help=say("max_cost"))]
MaxTokensOption = Annotated[int | None, typer.Option(min=0, help=say("max_tokens"))]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help=say("no_cache"))]
BatchOption = Annotated[bool, typer.Option("--batch", help=say("batch"))]
NewChunksOption = Annotated[bool, typer.Option("--new-chunks-only", help=say("new_chunks_only"))]
ForecastOption = Annotated[bool | None, typer.Option("--forecast/--no-forecast", help=say("forecast_first"))]


@dataclass(frozen=True)
class CallWishes(SamplingOptions):
    """How a model is asked, and what that may cost, whatever it writes."""

    max_cost: MaxCostOption = None
    max_tokens: MaxTokensOption = None
    no_cache: NoCacheOption = False
    batch: BatchOption = False

    async def begun(
        self, client: Client, project: str, provider: str, options: GenerationOptions
    ) -> Generation:
        """A generation with these options and wishes, of a project and a provider by their names."""
        project_id = (await find_project(client, project)).id
        options.MergeFrom(
            GenerationOptions(
                max_cost=self.max_cost or 0,
                max_tokens=self.max_tokens or 0,
                no_cache=self.no_cache,
                batch=self.batch,
            )
        )
        self.fill(options.sampling)
        provider_id = await find_provider(client, project_id, provider)
        return Generation(project_id=project_id, provider_id=provider_id, options=options)


@dataclass(frozen=True)
class Wishes(CallWishes, GateOptions, QuestionOptions, KnowledgeWishes):
    """What to write, and what it may cost."""

    chars_per_fact: Annotated[int, typer.Option(min=0, help=say("learn_facts"))] = 0
    forms: Annotated[int, typer.Option(min=0, max=20, help=say("learn_forms"))] = 0
    genre_audiences: Annotated[bool, typer.Option("--genre-audiences", help=say("genre_audiences"))] = False
    question_template: Annotated[
        list[str] | None, typer.Option(metavar="TEMPLATE", help=say("question_templates"))
    ] = None
    templates_only: Annotated[bool, typer.Option("--templates-only", help=say("templates_only"))] = False
    coverage: Annotated[int, typer.Option(min=0, max=10_000, help=say("coverage_facts"))] = 0
    coverage_rounds: Annotated[int, typer.Option(min=0, max=20, help=say("coverage_rounds"))] = 0
    new_chunks_only: NewChunksOption = False

    async def generation(self, client: Client, project: str, provider: str) -> Generation:
        """The generation that is wanted, of a project and a provider by their names."""
        options = GenerationOptions(
            chars_per_fact=self.chars_per_fact,
            forms_per_fact=self.forms,
            genre_audiences=self.genre_audiences,
            templates_only=self.templates_only,
            new_chunks_only=self.new_chunks_only,
        )
        self.fill_questions(options)
        if self.coverage_rounds and not self.coverage:
            raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", "--coverage-rounds needs --coverage N")
        if self.coverage:
            wanted = CoverageOptions(facts_per_section=self.coverage, max_rounds=self.coverage_rounds)
            options.coverage.CopyFrom(wanted)
        made = await self.begun(client, project, provider, options)
        made.options.gates.CopyFrom(await self.gates(client, made.project_id))
        names = self.question_template or []
        made.options.question_template_ids.extend(await template_ids(client, made.project_id, names))
        if knowledge := await self.wanted_knowledge(client, made.project_id):
            made.options.knowledge.CopyFrom(knowledge)
        return made


@takes(Wishes)
def create_generation(
    project: ProjectOption,
    provider: ProviderOption,
    pilot: Annotated[int, typer.Option(min=0, max=10_000, help=say("pilot"))] = 0,
    forecast: ForecastOption = None,
    wait: WaitOption = False,
    *,
    options: Wishes,
) -> None:
    """`sishu generation create`."""
    if forecast:
        check_forecast(options)

    async def work(client: Client) -> Generation:
        wanted = await options.generation(client, project, provider)
        if not pilot and (await is_costly(client, wanted) if forecast is None else forecast):
            without_cost_of(await forecasted(client, wanted, PILOT), wanted.options)
        wanted.options.pilot_chunks = pilot
        made = await started(client, wanted)
        if wait:
            await waited_for(client, made)
        return await viewed(client, made.id)

    show_one(with_client(work))


@takes(Wishes)
def forecast_generation(
    project: ProjectOption,
    provider: ProviderOption,
    chunks: Annotated[int, typer.Option(min=LEAST_PILOT, max=10_000, help=say("pilot"))] = PILOT,
    *,
    options: Wishes,
) -> None:
    """`sishu generation forecast`: have a few chunks written about, and tell what all of them take."""
    check_forecast(options)

    async def work(client: Client) -> Generation:
        wanted = await options.generation(client, project, provider)
        return await forecasted(client, wanted, chunks, quiet=True)

    pilot = with_client(work)
    if SETTINGS.json:
        show_one(pilot.forecast)
    else:
        show_fields(rows(pilot.forecast, pilot.stats.currency, say))


def update_generation(
    generation_id: IdArgument, max_cost: MaxCostOption = None, max_tokens: MaxTokensOption = None
) -> None:
    """`sishu generation update`: change what it may cost; 0 is without limit."""
    limits = {"max_cost": max_cost, "max_tokens": max_tokens}
    given = [name for name, value in limits.items() if value is not None]
    if not given:
        raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", "give --max-cost or --max-tokens; 0 is no limit")
    wanted = Generation(
        id=generation_id, options=GenerationOptions(max_cost=max_cost or 0, max_tokens=max_tokens or 0)
    )
    mask = FieldMask(paths=[f"options.{name}" for name in given])

    async def work(client: Client) -> Generation:
        request = UpdateGenerationRequest(generation=wanted, update_mask=mask)
        return (await client.generations.UpdateGeneration(request)).generation

    show_one(with_client(work))


def check_forecast(options: Wishes) -> None:
    """Refuse to forecast what goes on until sections are covered.

    Raises:
        ApiError: it is to be covered.
    """
    if options.coverage:
        raise ApiError(
            "INVALID_ARGUMENT",
            "COVERAGE_WITHOUT_FORECAST",
            "with --coverage there is no forecast: nobody knows before how many rounds it takes until the "
            "gates have kept enough; leave out --coverage or the forecast, and limit what it may take by "
            "--max-cost or --max-tokens",
        )


async def is_costly(client: Client, wanted: Generation) -> bool:
    """Whether somebody minds what a generation costs, and a pilot would not be paid again."""
    options = wanted.options
    # Nobody knows before how many rounds there will be.
    if options.no_cache or options.HasField("coverage"):
        return False
    provider = (await client.providers.GetProvider(GetProviderRequest(id=wanted.provider_id))).provider
    return bool(options.max_cost or options.max_tokens or provider.HasField("price"))


async def forecasted(client: Client, wanted: Generation, chunks: int, *, quiet: bool = False) -> Generation:
    """A pilot, done; the forecast is said unless that is left to the caller."""
    display = ProgressDisplay(ERRORS)
    async with display.stage(say("forecast")) as stage:
        # Documents may have changed since the last one.
        pilot = await piloted(client, wanted, chunks, watching(stage), uuid.uuid4())
    for one in (beside if quiet else told)(pilot, say, failure_in_words):
        display.note(one)
    return pilot


async def started(client: Client, wanted: Generation) -> Generation:
    """Start a generation."""
    request = CreateGenerationRequest(generation=wanted)
    return (await client.generations.CreateGeneration(request)).generation


async def waited_for(client: Client, made: Generation, stage_text: str = "stage_generate") -> None:
    """Wait for a generation, and show how it goes."""
    display = ProgressDisplay(ERRORS)
    async with display.stage(say(stage_text)) as stage, figures_shown(client, made.id, stage, say):
        await wait_for_success(client, "generation", made.job, watching(stage))
