"""`sishu question|candidate regenerate`: regenerate some, and show old and new side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from sishu.cli.context import with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.generations import CallWishes, started, waited_for
from sishu.cli.options import takes
from sishu.cli.output import CONSOLE, ERRORS, as_json, value_at
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.generation.v1 import candidate_service_pb2, question_service_pb2
from sishu.generation.v1.candidate_pb2 import Candidate
from sishu.generation.v1.generation_pb2 import Generation, GenerationKind, GenerationOptions
from sishu.generation.v1.question_options_pb2 import RegenerationOptions
from sishu.generation.v1.question_pb2 import Question
from sishu.learn.generations import viewed

TAKEN_OVER = ("language", "context_chars", "sampling", "gates", "answers", "conversations")
"""Options of the generation that wrote the first of the originals."""
PAGE = 1000

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help=say("regenerate_ids"))]
AnswersOnlyOption = Annotated[bool, typer.Option("--answers-only", help=say("regenerate_answers_only"))]


@dataclass(frozen=True)
class Wishes(CallWishes):
    """Who regenerates, what is to be different, and what it may cost."""

    provider: Annotated[str, typer.Option(help=say("regenerate_provider"))] = ""
    instruction: Annotated[str, typer.Option(help=say("regenerate_instruction"))] = ""

    async def written(
        self, client: Client, original: Question | Candidate, own: RegenerationOptions
    ) -> Generation:
        """A generation that regenerates what `own` names, done; else as that of one of these was."""
        before = await viewed(client, original.generation_id)
        options = GenerationOptions(kind=before.options.kind, regeneration=own)
        if isinstance(original, Question):
            options.kind = GenerationKind.GENERATION_KIND_QUESTIONS
        for field, value in before.options.ListFields():
            if field.name in TAKEN_OVER:
                options.MergeFrom(GenerationOptions(**{field.name: value}))
        provider = self.provider or before.provider_id
        made = await started(client, await self.begun(client, original.project_id, provider, options))
        await waited_for(client, made, "stage_regenerate")
        return await viewed(client, made.id)


@takes(Wishes)
def regenerate_questions(
    question_ids: IdsArgument, answers_only: AnswersOnlyOption = False, *, options: Wishes
) -> None:
    """`sishu question regenerate`."""
    own = RegenerationOptions(
        question_ids=question_ids, answers_only=answers_only, instruction=options.instruction
    )

    async def work(client: Client) -> tuple[list[Question], list[Question], Generation]:
        old = [
            (await client.questions.GetQuestion(question_service_pb2.GetQuestionRequest(id=one))).question
            for one in question_ids
        ]
        made = await options.written(client, old[0], own)
        request = question_service_pb2.ListQuestionsRequest(
            project_id=made.project_id, generation_id=made.id, page_size=PAGE
        )
        return old, await everything(client.questions.ListQuestions, request, "questions"), made

    show_replaced(*with_client(work), question_rows)


@takes(Wishes)
def regenerate_candidates(candidate_ids: IdsArgument, *, options: Wishes) -> None:
    """`sishu candidate regenerate`."""
    own = RegenerationOptions(candidate_ids=candidate_ids, instruction=options.instruction)

    async def work(client: Client) -> tuple[list[Candidate], list[Candidate], Generation]:
        old = [
            (
                await client.candidates.GetCandidate(candidate_service_pb2.GetCandidateRequest(id=one))
            ).candidate
            for one in candidate_ids
        ]
        made = await options.written(client, old[0], own)
        request = candidate_service_pb2.ListCandidatesRequest(
            project_id=made.project_id, generation_id=made.id, page_size=PAGE
        )
        return old, await everything(client.candidates.ListCandidates, request, "candidates"), made

    show_replaced(*with_client(work), candidate_rows)


async def everything(call: Any, request: Any, field: str) -> list[Any]:
    """All rows of a list, page by page."""
    found: list[Any] = []
    while True:
        page = await call(request)
        found += getattr(page, field)
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def show_replaced(old: Sequence[Any], new: Sequence[Any], made: Generation, rows: Any) -> None:
    """Print what was regenerated beside what it was to take the place of; as JSON the new alone."""
    if SETTINGS.json:
        for one in new:
            print(as_json(one))
        return
    by_original = {one.replaces_id: one for one in new}
    for one in old:
        table = Table(box=None, pad_edge=False, expand=True)
        table.add_column("", no_wrap=True)
        found = by_original.get(one.id)
        for title in (say("regenerate_old"), say("regenerate_new")):
            table.add_column(title, ratio=1, overflow="fold")
        before, after = rows(one), rows(found) if found else {}
        for name in dict.fromkeys([*before, *after]):
            table.add_row(name, Text(before.get(name, "")), Text(after.get(name, "")))
        # Two ids side by side leave no room for a third column.
        CONSOLE.print(f"{one.id} → {found.id if found else '–'}", style="bold", highlight=False)
        CONSOLE.print(table)
        CONSOLE.print()
    for reason, count in made.stats.missing_by_reason.items():
        ERRORS.print(f"{say('regenerate_missing')}: {count} × {reason}", markup=False, highlight=False)


def question_rows(question: Question) -> Mapping[str, str]:
    """What is shown of a question."""
    return {
        say("regenerate_question"): question.text,
        say("regenerate_answer"): question.answer.text,
        **standing(question),
    }


def candidate_rows(candidate: Candidate) -> Mapping[str, str]:
    """What is shown of a candidate."""
    return {say("regenerate_content"): content_shown(candidate), **standing(candidate)}


def standing(one: Question | Candidate) -> Mapping[str, str]:
    """Where one stands, and why."""
    why = f": {failure_in_words(one.rejection)}" if one.HasField("rejection") else ""
    return {say("regenerate_state"): f"{value_at(one, 'state')}{why}"}


def content_shown(candidate: Candidate) -> str:
    """All that a candidate says, in lines."""
    match candidate.WhichOneof("content"):
        case "conversation":
            return "\n".join(
                f"{value_at(one, 'role')}: {one.content}" for one in candidate.conversation.messages
            )
        case "preference_pair":
            pair = candidate.preference_pair
            return f"{pair.prompt}\n+ {pair.chosen}\n– {pair.rejected}"
        case "passage":
            return candidate.passage.text
        case _:
            item = candidate.exam_item
            marks = ["x" if place in item.correct else " " for place in range(len(item.choices))]
            choices = [f"[{mark}] {choice}" for mark, choice in zip(marks, item.choices, strict=True)]
            key = str(item.is_true).lower() if value_at(item, "type") == "true_false" else item.answer
            return "\n".join([item.text, *choices, *([key] if key else [])])
