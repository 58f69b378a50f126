"""`sishu example judge|improve|apply`: have a language model look at examples again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.example_options import ExampleOptions, example_filter, with_ids
from sishu.cli.examples import ended, show_change
from sishu.cli.find import find_provider
from sishu.cli.generations import CallWishes, ProviderOption, started, waited_for
from sishu.cli.options import ProjectOption, WaitOption, takes
from sishu.cli.output import show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1.example_change_service_pb2 import ApplyGenerationRequest
from sishu.dataset.v1.example_revision_pb2 import ExampleChange
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2 as pb
from sishu.learn.generations import viewed

RejectBelowOption = Annotated[float | None, typer.Option(min=0, max=5, help=say("example_reject_below"))]
AdviceOption = Annotated[str, typer.Option(help=say("example_advice"))]
GenerationArgument = Annotated[str, typer.Argument(metavar="GENERATION", help=say("example_generation_id"))]
JudgeOption = Annotated[str, typer.Option(metavar="PROVIDER", help=say("example_answer_judge"))]
JudgeScoreOption = Annotated[float, typer.Option(min=0, max=5, help=say("generate_judge_score"))]


@dataclass(frozen=True)
class Wishes(CallWishes, ExampleOptions):
    """Which examples, how a model is asked, and what becomes of it."""

    apply: Annotated[bool, typer.Option("--apply", help=say("example_apply_then"))] = False
    wait: WaitOption = False

    def run(
        self,
        project: str,
        provider: str,
        options: pb.GenerationOptions,
        judge: str = "",
        reject_below: float | None = None,
    ) -> None:
        """Start a generation; wait for it, and apply it, where that is wanted; show what came of it.

        Raises:
            ApiError: a least score is wanted of what is not applied.
        """
        if reject_below is not None and not self.apply:
            raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", "--reject-below needs --apply")

        async def work(client: Client) -> pb.Generation | ExampleChange:
            wanted = await self.begun(client, project, provider, options)
            for own in (wanted.options.judge_examples, wanted.options.improve_examples):
                if own.HasField("filter"):
                    await with_ids(client, wanted.project_id, own.filter)
            if judge:
                found = await find_provider(client, wanted.project_id, judge)
                wanted.options.gates.judge.provider_id = found
            made = await started(client, wanted)
            if self.wait or self.apply:
                await waited_for(client, made, "stage_write")
            return (
                await applied(client, made.id, reject_below) if self.apply else await viewed(client, made.id)
            )

        shown = with_client(work)
        if isinstance(shown, ExampleChange):
            show_change(shown)
        else:
            show_one(shown)


@takes(Wishes)
def judge_examples(
    project: ProjectOption,
    provider: ProviderOption,
    reject_below: RejectBelowOption = None,
    *,
    options: Wishes,
) -> None:
    """`sishu example judge`."""
    wanted = pb.GenerationOptions(
        kind=pb.GENERATION_KIND_JUDGE_EXAMPLES,
        judge_examples=pb.JudgeExamplesOptions(filter=example_filter(options)),
    )
    options.run(project, provider, wanted, reject_below=reject_below)


@takes(Wishes)
def improve_examples(
    project: ProjectOption,
    provider: ProviderOption,
    advice: AdviceOption,
    judge: JudgeOption = "",
    judge_min_score: JudgeScoreOption = 0,
    *,
    options: Wishes,
) -> None:
    """`sishu example improve`."""
    own = pb.ImproveExamplesOptions(filter=example_filter(options), advice=advice)
    wanted = pb.GenerationOptions(kind=pb.GENERATION_KIND_IMPROVE_EXAMPLES, improve_examples=own)
    if judge_min_score and not judge:
        raise ApiError("INVALID_ARGUMENT", "OPTION_MISSING", "--judge-min-score needs --judge PROVIDER")
    if judge:
        wanted.gates.judge.min_score = judge_min_score
    options.run(project, provider, wanted, judge)


def apply_generation(generation_id: GenerationArgument, reject_below: RejectBelowOption = None) -> None:
    """`sishu example apply`."""
    show_change(with_client(lambda client: applied(client, generation_id, reject_below)))


async def applied(client: Client, generation_id: str, reject_below: float | None) -> ExampleChange:
    """The change that gives examples what a generation has made, when it is done."""
    request = ApplyGenerationRequest(generation_id=generation_id, min_score=reject_below)
    return await ended(client, (await client.example_changes.ApplyGeneration(request)).example_change)
