"""Candidates of every kind: judged beside their source, and written anew in place of others."""

from __future__ import annotations

import asyncio
from typing import Any

from sishu.client import Client
from sishu.common.v1.job_service_pb2 import CancelJobRequest
from sishu.generation.v1 import candidate_pb2, gates_pb2, generation_pb2, question_options_pb2
from sishu.generation.v1.candidate_service_pb2 import DeleteCandidateRequest, GetCandidateRequest
from sishu.generation.v1.generation_service_pb2 import DeleteGenerationRequest
from sishu.generation.v1.prompt_pb2 import Prompt
from sishu.generation.v1.prompt_service_pb2 import (
    CreatePromptVersionRequest,
    GetPromptRequest,
    PreviewPromptRequest,
)
from tests.integration.command_line import CommandLine
from tests.integration.documents import JOB_SECONDS, failure, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    new_provider,
    start_generation,
)
from tests.integration.stores import Rooms
from tests.integration.test_generation_candidates import CHINESE, ENGLISH, candidates_of, options_of, written
from tests.support.mock_llm import MockServer

KEPT, REJECTED, JUDGING = (
    candidate_pb2.CANDIDATE_STATE_KEPT,
    candidate_pb2.CANDIDATE_STATE_REJECTED,
    candidate_pb2.CANDIDATE_STATE_JUDGING,
)
FORMS = generation_pb2.PassageOptions(forms=[candidate_pb2.PASSAGE_FORM_LESSON])
OPTIONS: dict[str, dict[str, Any]] = {
    "CONVERSATIONS": {},
    "PASSAGES": {"passages": FORMS},
    "EXAM_ITEMS": {"context_chars": ONLY_THE_FACT},
    "PREFERENCE_PAIRS": {},
}
PROMPTS = {
    "CONVERSATIONS": "judge_conversation",
    "PASSAGES": "judge_passage",
    "EXAM_ITEMS": "judge_exam_item",
    "PREFERENCE_PAIRS": "judge_preference_pair",
}
SAID = {
    "reason": "All is well.",
    "answerable": True,
    "faithful": True,
    "self_contained": True,
    "worse": True,
    "score": 4.5,
}


async def asked(client: Client, mock: MockServer, text: str) -> tuple[str, str]:
    """A project with answered questions, and its provider."""
    project = await parsed_project(client, {"a.md": text.encode()}, min_size=1, max_size=2000)
    provider = await new_provider(client, project, mock.base_url)
    options = options_of("QUESTIONS", context_chars=ONLY_THE_FACT)
    done = await generated(client, await start_generation(client, project, provider, options))
    assert done.stats.answered == 8, done.stats
    return project, provider


async def check_preview(client: Client, project: str, version: str, first: candidate_pb2.Candidate) -> None:
    """A preview shows what the judge saw of the first candidate of the chunk."""
    request = PreviewPromptRequest(project_id=project, version=version, chunk_id=first.chunk_ids[0])
    shown = (await client.prompts.PreviewPrompt(request)).messages[-1].content
    content = getattr(first, first.WhichOneof("content") or "")
    said = content.messages[0].content if hasattr(content, "messages") else ""
    said = said or getattr(content, "text", "") or content.rejected
    assert said in shown
    assert "{{x}}" in shown


async def candidate(client: Client, candidate_id: str) -> candidate_pb2.Candidate:
    return (await client.candidates.GetCandidate(GetCandidateRequest(id=candidate_id))).candidate


