"""Examples that a language model judges again, or whose answers it improves: applied, passed over, undone."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from services.dataset.changes.applied import Applying, Judged
from services.dataset.changes.apply_store import ApplyStore, Place, ResultPage
from services.dataset.changes.store import ChangeStore
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from sishu.client import Client
from sishu.dataset.v1 import example_change_service_pb2 as changes
from sishu.dataset.v1 import example_pb2, example_revision_pb2
from sishu.dataset.v1 import example_service_pb2 as pb
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.generation.v1 import candidate_pb2, candidate_service_pb2, gates_pb2, generation_pb2
from sishu.learn.jobs import start_import, wait_for_success
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import turns
from tests.integration.documents import failure, new_project, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    start_generation,
    view,
)
from tests.integration.stores import Rooms
from tests.support.flawed_llm import ScriptedLlm, facts_in, served

KEPT, REJECTED = example_pb2.EXAMPLE_STATE_KEPT, example_pb2.EXAMPLE_STATE_REJECTED
JUDGE = generation_pb2.GENERATION_KIND_JUDGE_EXAMPLES
IMPROVE = generation_pb2.GENERATION_KIND_IMPROVE_EXAMPLES
ADVICE = "Write whole sentences."
BY_HAND = "Who watches the heron at night?"
PART = re.compile(r"part number (\d+)")


class EditorLlm(ScriptedLlm):
    """Asks and answers about the parts of a handbook.

    As a judge it likes all but the first; as an editor it spoils the second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scores = {"1": 2.0}
        self.prompts: list[str] = []

    def reply(self, kind: str, texts: Sequence[str], asked: Mapping[str, Any]) -> Mapping[str, Any]:
        self.prompts.append(texts[-1])
        if kind == "questions":
            facts = {key: PART.findall(fact)[0] for key, fact in facts_in(texts).items()}
            return {key: {"questions": [question_of(number)]} for key, number in facts.items()}
        number = (PART.findall(texts[-1]) or ["0"])[-1]
        if kind == "judge":
            said = {"reason": f"Of part {number}.", "score": self.scores.get(number, 4.5)}
            return {**dict.fromkeys(asked, True), **said}
        quote = {"quote": sentence_of(number)} if "quote" in asked else {}
        if ADVICE not in texts[-1]:
            return {**quote, "answer": f"{number} grams."}
        if number == "0":
            return {"answer": "Ada watches it at night."}
        spoilt = "According to the text, it weighs 2 grams." if number == "2" else sentence_of(number)
        return {**quote, "answer": spoilt}


def question_of(number: str) -> str:
    return f"What does the part number {number} of the Kestrel weigh?"


def sentence_of(number: str) -> str:
    return f"The part number {number} of the Kestrel weighs {number} grams."


@dataclass
class Desk:
    """A project with three imported examples, one written by hand and a text, and a model for all of it."""

    client: Client
    llm: EditorLlm
    project: str
    provider: str
    cli: CommandLine

    async def examples(self, **wanted: Any) -> dict[str, example_pb2.Example]:
        """By the number of the part, `0` for the others with a question, and `text`."""
        request = pb.ListExamplesRequest(project_id=self.project, filter=ExampleFilter(**wanted))
        found = (await self.client.examples.ListExamples(request)).examples
        return {name_of(one): one for one in found}

    async def made(self, kind: Any, **options: Any) -> generation_pb2.Generation:
        wanted = generation_pb2.GenerationOptions(kind=kind, **options)
        return await generated(
            self.client, await start_generation(self.client, self.project, self.provider, wanted)
        )

    async def candidates(self, generation_id: str) -> list[candidate_pb2.Candidate]:
        request = candidate_service_pb2.ListCandidatesRequest(
            project_id=self.project, generation_id=generation_id
        )
        return list((await self.client.candidates.ListCandidates(request)).candidates)

    async def applied(self, generation_id: str, **wishes: Any) -> example_revision_pb2.ExampleChange:
        request = changes.ApplyGenerationRequest(generation_id=generation_id, **wishes)
        return await self.ended((await self.client.example_changes.ApplyGeneration(request)).example_change)

    async def undone(self, change_id: str) -> example_revision_pb2.ExampleChange:
        request = changes.UndoExampleChangeRequest(change_id=change_id)
        return await self.ended((await self.client.example_changes.UndoExampleChange(request)).example_change)

    async def ended(self, change: example_revision_pb2.ExampleChange) -> example_revision_pb2.ExampleChange:
        await wait_for_success(self.client, "dataset", change.job)
        request = changes.GetExampleChangeRequest(id=change.id)
        return (await self.client.example_changes.GetExampleChange(request)).example_change

    async def last_change(self, example_id: str) -> example_revision_pb2.ExampleRevision:
        request = changes.ListExampleRevisionsRequest(example_id=example_id)
        return (await self.client.example_changes.ListExampleRevisions(request)).example_revisions[0]


