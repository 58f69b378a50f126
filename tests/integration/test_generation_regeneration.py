"""Questions and candidates that are written anew, in place of others."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.errors import ApiError
from sishu.generation.v1 import generation_pb2, question_options_pb2, question_pb2
from sishu.generation.v1.question_service_pb2 import DeleteQuestionRequest, GetQuestionRequest
from sishu.ingest.v1.document_service_pb2 import DeleteDocumentRequest
from tests.integration.command_line import CommandLine
from tests.integration.documents import documents_of, failure, new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    new_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.stores import Rooms
from tests.support.mock_llm import mock_llm

ENGLISH = (
    "The Kestrel costs $$5 and its code is {{x}} in all lists.\n\n"
    "Marlow Systems builds the Kestrel in a hall beside the river Tees.\n"
)
NASTY = "Ask about {{ fact }} and $$5 $& {% raw %}."
ANSWERED = question_pb2.QUESTION_STATE_ANSWERED
REJECTED = question_pb2.QUESTION_STATE_REJECTED


def anew(*question_ids: str, **own: Any) -> generation_pb2.GenerationOptions:
    """Options that write questions anew."""
    regeneration = question_options_pb2.RegenerationOptions(question_ids=question_ids, **own)
    return generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, regeneration=regeneration)


async def regenerated(
    client: Client, project: str, provider: str, options: generation_pb2.GenerationOptions
) -> tuple[generation_pb2.Generation, list[question_pb2.Question]]:
    """A generation that writes anew, done, and what it wrote."""
    made = await generated(client, await start_generation(client, project, provider, options))
    assert made.job.state == job_pb2.JOB_STATE_SUCCEEDED, made.job
    return made, await questions_of(client, made)


async def question(client: Client, question_id: str) -> question_pb2.Question:
    return (await client.questions.GetQuestion(GetQuestionRequest(id=question_id))).question


async def test_a_question_written_anew_takes_the_place_of_the_old_one_which_stays_where_nothing_is_kept(
    client: Client,
) -> None:
    project = await parsed_project(client, ENGLISH.encode())
    async with mock_llm() as server:
        provider = await new_provider(client, project, server.base_url)
        before = await generated(client, await start_generation(client, project, provider))
        first, second, third, fourth = await questions_of(client, before)
        assert {one.state for one in (first, second, third, fourth)} == {ANSWERED}
        await server.reset()

        # Both forms of a fact come of one call; each answer is asked for anew.
        made, (new, beside) = await regenerated(
            client, project, provider, anew(first.id, second.id, instruction=NASTY)
        )
        assert made.options.regeneration.question_ids == [first.id, second.id]
        assert (await server.stats())["calls"] == 3
        for old, one in ((first, new), (second, beside)):
            assert (one.replaces_id, one.state, one.type) == (old.id, ANSWERED, old.type)
            assert (one.fact, one.form, one.heading_path) == (old.fact, old.form, old.heading_path)
            assert one.text != old.text
            after = await question(client, old.id)
            assert (after.state, after.rejection.reason) == (REJECTED, "REPLACED")
            assert after.rejection.metadata["id"] == one.id
            assert after.answer == old.answer
        stats = (await view(client, before.id)).stats
        assert (stats.answered, stats.rejected) == (2, 2)
        assert dict(stats.rejected_by_reason) == {"REPLACED": 2}
        assert (made.stats.questions, made.stats.answered, made.stats.missing) == (2, 2, 0)
        assert not made.HasField("forecast")

        # The words stay, the answer is new and paid; kept answers are passed over.
        paid = (await server.stats())["calls"]
        made, (again,) = await regenerated(client, project, provider, anew(new.id, answers_only=True))
        assert (again.text, again.replaces_id, again.state) == (new.text, new.id, ANSWERED)
        assert (again.origin.prompt_version, again.origin.usage.calls) == (new.origin.prompt_version, 0)
        assert ((await server.stats())["calls"] - paid, made.stats.usage.calls, made.stats.cached) == (1, 1, 0)

        # What a gate rejects leaves the old one as it is.
        strict = anew(third.id, instruction="Longer.")
        strict.gates.min_answer_chars = strict.gates.max_answer_chars = 1
        _, (bad,) = await regenerated(client, project, provider, strict)
        assert (bad.state, bad.rejection.reason, bad.replaces_id) == (REJECTED, "ANSWER_LENGTH", third.id)
        assert await question(client, third.id) == third
        # A rejected one can be written anew as well, and keeps its own reason.
        _, (better,) = await regenerated(client, project, provider, anew(bad.id))
        assert (better.state, better.replaces_id) == (ANSWERED, bad.id)
        assert (await question(client, bad.id)).rejection.reason == "ANSWER_LENGTH"

        # Deleted originals are no trouble; a chunk that is gone is told of.
        await client.questions.DeleteQuestion(DeleteQuestionRequest(id=bad.id))
        assert (await question(client, better.id)).replaces_id == ""
        with pytest.raises(ApiError) as caught:
            await start_generation(client, project, provider, anew(fourth.id, first.id))
        assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "ORIGINAL_REPLACED")
        assert caught.value.metadata["successor_id"] == new.id
        for wanted, reason in ((anew(new_id()), "QUESTION_NOT_FOUND"), (anew(), "REGENERATION_EMPTY")):
            with pytest.raises(ApiError) as caught:
                await start_generation(client, project, provider, wanted)
            assert caught.value.reason == reason
        for document in await documents_of(client, project):
            await client.documents.DeleteDocument(DeleteDocumentRequest(id=document.id))