async def test_a_judge_keeps_or_rejects_all_kinds_and_another_prompt_of_it_asks_nobody_else_again(
    client: Client, mock: MockServer
) -> None:
    project, provider = await asked(client, mock, CHINESE)
    judge = await new_provider(client, project, mock.base_url)
    gates = gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=judge, min_score=3))
    await mock.control(fixed=SAID)
    for kind, own in OPTIONS.items():
        done = await written(client, project, provider, kind, gates=gates, **own)
        found = await candidates_of(client, project, generation_id=done.id)
        assert {one.state for one in found} == {KEPT}
        assert done.stats.kept_candidates == len(found) > 0
        for one in found:
            said = one.judgement
            assert (said.score, said.faithful, said.reason) == (4.5, True, "All is well.")
            assert said.origin.prompt_version == f"{PROMPTS[kind]}.zh@1"
            assert said.origin.provider_id == judge
            assert await candidate(client, one.id) == one
        await check_preview(client, project, f"{PROMPTS[kind]}.zh@1", found[0])
    changed = {"worse": False, "faithful": True}
    await mock.control(fixed={**SAID, **changed, "reason": "一样好。"})
    version = "judge_preference_pair.zh@1"
    builtin = (await client.prompts.GetPrompt(GetPromptRequest(project_id=project, version=version))).prompt
    template = builtin.template.replace("你评审", "你严格评审")
    prompt = Prompt(project_id=project, name="judge_preference_pair", language="zh", template=template)
    await client.prompts.CreatePromptVersion(CreatePromptVersionRequest(prompt=prompt))
    again = await written(client, project, provider, "PREFERENCE_PAIRS", gates=gates)
    assert again.stats.cached == again.stats.usage.calls == len(found)
    assert dict(again.stats.rejected_by_reason) == {"NOT_BAD": len(found)}
    bad = (await candidates_of(client, project, generation_id=again.id))[0]
    assert (bad.state, "一样好。" in bad.rejection.message) == (REJECTED, True)
    error = await failure(start_generation(client, project, provider, options_of("TAGS", gates=gates)))
    assert (error.reason, error.field) == ("OPTION_OF_OTHER_KIND", "generation.options.gates.judge")


async def test_a_candidate_before_its_judge_is_neither_kept_nor_rejected_and_can_be_deleted(
    client: Client, mock: MockServer
) -> None:
    project, provider = await asked(client, mock, ENGLISH)
    nobody = await new_provider(client, project, "http://127.0.0.1:9/v1")
    options = options_of("PASSAGES", gates=gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=nobody)))
    made = await start_generation(client, project, provider, options)
    async with asyncio.timeout(JOB_SECONDS):
        while len(found := await candidates_of(client, project, state=JUDGING)) < 8:
            await asyncio.sleep(0.1)
    assert not any(one.HasField("judgement") for one in found)
    await client.candidates.DeleteCandidate(DeleteCandidateRequest(id=found[0].id))
    assert len(await candidates_of(client, project, generation_id=made.id)) == 7
    await client.jobs("generation").CancelJob(CancelJobRequest(id=made.job.id))
    deleted = await client.generations.DeleteGeneration(DeleteGenerationRequest(id=made.id))
    assert deleted.deleted_candidates == 7


async def test_candidates_written_anew_are_about_the_same_and_take_the_place_of_the_old(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project, provider = await asked(client, mock, ENGLISH)
    for kind, own in OPTIONS.items():
        done = await written(client, project, provider, kind, **own)
        old = (await candidates_of(client, project, generation_id=done.id))[0]
        regeneration = question_options_pb2.RegenerationOptions(
            candidate_ids=[old.id], instruction="Otherwise {{x}}."
        )
        seen = {name: value for name, value in own.items() if name == "context_chars"}
        made = await written(client, project, provider, kind, regeneration=regeneration, **seen)
        (new,) = await candidates_of(client, project, generation_id=made.id)
        assert (new.replaces_id, new.state) == (old.id, KEPT)
        for name in ("chunk_ids", "fact_ids", "question_id"):
            assert getattr(new, name) == getattr(old, name)
        content = old.WhichOneof("content") or ""
        assert new.WhichOneof("content") == content
        assert getattr(new, content) != getattr(old, content)
        for name in ("type", "form", "flaw", "is_true"):
            if hasattr(getattr(old, content), name):
                assert getattr(getattr(new, content), name) == getattr(getattr(old, content), name)
        after = await candidate(client, old.id)
        assert (after.state, after.rejection.reason) == (REJECTED, "REPLACED")
        assert after.rejection.metadata["id"] == new.id
        assert made.stats.kept_candidates == 1
    regeneration = question_options_pb2.RegenerationOptions(candidate_ids=[new.question_id])
    wanted = options_of("PASSAGES", regeneration=regeneration)
    error = await failure(start_generation(client, project, provider, wanted))
    assert error.reason == "ORIGINAL_OF_OTHER_KIND"
    code, printed = await CommandLine(rooms, project).run(
        *("candidate", "regenerate", new.id, "--instruction", "Again."), env={"COLUMNS": "80"}
    )
    assert code == 0, printed
    successor = await candidate(client, (await candidate(client, new.id)).rejection.metadata["id"])
    told = "".join(printed.split())
    for pair in (new.preference_pair, successor.preference_pair):
        assert pair.rejected.split()[0] in told