def name_of(example: example_pb2.Example) -> str:
    if example.kind == example_pb2.EXAMPLE_KIND_PRETRAINING:
        return "text"
    return str((PART.findall(example.messages[0].content) or ["0"])[0])


def content_of(example: example_pb2.Example) -> example_pb2.Example:
    """An example without what every change changes."""
    copy = example_pb2.Example()
    copy.CopyFrom(example)
    copy.ClearField("update_time")
    copy.ClearField("revision")
    return copy


@pytest_asyncio.fixture
async def desk(client: Client, rooms: Rooms) -> AsyncIterator[Desk]:
    llm = EditorLlm()
    async with served(llm) as base_url:
        project = await parsed_project(client, {"a.md": handbook(3)}, min_size=1, max_size=100)
        provider = await new_provider(client, project, base_url)
        options = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, forms_per_fact=1)
        written = await generated(client, await start_generation(client, project, provider, options))
        assert written.stats.answered == 3, written.stats
        await wait_for_success(client, "dataset", (await start_import(client, project, [written.id])).job)
        for kind, messages in (
            (example_pb2.EXAMPLE_KIND_SFT, turns(BY_HAND, "Ada.")),
            (example_pb2.EXAMPLE_KIND_PRETRAINING, turns("", "The heron sleeps at night.")[1:]),
        ):
            example = example_pb2.Example(project_id=project, kind=kind, messages=messages)
            await client.examples.CreateExample(pb.CreateExampleRequest(example=example))
        yield Desk(client, llm, project, provider, CommandLine(rooms, project))


async def test_examples_are_judged_and_kept_or_rejected_by_that_and_undone(desk: Desk) -> None:
    before = await desk.examples()
    assert set(before) == {"0", "1", "2", "3", "text"}
    run = ["--json", "example", "judge", "--project", desk.project, "--provider", desk.provider]
    code, printed = await desk.cli.run(*run, "--reject-below", "3", "--apply")
    assert code == 0, printed
    change = json.loads(printed.splitlines()[-1])
    assert (change["kind"], change["changed"]) == ("EXAMPLE_CHANGE_KIND_APPLY", "5")
    after = await desk.examples()
    assert {name: one.score for name, one in after.items()} == {
        "1": 2,
        "2": 4.5,
        "3": 4.5,
        "0": 4.5,
        "text": 4.5,
    }
    assert {name for name, one in after.items() if one.state == REJECTED} == {"1"}
    assert after["1"].rejection.reason == "SCORE_LOW"
    assert "Of part 1." in after["1"].rejection.message
    revision = await desk.last_change(after["1"].id)
    assert revision.author == f"mock-model (generation {change['generation_id']})"
    assert list(revision.changed_fields) == ["state", "rejection", "score"]
    found = {one.example_judgement.example_id: one for one in await desk.candidates(change["generation_id"])}
    assert found[after["1"].id].judgement.score == 2
    assert found[after["1"].id].judgement.origin.prompt_version == "judge_example.en@1"
    assert list(found[after["1"].id].chunk_ids) == list(after["1"].lineage.chunk_ids)
    assert not found[after["0"].id].chunk_ids
    shown = next(one for one in desk.llm.prompts if BY_HAND in one)
    assert "Source:" not in shown
    # Again it changes nothing, and with a better judgement what was low is kept again.
    again = await desk.applied(change["generation_id"], min_score=3)
    assert (again.changed, again.skipped) == (0, 5)
    desk.llm.scores = {}
    better = await desk.made(JUDGE, no_cache=True)
    assert (await desk.applied(better.id, min_score=3)).changed == 1
    assert (await desk.examples())["1"].state == KEPT
    # What was changed since is left alone.
    undone = await desk.undone(change["id"])
    assert (undone.changed, undone.skipped) == (4, 1)
    assert content_of((await desk.examples())["2"]) == content_of(before["2"])


async def test_answers_are_improved_with_quotes_and_undone(desk: Desk) -> None:
    before = await desk.examples()
    run = ["--json", "example", "improve", "--project", desk.project, "--provider", desk.provider]
    code, printed = await desk.cli.run(
        *run, "--advice", ADVICE, "--judge", desk.provider, "--judge-min-score", "3", "--wait"
    )
    assert code == 0, printed
    made = await view(desk.client, json.loads(printed.splitlines()[-1])["id"])
    assert dict(made.stats.missing_by_reason) == {"EXAMPLE_WITHOUT_ANSWER": 1}
    # The first is not liked, the second speaks of a text.
    assert dict(made.stats.rejected_by_reason) == {"SCORE_LOW": 1, "LEAK_PHRASE": 1}
    assert (made.stats.kept_candidates, made.options.gates.max_answer_chars) == (2, 6000)
    assert made.options.improve_examples == generation_pb2.ImproveExamplesOptions(advice=ADVICE)
    change = await desk.applied(made.id)
    assert (change.changed, change.skipped, change.generation_id) == (2, 0, made.id)
    after = await desk.examples()
    assert [content_of(after[one]) for one in ("1", "2")] == [content_of(before[one]) for one in ("1", "2")]
    assert after["0"].messages[1].content == "Ada watches it at night."
    third = after["3"]
    assert third.messages[1].content == sentence_of("3")
    assert (third.score, third.messages[1].reasoning) == (4.5, "")
    assert [one.text for one in third.quotes] == [sentence_of("3")]
    assert third.lineage.answer_origin.prompt_version == "improve_answer.en@1"
    assert third.lineage.fact_id == before["3"].lineage.fact_id
    assert set(await desk.examples(prompt_versions=["improve_answer.en@1"])) == {"0", "3"}
    revision = await desk.last_change(third.id)
    assert set(revision.changed_fields) == {"messages", "score", "lineage"}
    assert revision.before.lineage == before["3"].lineage
    assert (await desk.undone(change.id)).changed == 2
    again = await desk.examples()
    assert {name: content_of(one) for name, one in again.items()} == {
        name: content_of(one) for name, one in before.items()
    }
    assert not await desk.examples(prompt_versions=["improve_answer.en@1"])


