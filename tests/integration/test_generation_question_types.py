"""Questions of types and answers by wishes, written, judged, listed and previewed through real servers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.generation.v1 import gates_pb2, generation_pb2, question_pb2
from sishu.generation.v1 import prompt_service_pb2 as prompt_pb
from sishu.generation.v1 import question_service_pb2 as pb
from sishu.generation.v1.question_options_pb2 import AnswerOptions
from tests.integration.command_line import CommandLine
from tests.integration.documents import parsed_project, text_of
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    new_provider,
    questions_of,
    start_generation,
)
from tests.integration.stores import Rooms
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}
REASON, MULTI_HOP, UNANSWERABLE = (
    question_pb2.QUESTION_TYPE_REASON,
    question_pb2.QUESTION_TYPE_MULTI_HOP,
    question_pb2.QUESTION_TYPE_UNANSWERABLE,
)
ANSWERED, REJECTED = question_pb2.QUESTION_STATE_ANSWERED, question_pb2.QUESTION_STATE_REJECTED


def pumps(count: int) -> bytes:
    """Two chunks about each pump, far from one another, which its code links."""
    weighing = [
        f"# Pump {n}\n\nThe pump PX10{n}A weighs {n} grams without its housing and its feet.\n"
        for n in range(count)
    ]
    owners = [
        f"# Owner {n}\n\nIn hall number {n} stands the old PX10{n}A beside the northern stairs.\n"
        for n in range(count)
    ]
    return "\n".join([*weighing, *owners]).encode()


async def made(
    client: Client, project: str, provider: str, types: Sequence[int], **more: Any
) -> generation_pb2.Generation:
    """A generation of these types that has ended."""
    options = generation_pb2.GenerationOptions(
        question_types=types,  # type: ignore[arg-type]
        **{"context_chars": ONLY_THE_FACT, "forms_per_fact": 1, **more},
    )
    done = await generated(client, await start_generation(client, project, provider, options))
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED
    return done


async def listed(
    client: Client, project: str, kind: question_pb2.QuestionType.ValueType
) -> list[question_pb2.Question]:
    request = pb.ListQuestionsRequest(project_id=project, type=kind, page_size=1000)
    return list((await client.questions.ListQuestions(request)).questions)


async def test_each_type_is_asked_for_in_turn_and_what_a_text_does_not_give_is_counted(
    client: Client, mock: MockServer
) -> None:
    files = {
        "a.md": pumps(6),
        "b.md": "# 泵\n\n由于密封圈老化，七号泵在三月停机检修，随后恢复运行。\n".encode(),
    }
    project = await parsed_project(client, files, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(fixed={"fits": True})
    types = range(question_pb2.QUESTION_TYPE_FACT, UNANSWERABLE)
    done = await made(client, project, provider, types)
    questions = await questions_of(client, done)
    assert len(questions) == 13 == done.stats.questions + done.stats.missing
    found = Counter(question.type for question in questions)
    assert len(found) >= 4
    for kind, count in found.items():
        assert len(await listed(client, project, kind)) == count
    for question in questions:
        name = question_pb2.QuestionType.Name(question.type).removeprefix("QUESTION_TYPE_").lower()
        expected = "questions." if name == "fact" else f"questions_{name}."
        assert question.origin.prompt_version.startswith(expected)
        assert question.fact_id

    # The same documents get the same plan, and all is answered from what was kept.
    calls = (await mock.stats())["calls"]
    again = await made(client, project, provider, types)
    assert (await mock.stats())["calls"] == calls
    assert Counter(one.type for one in await questions_of(client, again)) == found

    await mock.control(fixed={"fits": False, "questions": []})
    nothing = await made(client, project, provider, [REASON], forms_per_fact=3, facts_per_call=1)
    assert (nothing.stats.questions, nothing.stats.missing) == (0, 39)
    assert dict(nothing.stats.missing_by_reason) == {"TYPE_NOT_IN_TEXT": 39}


async def test_a_question_over_two_chunks_is_answered_with_a_quote_of_each(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(
        client, {"a.md": pumps(5), "b.md": b"# Alone\n\nNobody knows it.\n"}, **SMALL
    )
    provider = await new_provider(client, project, mock.base_url)
    await mock.control(fixed={"fits": True})
    pilot = await made(client, project, provider, [MULTI_HOP], pilot_chunks=5)
    assert {one.type for one in await questions_of(client, pilot)} == {MULTI_HOP}
    calls = (await mock.stats())["calls"]
    done = await made(client, project, provider, [MULTI_HOP])
    # Of the ten chunks with a link five were asked about by the pilot, with the same links.
    assert (await mock.stats())["calls"] == calls + 2 * 5
    questions = await questions_of(client, done)
    assert (len(questions), done.stats.answered) == (10, 10)
    for question in questions:
        text = await text_of(client, question.document_ids[0])
        first, second = question.chunk_ids
        assert [quote.chunk_id for quote in question.answer.quotes] == [first, second]
        (linked,) = question.linked_facts
        assert linked.chunk_id == second != first == question.fact.chunk_id
        for quote in (question.fact, linked, *question.answer.quotes):
            assert text[quote.span.start : quote.span.end] == quote.text
        codes = [
            next(word for word in quote.text.split() if "PX" in word) for quote in (question.fact, linked)
        ]
        assert codes[0] == codes[1]

    await mock.control(fixed={"fits": True, "quote_2": questions[0].fact.text})
    bad = await made(client, project, provider, [MULTI_HOP], no_cache=True)
    # Right for the one that is linked to this fact, of the same chunk twice for this one, and unknown to the others.
    assert bad.stats.answered == 1
    assert dict(bad.stats.rejected_by_reason) == {"QUOTES_NOT_OF_BOTH": 1, "QUOTE_NOT_FOUND": 8}

    shown = prompt_pb.PreviewPromptRequest(project_id=project, version="questions_multi_hop.en@1")
    content = (await client.prompts.PreviewPrompt(shown)).messages[-1].content
    assert content.count("PX100A") >= 2


async def test_what_the_documents_do_not_say_is_refused_and_judged_so(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": pumps(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    refusal = {"answer": "I do not know that.", "answered": False, "score": 5}
    verdict = {"answerable": False, "faithful": True, "self_contained": True}
    gates = gates_pb2.Gates(judge=gates_pb2.Judge())
    await mock.control(fixed={**refusal, **verdict})
    done = await made(client, project, provider, [UNANSWERABLE], gates=gates)
    questions = await questions_of(client, done)
    assert (len(questions), done.stats.answered) == (4, 4)
    for question in questions:
        assert (question.type, question.state, len(question.answer.quotes)) == (UNANSWERABLE, ANSWERED, 0)
        assert (question.HasField("fact"), question.fact_id, len(question.chunk_ids)) == (False, "", 1)
        assert question.judgement.origin.prompt_version.startswith("judge_unanswerable.en@")

    for changed, reason in (
        ({**refusal, **verdict, "answerable": True}, "ANSWERABLE"),
        ({**refusal, **verdict, "answered": True}, "ANSWERABLE"),
        ({**refusal, **verdict, "answer": "It is blue."}, "NOT_REFUSED"),
    ):
        await mock.control(fixed=changed)
        again = await made(client, project, provider, [UNANSWERABLE], gates=gates, no_cache=True)
        assert dict(again.stats.rejected_by_reason) == {reason: 4}


async def test_answers_are_written_by_wish_at_the_command_line(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": pumps(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    cli = CommandLine(rooms, project)

    async def read(*arguments: str) -> list[dict[str, Any]]:
        code, printed = await cli.run("--json", *arguments)
        assert code == 0, printed
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    await mock.control(fixed={"reasoning": "The scales show it.", "fits": True})
    wishes = ("--answer-length", "long", "--answer-style", "as {{ a }} list", "--reasoning", "asked")
    (done,) = await read(
        *("generation", "create", "--project", project, "--provider", provider, "--wait"),
        *("--question-types", "fact,reason", "--forms", "1", *wishes),
    )
    assert done["options"]["question_types"] == ["QUESTION_TYPE_FACT", "QUESTION_TYPE_REASON"]
    assert done["options"]["gates"]["max_answer_chars"] == 6000
    generation = generation_pb2.Generation(project_id=project, id=done["id"])
    questions = await questions_of(client, generation)
    assert {question.answer.reasoning for question in questions} == {"The scales show it."}
    assert {one.answer.origin.prompt_version for one in questions} == {"answer_full.en@1"}
    kinds = Counter(question.type for question in questions)
    (*found,) = await read("question", "list", "--project", project, "--type", "reason")
    assert len(found) == kinds[REASON]

    options = generation_pb2.GenerationOptions(answers=AnswerOptions(style="as {{ a }} list"))
    shown = prompt_pb.PreviewPromptRequest(project_id=project, version="answer_full.en@1", options=options)
    assert "Style: as {{ a }} list" in (await client.prompts.PreviewPrompt(shown)).messages[-1].content
    wanted = ("--project", project, "--provider", provider)
    code, printed = await cli.run("generation", "create", *wanted, "--question-types", "fact,odd")
    assert code != 0
    assert "odd" in printed
