"""Questions and candidates that are written anew, in place of others."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.generation.v1 import gates_pb2, generation_pb2, question_options_pb2, question_pb2
from sishu.generation.v1.question_service_pb2 import DeleteQuestionRequest, GetQuestionRequest
from tests.integration.command_line import CommandLine
from tests.integration.documents import failure, new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    new_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.stores import Rooms
from tests.integration.test_generation_question_types import (
    MULTI_HOP,
    REASON,
    SMALL,
    UNANSWERABLE,
    made,
    pumps,
)
from tests.support.mock_llm import MockServer

ENGLISH = (
    "The Kestrel costs $$5 and its code is {{x}} in all lists.\n\n"
    "Marlow Systems builds the Kestrel in a hall beside the river Tees.\n\n"
    "The battery of the Kestrel is charged by the sun on long flights.\n"
)
NASTY = "Ask about {{ fact }} and $$5 $& {% raw %}."
ANSWERED = question_pb2.QUESTION_STATE_ANSWERED
REJECTED = question_pb2.QUESTION_STATE_REJECTED


def anew(*question_ids: str, **own: Any) -> generation_pb2.GenerationOptions:
    """Options that write questions anew."""
    gates = own.pop("gates", None)
    regeneration = question_options_pb2.RegenerationOptions(question_ids=question_ids, **own)
    return generation_pb2.GenerationOptions(
        context_chars=ONLY_THE_FACT, regeneration=regeneration, gates=gates
    )


async def regenerated(
    client: Client, project: str, provider: str, options: generation_pb2.GenerationOptions
) -> tuple[generation_pb2.Generation, list[question_pb2.Question]]:
    """A generation that writes anew, done, and what it wrote."""
    made = await generated(client, await start_generation(client, project, provider, options))
    assert made.job.state == job_pb2.JOB_STATE_SUCCEEDED, made.job
    return made, await questions_of(client, made)


async def asked(
    client: Client, mock: MockServer
) -> tuple[str, str, generation_pb2.Generation, list[question_pb2.Question]]:
    """A project, a provider, and answered questions, two forms about each of three facts."""
    project = await parsed_project(client, {"a.md": ENGLISH.encode()}, min_size=1, max_size=2000)
    provider = await new_provider(client, project, mock.base_url)
    options = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, chars_per_fact=1)
    made = await generated(client, await start_generation(client, project, provider, options))
    questions = await questions_of(client, made)
    assert [one.state for one in questions] == [ANSWERED] * 6
    return project, provider, made, questions


async def question(client: Client, question_id: str) -> question_pb2.Question:
    return (await client.questions.GetQuestion(GetQuestionRequest(id=question_id))).question


async def test_what_is_kept_of_the_new_takes_the_place_of_the_old_and_else_the_old_stays(
    client: Client, mock: MockServer
) -> None:
    project, provider, before, (first, second, third, *_) = await asked(client, mock)
    await mock.reset()
    # Both forms of a fact come of one call; each answer is asked for anew.
    wanted = anew(first.id, second.id, instruction=NASTY)
    made, new = await regenerated(client, project, provider, wanted)
    assert (await mock.stats())["paid"] == 3
    for old, one in zip((first, second), new, strict=True):
        assert (one.replaces_id, one.state, one.type) == (old.id, ANSWERED, old.type)
        assert (one.fact, one.form, one.heading_path) == (old.fact, old.form, old.heading_path)
        assert one.text != old.text
        after = await question(client, old.id)
        assert (after.state, after.rejection.reason) == (REJECTED, "REPLACED")
        assert (after.rejection.metadata["id"], after.answer) == (one.id, old.answer)
    stats = (await view(client, before.id)).stats
    assert (stats.answered, dict(stats.rejected_by_reason)) == (4, {"REPLACED": 2})
    assert (made.stats.questions, made.stats.answered, made.stats.missing) == (2, 2, 0)
    assert made.options.regeneration == wanted.regeneration
    assert not made.HasField("forecast")

    # The words stay, the answer is new: what the same call had brought before is passed over.
    made, (again,) = await regenerated(client, project, provider, anew(new[0].id, answers_only=True))
    assert (again.text, again.replaces_id, again.state) == (new[0].text, new[0].id, ANSWERED)
    assert (again.origin.prompt_version, again.origin.usage.calls) == (new[0].origin.prompt_version, 0)
    assert (made.stats.usage.calls, made.stats.cached, made.stats.missing) == (1, 0, 0)
    assert (await mock.stats())["paid"] == 4

    # What a gate rejects leaves the old one as it is; it can be written anew as well, and keeps its reason.
    strict = gates_pb2.Gates(min_answer_chars=1, max_answer_chars=1)
    _, (bad,) = await regenerated(client, project, provider, anew(third.id, instruction="!", gates=strict))
    assert (bad.state, bad.rejection.reason, bad.replaces_id) == (REJECTED, "ANSWER_LENGTH", third.id)
    assert await question(client, third.id) == third
    _, (better,) = await regenerated(client, project, provider, anew(bad.id, answers_only=True))
    assert (better.state, better.replaces_id) == (ANSWERED, bad.id)
    assert (await question(client, bad.id)).rejection.reason == "ANSWER_LENGTH"
    await client.questions.DeleteQuestion(DeleteQuestionRequest(id=bad.id))
    assert (await question(client, better.id)).replaces_id == ""


async def test_the_judge_decides_what_takes_the_place_and_what_is_gone_is_told_of(
    client: Client, mock: MockServer, rooms: Rooms
) -> None:
    project, provider, _, (first, second, third, fourth, *_) = await asked(client, mock)
    said = {"answerable": True, "faithful": False, "self_contained": True, "score": 4, "reason": "No."}
    judge = gates_pb2.Gates(judge=gates_pb2.Judge())
    for faithful, state in ((False, REJECTED), (True, ANSWERED)):
        await mock.control(fixed={**said, "faithful": faithful})
        wanted = anew(first.id, instruction=str(faithful), gates=judge)
        _, (new,) = await regenerated(client, project, provider, wanted)
        assert (new.state, new.judgement.faithful) == (state, faithful)
        assert (await question(client, first.id)).state == (REJECTED if faithful else ANSWERED)
    async with rooms.stores.pool("generation") as pool:
        await pool.execute("UPDATE questions SET chunk_ids = $2 WHERE id = $1", second.id, [new_id()])
        await pool.execute('UPDATE questions SET fact = fact || \'{"text": "?"}\' WHERE id = $1', third.id)
    for answers_only in (False, True):
        wanted = anew(second.id, third.id, fourth.id, answers_only=answers_only)
        made, new_ones = await regenerated(client, project, provider, wanted)
        assert dict(made.stats.missing_by_reason) == {"CHUNK_GONE": 1, "FACT_GONE": 1}
        assert (made.job.counts.skipped, made.stats.missing, len(new_ones)) == (2, 2, 1)
        fourth = new_ones[0]
        assert fourth.state == ANSWERED


async def test_questions_of_types_are_written_anew_as_they_are_over_the_same_chunks(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": pumps(1)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(fixed={"fits": True, "answered": False})
    off = gates_pb2.Gates(off=["NOT_REFUSED", "QUOTE_OFF_FACT"])
    for kind in (REASON, MULTI_HOP, UNANSWERABLE):
        done = await made(client, project, provider, [kind], gates=off)
        old = (await questions_of(client, done))[0]
        assert (old.type, old.state) == (kind, ANSWERED), old
        for answers_only in (False, True):
            wanted = anew(old.id, instruction="Else.", answers_only=answers_only, gates=off)
            _, (new,) = await regenerated(client, project, provider, wanted)
            assert (new.type, new.state, new.replaces_id) == (kind, ANSWERED, old.id), new
            assert (new.chunk_ids, new.fact, new.linked_facts) == (old.chunk_ids, old.fact, old.linked_facts)
            assert (new.text == old.text) == answers_only
            old = new


async def test_of_two_written_at_once_in_place_of_one_the_first_that_is_kept_stays(
    client: Client, mock: MockServer
) -> None:
    project, provider, _, (first, *_) = await asked(client, mock)
    await mock.control(latency_ms=500)
    made_at_once = [
        await start_generation(client, project, provider, anew(first.id, instruction=wish))
        for wish in ("One.", "Two.")
    ]
    new = [(await questions_of(client, await generated(client, one)))[0] for one in made_at_once]
    assert [one.replaces_id for one in new] == [first.id] * 2
    new = [await question(client, one.id) for one in new]
    assert sorted(one.state for one in new) == [ANSWERED, REJECTED]
    (stays,) = [one for one in new if one.state == ANSWERED]
    (goes,) = [one for one in new if one.state == REJECTED]
    assert (goes.rejection.reason, goes.rejection.metadata["id"]) == ("REPLACED", stays.id)


async def test_what_cannot_be_written_anew_is_refused_with_what_to_do(
    client: Client, mock: MockServer
) -> None:
    project, provider, _, (first, *_) = await asked(client, mock)
    _, (new,) = await regenerated(client, project, provider, anew(first.id))
    gone, empty = new_id(), anew()
    field = "generation.options.regeneration.question_ids"
    for wanted, reason in (
        (anew(first.id), "ORIGINAL_REPLACED"),
        (anew(new.id, gone), "QUESTION_NOT_FOUND"),
        (empty, "REGENERATION_EMPTY"),
    ):
        error = await failure(start_generation(client, project, provider, wanted))
        assert (error.reason, error.field) == (reason, field)
    other = await new_project(client)
    stranger = await new_provider(client, other, mock.base_url)
    error = await failure(start_generation(client, other, stranger, anew(new.id)))
    assert (error.reason, error.field) == ("ORIGINAL_OF_OTHER_PROJECT", field)


@pytest.mark.parametrize(("language", "old", "new"), [("en", "old", "new"), ("zh", "旧", "新")])
async def test_the_command_line_shows_old_and_new_side_by_side(
    rooms: Rooms, client: Client, mock: MockServer, language: str, old: str, new: str
) -> None:
    project, _, _, (first, *_) = await asked(client, mock)
    cli = CommandLine(rooms, project)
    wish = ["question", "regenerate", first.id, "--instruction", "Otherwise."]
    code, printed = await cli.run("--lang", language, *wish, env={"COLUMNS": "80"})
    assert code == 0, printed
    again = await question(client, (await question(client, first.id)).rejection.metadata["id"])
    told = "".join(printed.split())
    for shown in (old, new, first.text.split()[-1], again.text.split()[-1], again.answer.text.split()[0]):
        assert shown in told
    assert max(cell_len(line) for line in printed.splitlines()) <= 80
