"""What the gates catch of planted faults and what they let pass, copies among the questions of a project, and judges."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from services.generation.gates.copies import BANDS
from services.generation.gates.gate_list import GATES
from services.generation.generations.store import Store
from services.generation.questions.questions import NewQuestion
from services.generation.questions.quotes import Quote
from services.generation.questions.store import NewQuestions, QuestionStore
from services.runtime.db import transaction
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from sishu.client import Client
from sishu.generation.v1 import gates_pb2, generation_pb2, provider_pb2
from sishu.generation.v1.prompt_pb2 import Prompt
from sishu.generation.v1.prompt_service_pb2 import (
    CreatePromptVersionRequest,
    GetPromptRequest,
    PreviewPromptRequest,
)
from sishu.generation.v1.provider_service_pb2 import DeleteProviderRequest
from tests.integration.command_line import CommandLine
from tests.integration.documents import JOB_SECONDS, failure, new_project, parse, parsed_project, upload
from tests.integration.flawed_generations import flawed_project, measured
from tests.integration.flawed_kinds import measured_kind, pumps_project
from tests.integration.generations import (
    generated,
    new_provider,
    questions_of,
    start_generation,
    states,
    view,
)
from tests.integration.stores import Rooms
from tests.integration.test_generation_questions import call_of, empty_generation
from tests.support.flawed_kinds import KINDS, pumps
from tests.support.flawed_llm import flawed_llm
from tests.support.flawed_texts import FAULTS, JUDGED, Said, corpus

ALL = (*FAULTS, *JUDGED)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_planted_fault_is_caught_and_nothing_clean_is_rejected(
    client: Client, language: str
) -> None:
    said = corpus(language, 6 * len(ALL), ALL)
    async with flawed_llm(said) as (base_url, server):
        project = await flawed_project(client, said)
        gates = gates_pb2.Gates(judge=gates_pb2.Judge())
        found = await measured(client, project, said, base_url, gates=gates)
        assert server.calls["judge"] == found.generation.stats.answered + sum(
            found.faults[fault]["caught"] for fault in JUDGED
        )
    assert (found.missed, found.wrong) == ([], [])
    assert found.faults == {fault: {"planted": 3, "caught": 3, "false_alarms": 0} for fault in ALL}
    stats = found.generation.stats
    assert stats.questions + stats.missing == 2 * len(said)
    assert dict(stats.missing_by_reason) == {"OUTPUT_INCOMPLETE": 3}
    assert stats.answered + stats.rejected == stats.questions
    assert sum(stats.rejected_by_reason.values()) == stats.rejected == 3 * (len(ALL) - 1)
    assert {question.origin.prompt_version for question in found.questions} == {f"questions.{language}@1"}


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_fault_that_is_planted_beside_questions_about_one_fact_is_caught(
    client: Client, language: str
) -> None:
    found = pumps(language, 6)
    project = await pumps_project(client, found)
    for kind, faults in KINDS.items():
        told = await measured_kind(client, project, kind, found)
        assert (told.missed, told.wrong) == ([], []), kind
        planted = len(found) // len(faults)
        assert told.clean == len(found)
        assert told.faults == {
            fault: {"planted": planted, "caught": planted, "false_alarms": 0} for fault in faults
        }


async def test_a_copy_names_the_question_that_it_copies_and_gates_can_be_off(client: Client) -> None:
    said = corpus("en", 8, ["duplicate", "near_copy", "leak_answer", "invented_quote"])
    async with flawed_llm(said) as (base_url, _):
        project = await flawed_project(client, said)
        found = await measured(client, project, said, base_url)
        off = gates_pb2.Gates(off=["DUPLICATE_QUESTION", "NEAR_COPY", "LEAK_PHRASE", "QUOTE_NOT_FOUND"])
        second = await measured(client, project, said, base_url, gates=off, no_cache=True)
    copies = [one for one in found.questions if one.rejection.reason in ("DUPLICATE_QUESTION", "NEAR_COPY")]
    texts = {question.id: question.text for question in found.questions}
    assert len(copies) == 2
    for copy in copies:
        copied = copy.rejection.metadata["question_id"]
        assert copied in copy.rejection.message
        assert texts[copied].split()[:2] != copy.text.split()[:2] or texts[copied] != copy.text
    assert (found.generation.stats.answered, second.generation.stats.answered) == (12, 16)
    assert second.generation.options.gates.off == off.off


async def test_limits_of_answers_and_unknown_gates_are_said_at_the_start(client: Client) -> None:
    said = corpus("en", 2, [""])
    async with flawed_llm(said, embeds=False) as (base_url, _):
        project = await flawed_project(client, said)
        provider = await new_provider(client, project, base_url)
        stranger = await new_provider(client, await new_project(client), base_url)
        cases = [
            (gates_pb2.Gates(off=["NO_SUCH_GATE"]), "GATE_UNKNOWN"),
            (gates_pb2.Gates(min_answer_chars=20, max_answer_chars=10), "ANSWER_LIMITS"),
            (gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=new_id())), "PROVIDER_NOT_FOUND"),
            (
                gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=stranger)),
                "PROVIDER_OF_OTHER_PROJECT",
            ),
            (gates_pb2.Gates(embedding_provider_id=stranger), "PROVIDER_OF_OTHER_PROJECT"),
            (gates_pb2.Gates(embedding_provider_id=provider), "EMBEDDINGS_UNSUPPORTED"),
        ]
        for gates, reason in cases:
            options = generation_pb2.GenerationOptions(gates=gates)
            error = await failure(start_generation(client, project, provider, options))
            assert error.reason == reason
        prices = [
            provider_pb2.ProviderPrice(prompt_per_million=1, completion_per_million=1, currency=currency)
            for currency in ("EUR", "CNY")
        ]
        writer, judge = [await new_provider(client, project, base_url, price=price) for price in prices]
        options = generation_pb2.GenerationOptions(
            gates=gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=judge))
        )
        assert (
            await failure(start_generation(client, project, writer, options))
        ).reason == "CURRENCIES_DIFFER"
        short = generation_pb2.GenerationOptions(
            gates=gates_pb2.Gates(min_answer_chars=9, max_answer_chars=10)
        )
        done = await generated(client, await start_generation(client, project, provider, short))
        assert done.stats.rejected_by_reason["ANSWER_LENGTH"] > 0


async def test_a_judge_of_its_own_says_why_and_another_prompt_of_it_asks_nobody_else_again(
    client: Client,
) -> None:
    said = corpus("en", 6, JUDGED)
    async with flawed_llm(said) as (base_url, server):
        project = await flawed_project(client, said)
        provider, judge = [await new_provider(client, project, base_url) for _ in range(2)]
        options = generation_pb2.GenerationOptions(
            chars_per_fact=1,
            gates=gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=judge, min_score=2)),
        )
        options.gates.judge.sampling.temperature = 0
        done = await generated(client, await start_generation(client, project, provider, options))
        written = Counter(server.calls)
        assert (
            await failure(client.providers.DeleteProvider(DeleteProviderRequest(id=judge)))
        ).reason == "PROVIDER_IN_USE"
        builtin = (
            await client.prompts.GetPrompt(GetPromptRequest(project_id=project, version="judge.en@1"))
        ).prompt
        changed = builtin.template.replace("You judge", "You strictly judge")
        await client.prompts.CreatePromptVersion(
            CreatePromptVersionRequest(
                prompt=Prompt(project_id=project, name="judge", language="en", template=changed)
            )
        )
        again = await generated(client, await start_generation(client, project, provider, options))
    assert (written["questions"], written["answer"], written["judge"]) == (6, 12, 12)
    assert (server.calls["questions"], server.calls["answer"], server.calls["judge"]) == (6, 12, 24)
    assert dict(done.stats.rejected_by_reason) == {"UNFAITHFUL": 1, "NOT_ANSWERABLE": 1, "SCORE_LOW": 1}
    assert (again.stats.answered, again.stats.cached) == (9, 18)
    questions = await questions_of(client, done)
    assert states(questions) == {"ANSWERED": 9, "REJECTED": 3}
    for question in questions:
        assert question.judgement.origin.provider_id == judge
        assert question.judgement.origin.prompt_version == "judge.en@1"
        assert dict(question.judgement.origin.parameters) == {"temperature": 0}
    request = PreviewPromptRequest(project_id=project, version="judge.en@1", question=questions[0].text)
    request.chunk_id = questions[0].chunk_ids[0]
    shown = (await client.prompts.PreviewPrompt(request)).messages[-1].content
    assert f"Question: {questions[0].text}\n" in shown
    assert shown.endswith(f"Answer: {questions[0].answer.text}")
    bad = next(one for one in questions if one.rejection.reason == "UNFAITHFUL")
    assert (bad.judgement.score, bad.judgement.faithful, bad.judgement.answerable) == (2, False, True)
    assert "The neighbours stand nowhere." in bad.rejection.message
    assert {one.judgement.origin.prompt_version for one in await questions_of(client, again)} == {
        "judge.en@project-1"
    }


async def test_a_question_before_its_judge_is_neither_answered_nor_rejected(client: Client) -> None:
    said = corpus("en", 2, [""])
    async with flawed_llm(said) as (base_url, _):
        project = await flawed_project(client, said)
        provider = await new_provider(client, project, base_url)
        nobody = await new_provider(client, project, "http://127.0.0.1:9/v1")
        gates = gates_pb2.Gates(judge=gates_pb2.Judge(provider_id=nobody))
        options = generation_pb2.GenerationOptions(chars_per_fact=1, gates=gates)
        made = await start_generation(client, project, provider, options)
        async with asyncio.timeout(JOB_SECONDS):
            while states(await questions_of(client, made))["JUDGING"] < 4:
                await asyncio.sleep(0.1)
        stats = (await view(client, made.id)).stats
    assert (stats.questions, stats.answered, stats.rejected) == (4, 0, 0)
    assert all(one.answer.text and not one.HasField("judgement") for one in await questions_of(client, made))


async def test_a_document_that_says_the_same_adds_no_questions_but_a_second_run_has_all_of_its_own(
    client: Client,
) -> None:
    said = corpus("en", 4, [""])
    async with flawed_llm(said) as (base_url, _):
        project = await flawed_project(client, said)
        first = await measured(client, project, said, base_url)
        second = await measured(client, project, said, base_url)
        assert [one.generation.stats.answered for one in (first, second)] == [8, 8]
        copy = "".join(f"# Copy of {one.number}\n\n{one.sentence}\n\n" for one in said)
        await upload(client, project, "copy.md", copy.encode())
        await parse(client, project, min_size=1, max_size=110)
        third = await measured(client, project, said, base_url)
    assert dict(third.generation.stats.rejected_by_reason) == {"DUPLICATE_QUESTION": 8}
    assert third.generation.stats.answered == 8


async def test_of_copies_that_two_workers_store_at_once_one_stays(client: Client, rooms: Rooms) -> None:
    project = await new_project(client)
    provider = await new_provider(client, project, "http://127.0.0.1:9/v1")
    texts = [f"How many sacks does mill number {number} of Penwick grind a day?" for number in range(12)]

    async with rooms.stores.pool("generation", 12) as pool:
        store = Store(pool, Jobs(pool, "generation"))
        made = [await empty_generation(store, project, provider) for _ in range(2)]

        async def write(turn: int) -> int:
            document = new_id()
            new = [
                NewQuestion(
                    new_id(),
                    f"Please, {text}" if turn % 3 else text.upper(),
                    [chunk := new_id()],
                    [document],
                    Quote(text, chunk, document, 1, 0, 9),
                    0,
                    None,
                )
                for text in texts
            ]
            async with transaction(pool) as connection:
                one = made[turn % 2]
                written = NewQuestions(one, call_of(provider), new[:: (-1) ** turn])
                return sum(map(len, await QuestionStore(pool).insert(connection, written)))

        counts = await asyncio.gather(*(write(turn) for turn in range(8)))
        assert sum(counts) == len(texts)
        marked = (
            "SELECT count(*) FROM question_marks JOIN questions ON id = question_id WHERE project_id = $1"
        )
        banded = "SELECT count(*) FROM question_bands WHERE question_id IN (SELECT id FROM questions WHERE project_id = $1)"
        assert await pool.fetchval(marked, project) == len(texts)
        assert await pool.fetchval(banded, project) == len(texts) * BANDS
        stored = await pool.fetchval("SELECT count(*) FROM question_bands")
        for one in made:
            await store.delete_generation(one.id)
        assert await pool.fetchval("SELECT count(*) FROM question_bands") == stored - len(texts) * BANDS


async def test_copies_by_meaning_are_found_in_other_words(client: Client) -> None:
    first, second = (
        "The staff of Beichen counts 40 people.",
        "Beichen counts 40 people among the staff of its office.",
    )
    asked = (
        "How many people does the staff of Beichen count?",
        "What is the number of people that the staff of Beichen counts?",
    )
    said = [
        Said(0, "en", first, (asked[0],), ("40 people.",), (first,), "", 0),
        Said(1, "en", second, (asked[1],), ("40 people.",), (second,), "", 1),
    ]
    async with flawed_llm(said) as (base_url, server):
        project = await parsed_project(
            client, {"a.md": f"# A\n\n{first}\n".encode(), "b.md": f"# B\n\n{second}\n".encode()}, min_size=1
        )
        provider = await new_provider(client, project, base_url)
        rejected = []
        for meaning in (0.99, 0.5):
            gates = gates_pb2.Gates(
                embedding_provider_id=provider, meaning_similarity=meaning, near_copy_similarity=1
            )
            options = generation_pb2.GenerationOptions(chars_per_fact=1, forms_per_fact=1, gates=gates)
            done = await generated(client, await start_generation(client, project, provider, options))
            rejected.append(dict(done.stats.rejected_by_reason))
        assert rejected == [{}, {"MEANING_COPY": 1}]
        # Two starts try it, and each text is embedded once.
        assert server.calls["embeddings"] == 4
        assert done.stats.usage.calls == 0


async def test_the_command_line_lists_the_gates_and_says_which_are_off(client: Client, rooms: Rooms) -> None:
    said = corpus("en", 2, [""])
    async with flawed_llm(said) as (base_url, _):
        cli = CommandLine(rooms, await flawed_project(client, said))
        provider = await new_provider(client, cli.project, base_url)
        for language, words in (("en", "the model says that it cannot answer"), ("zh", "模型拒绝作答")):
            code, printed = await cli.run("--lang", language, "generation", "gates")
            assert code == 0
            assert words in printed
            assert all(name in printed for name in GATES)
        create = ["generation", "create", "--project", cli.project, "--provider", provider]
        gates = [
            "--gate-off",
            "refusal",
            "--gate-off",
            "NEAR_COPY",
            "--max-answer-chars",
            "500",
            "--judge",
            provider,
        ]
        score = ["--judge-min-score", "4.5", "--near-copy-similarity", "0.7"]
        code, printed = await cli.run("--json", *create, *gates, *score, "--wait")
        assert code == 0, printed
        made = json.loads(printed.splitlines()[-1])
        wanted = made["options"]["gates"]
        assert wanted["judge"]["provider_id"] == provider
        assert (wanted["judge"]["min_score"], wanted["near_copy_similarity"]) == (4.5, 0.7)
        assert (wanted["off"], wanted["max_answer_chars"]) == (["REFUSAL", "NEAR_COPY"], 500)
        assert made["stats"]["answered"] == "4"
        code, printed = await cli.run("--lang", "zh", *create, "--gate-off", "none-such")
        assert code == 1
        assert "没有名为 NONE_SUCH 的检查" in printed
        code, printed = await cli.run(*create, "--judge-min-score", "4")
        assert "--judge-min-score needs --judge PROVIDER" in printed
