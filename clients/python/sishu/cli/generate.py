"""`sishu generate <kind>`: have something other than questions written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from sishu.cli.context import with_client
from sishu.cli.find import find_provider
from sishu.cli.generations import CallWishes, NewChunksOption, ProviderOption, started, waited_for
from sishu.cli.options import ProjectOption, WaitOption, takes
from sishu.cli.output import show_one
from sishu.cli.parse_options import chosen
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.exam_item_pb2 import ExamItemType
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2 as pb
from sishu.generation.v1.candidate_pb2 import PassageForm, PreferenceFlaw
from sishu.learn.generations import viewed

app = typer.Typer(no_args_is_help=True, help=say("generate"))

FactsOption = Annotated[int, typer.Option("--chars-per-fact", min=0, help=say("learn_facts"))]


@dataclass(frozen=True)
class Run(CallWishes):
    """About what is written, in which language, and what it may cost."""

    document: Annotated[list[str] | None, typer.Option(help=say("generate_document"))] = None
    language: Annotated[str, typer.Option(help=say("generate_language"))] = ""
    judge: Annotated[str, typer.Option(metavar="PROVIDER", help=say("generate_judge"))] = ""
    judge_min_score: Annotated[float, typer.Option(min=0, max=5, help=say("generate_judge_score"))] = 0
    wait: WaitOption = False

    def start(self, project: str, provider: str, kind: str, **own: Any) -> None:
        """Start a generation of a kind, wait for it if that is wanted, and show it."""
        options = pb.GenerationOptions(
            kind=chosen(pb.GenerationKind, "GENERATION_KIND", kind),
            document_ids=self.document or [],
            language=self.language,
            **own,
        )

        async def work(client: Client) -> pb.Generation:
            wanted = await self.begun(client, project, provider, options)
            if self.judge_min_score and not self.judge:
                raise ApiError(
                    "INVALID_ARGUMENT", "OPTION_MISSING", "--judge-min-score needs --judge PROVIDER"
                )
            if self.judge:
                judge = wanted.options.gates.judge
                judge.provider_id = await find_provider(client, wanted.project_id, self.judge)
                judge.min_score = self.judge_min_score
            made = await started(client, wanted)
            if self.wait:
                await waited_for(client, made, "stage_write")
            return await viewed(client, made.id)

        show_one(with_client(work))


@app.command("conversations", help=say("generate_conversations"))
@takes(Run)
def conversations(
    project: ProjectOption,
    provider: ProviderOption,
    turns: Annotated[int, typer.Option(min=0, max=8, help=say("turns"))] = 0,
    scenario: Annotated[str, typer.Option(help=say("scenario"))] = "",
    user_role: Annotated[str, typer.Option(help=say("user_role"))] = "",
    assistant_role: Annotated[str, typer.Option(help=say("assistant_role"))] = "",
    chars_per_fact: FactsOption = 0,
    new_chunks_only: NewChunksOption = False,
    *,
    options: Run,
) -> None:
    """`sishu generate conversations`."""
    own = pb.ConversationOptions(
        turns=turns, scenario=scenario, user_role=user_role, assistant_role=assistant_role
    )
    about = {"chars_per_fact": chars_per_fact, "new_chunks_only": new_chunks_only}
    options.start(project, provider, "conversations", conversations=own, **about)


@app.command("passages", help=say("generate_passages"))
@takes(Run)
def passages(
    project: ProjectOption,
    provider: ProviderOption,
    form: Annotated[list[str] | None, typer.Option(help=say("passage_form"))] = None,
    new_chunks_only: NewChunksOption = False,
    *,
    options: Run,
) -> None:
    """`sishu generate passages`."""
    forms = [chosen(PassageForm, "PASSAGE_FORM", one) for one in form or []]
    own = pb.PassageOptions(forms=forms)
    options.start(project, provider, "passages", passages=own, new_chunks_only=new_chunks_only)


@app.command("exam-items", help=say("generate_exam_items"))
@takes(Run)
def exam_items(
    project: ProjectOption,
    provider: ProviderOption,
    type_: Annotated[list[str] | None, typer.Option("--type", help=say("exam_item_type"))] = None,
    chars_per_fact: FactsOption = 0,
    new_chunks_only: NewChunksOption = False,
    *,
    options: Run,
) -> None:
    """`sishu generate exam-items`."""
    types = [chosen(ExamItemType, "EXAM_ITEM_TYPE", one) for one in type_ or []]
    own = pb.ExamItemOptions(types=types)
    about = {"chars_per_fact": chars_per_fact, "new_chunks_only": new_chunks_only}
    options.start(project, provider, "exam_items", exam_items=own, **about)


@app.command("preference-pairs", help=say("generate_preference_pairs"))
@takes(Run)
def preference_pairs(
    project: ProjectOption,
    provider: ProviderOption,
    generation: Annotated[str, typer.Option(help=say("pair_generation"))] = "",
    flaw: Annotated[str, typer.Option(help=say("pair_flaw"))] = "",
    *,
    options: Run,
) -> None:
    """`sishu generate preference-pairs`."""
    own = pb.PreferencePairOptions(
        generation_id=generation, flaw=chosen(PreferenceFlaw, "PREFERENCE_FLAW", flaw or "unspecified")
    )
    options.start(project, provider, "preference_pairs", preference_pairs=own)


@app.command("distill", help=say("generate_distill"))
@takes(Run)
def distill(
    project: ProjectOption,
    provider: ProviderOption,
    topic: Annotated[str, typer.Option(help=say("topic"))],
    levels: Annotated[int, typer.Option(min=0, max=4, help=say("topic_levels"))] = 0,
    tags: Annotated[int, typer.Option(min=0, max=50, help=say("topic_tags"))] = 0,
    questions: Annotated[int, typer.Option(min=0, max=100, help=say("topic_questions"))] = 0,
    *,
    options: Run,
) -> None:
    """`sishu generate distill`."""
    own = pb.DistillationOptions(topic=topic, levels=levels, tags_per_level=tags, questions_per_tag=questions)
    options.start(project, provider, "distillation", distillation=own)