async def test_what_was_changed_or_deleted_meanwhile_stays_as_it_is(desk: Desk) -> None:
    wanted = generation_pb2.JudgeExamplesOptions(filter=ExampleFilter(kinds=[example_pb2.EXAMPLE_KIND_SFT]))
    made = await desk.made(JUDGE, judge_examples=wanted)
    found = await desk.examples()
    changed = found["2"]
    changed.labels.append("mine")
    mask = FieldMask(paths=["labels"])
    await desk.client.examples.UpdateExample(pb.UpdateExampleRequest(example=changed, update_mask=mask))
    await desk.client.examples.DeleteExample(pb.DeleteExampleRequest(id=found["3"].id))
    code, printed = await desk.cli.run("example", "apply", made.id)
    assert (code, printed.partition(";")[0]) == (0, "2 changed, 2 as they were"), printed
    after = await desk.examples()
    assert {name: one.HasField("score") for name, one in after.items()} == {
        "0": True,
        "1": True,
        "2": False,
        "text": False,
    }
    assert after["1"].state == KEPT


async def test_a_page_is_applied_once_whoever_comes_again(desk: Desk, rooms: Rooms) -> None:
    example = (await desk.examples())["1"]
    async with rooms.stores.pool("dataset") as pool:
        store, applying = ApplyStore(ChangeStore(pool, Jobs(pool, "dataset"))), Applying(new_id())
        change_id = await store.create(desk.project, applying, "model", "")
        judged = Judged(example.id, example.revision, 3.5, "Good.", "model")
        page, first = ResultPage([judged], "more"), Place(applying, "")
        # A worker that was killed after its step, and one that had been given up, come again.
        for _ in range(2):
            await store.step(change_id, desk.project, first, page)
        change = await store.changes.get(change_id)
        assert (change.changed, change.skipped) == (1, 0)
        assert await store.place(change_id) == Place(applying, "more")
    assert (await desk.examples())["1"].score == 3.5


async def test_what_cannot_be_made_or_applied_is_refused(desk: Desk) -> None:
    async def refused(kind: Any, project: str = "", **options: Any) -> tuple[str, str]:
        wanted = generation_pb2.GenerationOptions(kind=kind, **options)
        error = await failure(
            start_generation(
                desk.client, project or desk.project, provider if project else desk.provider, wanted
            )
        )
        return error.reason, error.field

    empty = await new_project(desk.client)
    provider = await new_provider(desk.client, empty, "http://127.0.0.1:9/v1")
    assert await refused(JUDGE, empty) == ("NO_EXAMPLES", "")
    none = generation_pb2.JudgeExamplesOptions(filter=ExampleFilter(labels=["nowhere"]))
    assert (await refused(JUDGE, judge_examples=none))[0] == "NO_EXAMPLES"
    assert (await refused(IMPROVE))[0] == "ADVICE_MISSING"
    for options in (
        {"gates": gates_pb2.Gates(judge=gates_pb2.Judge())},
        {"document_ids": [new_id()]},
        {"improve_examples": generation_pb2.ImproveExamplesOptions(advice="x")},
    ):
        assert (await refused(JUDGE, **options))[0] == "OPTION_OF_OTHER_KIND"
    questions = await desk.made(generation_pb2.GENERATION_KIND_QUESTIONS, context_chars=ONLY_THE_FACT)
    own = generation_pb2.ImproveExamplesOptions(advice=ADVICE)
    improved = await desk.made(IMPROVE, improve_examples=own)
    for generation_id, score, reason in (
        (questions.id, None, "GENERATION_OF_OTHER_KIND"),
        (improved.id, 3, "FIELD_INVALID"),
        (new_id(), None, "GENERATION_NOT_FOUND"),
    ):
        request = changes.ApplyGenerationRequest(generation_id=generation_id, min_score=score)
        assert (await failure(desk.client.example_changes.ApplyGeneration(request))).reason == reason
