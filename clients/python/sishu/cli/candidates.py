"""`sishu candidate list|get|delete|regenerate`: what was written beside questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument, LimitOption, ProjectOption
from sishu.cli.output import CONSOLE, LONGEST_CELL, as_json, show_deleted, show_one, value_at
from sishu.cli.parse_options import chosen
from sishu.cli.regenerate import regenerate_candidates
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.message_pb2 import ROLE_SYSTEM
from sishu.generation.v1 import candidate_service_pb2 as pb
from sishu.generation.v1.candidate_pb2 import Candidate, CandidateKind, CandidateState

app = typer.Typer(no_args_is_help=True, help=say("candidate"))
app.command("regenerate", help=say("regenerate"))(regenerate_candidates)

WORDS: Mapping[str, str] = {
    "preference_pair": "preference_pair.prompt",
    "passage": "passage.text",
    "exam_item": "exam_item.text",
    "example_judgement": "judgement.reason",
    "example_answer": "example_answer.answer",
}
"""What of a candidate stands in a table."""


@app.command("list", help=say("list"))
def list_candidates(
    project: ProjectOption,
    kind: Annotated[str, typer.Option(help=say("candidate_kind"))] = "",
    state: Annotated[str, typer.Option(help=say("candidate_state"))] = "",
    generation: Annotated[str, typer.Option(help=say("candidate_generation"))] = "",
    chunk: Annotated[str, typer.Option(help=say("candidate_chunk"))] = "",
    source_gone: Annotated[bool, typer.Option("--source-gone", help=say("option_source_gone"))] = False,
    limit: LimitOption = 100,
) -> None:
    """`sishu candidate list`."""
    request = pb.ListCandidatesRequest(
        kind=chosen(CandidateKind, "CANDIDATE_KIND", kind or "unspecified"),
        state=chosen(CandidateState, "CANDIDATE_STATE", state or "unspecified"),
        generation_id=generation,
        chunk_id=chunk,
        source_gone=source_gone,
    )

    async def work(client: Client) -> list[Candidate]:
        request.project_id = (await find_project(client, project)).id
        return await first(client, request, limit)

    found = with_client(work)
    if SETTINGS.json:
        for one in found:
            print(as_json(one))
        return
    for one in found:
        # A line for what it is, one for what it says: side by side there is no room.
        stands = one.rejection.reason or value_at(one, "state")
        lines = f"{one.id}  {shown_kind(one)}  {stands}\n  {shown_text(one)}"
        CONSOLE.print(lines, markup=False, highlight=False, soft_wrap=True)


@app.command("get", help=say("get"))
def get_candidate(candidate_id: IdArgument) -> None:
    """`sishu candidate get`."""

    async def work(client: Client) -> Candidate:
        return (await client.candidates.GetCandidate(pb.GetCandidateRequest(id=candidate_id))).candidate

    show_one(with_client(work))


@app.command("delete", help=say("delete"))
def delete_candidate(candidate_id: IdArgument) -> None:
    """`sishu candidate delete`."""

    async def work(client: Client) -> pb.DeleteCandidateResponse:
        return await client.candidates.DeleteCandidate(pb.DeleteCandidateRequest(id=candidate_id))

    show_deleted(with_client(work))


async def first(client: Client, request: pb.ListCandidatesRequest, limit: int) -> list[Candidate]:
    """The first candidates of a list, page by page."""
    found: list[Candidate] = []
    while len(found) < limit:
        request.page_size = min(limit - len(found), 1000)
        page = await client.candidates.ListCandidates(request)
        found += page.candidates
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    return found


def shown_kind(candidate: Candidate) -> str:
    """What a candidate is, with form, type or flaw where it has one."""
    match candidate.WhichOneof("content"):
        case "passage":
            return value_at(candidate, "passage.form")
        case "exam_item":
            return value_at(candidate, "exam_item.type")
        case "preference_pair":
            return value_at(candidate, "preference_pair.flaw")
        case "example_judgement":
            return f"{candidate.judgement.score:g} {candidate.example_judgement.example_id}"
        case "example_answer":
            return candidate.example_answer.example_id
        case _:
            return "conversation"


def shown_text(candidate: Candidate) -> str:
    """The beginning of what a candidate says."""
    content = candidate.WhichOneof("content") or ""
    if content in WORDS:
        text = value_at(candidate, WORDS[content])
    else:
        said = [one.content for one in candidate.conversation.messages if one.role != ROLE_SYSTEM]
        text = " ".join(said)
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"
