"""The ledger of coverage, generations that stop on it, and what becomes of documents that change."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest
import pytest_asyncio

from services.generation.sources import source_changes
from services.generation.sources.source_change_store import SourceChangeStore
from services.generation.sources.source_changes import SourceChanges
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import example_service_pb2
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.generation.v1 import candidate_service_pb2, generation_pb2, question_pb2, question_service_pb2
from sishu.generation.v1 import coverage_service_pb2 as pb
from sishu.generation.v1.coverage_pb2 import Coverage
from sishu.generation.v1.generation_service_pb2 import UpdateGenerationRequest
from sishu.generation.v1.question_options_pb2 import CoverageOptions
from sishu.ingest.v1.chunk_pb2 import Chunk
from sishu.ingest.v1.chunk_service_pb2 import ListChunksRequest, ListChunksResponse, UpdateChunkRequest
from sishu.ingest.v1.document_service_pb2 import DeleteDocumentRequest
from sishu.learn.jobs import start_import
from tests.integration.command_line import CommandLine
from tests.integration.documents import (
    JOB_SECONDS,
    SMALL,
    chunks_of,
    documents_of,
    end_of,
    failure,
    new_project,
    parse,
    parsed_project,
    split_again,
    upload,
)
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.stores import Rooms, shared_rooms
from tests.support.mock_llm import MockServer

rooms = pytest_asyncio.fixture(scope="module")(shared_rooms("ingest", "generation", "dataset"))

ONE_FORM = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, forms_per_fact=1)
TWICE = (
    "Read this before you begin with the Kestrel.\n\n"
    "# Care\n\nThe fan of the Kestrel is cleaned once a week. Its battery is charged in two hours.\n\n"
    "# Parts\n\nThe battery of the Kestrel weighs 4.5 kg.\n\n"
    "# Care\n\nThe motor of the Kestrel is oiled once a year.\n\n"
    "# Empty\n\n# Tables\n\n| part | grams |\n|---|---|\n| fan | 20 |\n"
)


def pages(*changed: int) -> bytes:
    """A document of 20 pages of one chunk each; those that are named say something else than usually."""
    return "".join(
        f"# Page {number}\n\nThe {'new ' * (number in changed)}part number {number} of the Kestrel weighs {number} grams.\n\n"
        for number in range(1, 21)
    ).encode()


async def renew(client: Client, project: str, *changed: int) -> None:
    """Put a new version of the document in the place of the last one."""
    await upload(client, project, "a.md", pages(*changed))
    await parse(client, project, min_size=1, max_size=100)


async def ledger(client: Client, project: str, page_size: int = 0, **filters: Any) -> list[Coverage]:
    """The whole ledger, page by page."""
    request = pb.ListCoverageRequest(project_id=project, page_size=page_size, **filters)
    found: list[Coverage] = []
    while True:
        page = await client.coverage.ListCoverage(request)
        found += page.coverage
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def covered(client: Client, project: str, provider: str, facts: int, **options: Any) -> Any:
    """A generation that goes on until sections have so many facts, ended."""
    wanted = generation_pb2.GenerationOptions(
        forms_per_fact=1, coverage=CoverageOptions(facts_per_section=facts), **options
    )
    return await generated(client, await start_generation(client, project, provider, wanted))


async def marks(client: Client, project: str) -> tuple[int, int]:
    """What a job has newly marked, and what is marked no more."""
    request = pb.MarkSourcesRequest(project_id=project, request_id=new_id())
    job = (await client.coverage.MarkSources(request)).job
    ended = await end_of(client, "generation", job.id)
    assert (ended.kind, ended.state) == ("mark_sources", job_pb2.JOB_STATE_SUCCEEDED)
    found = await client.coverage.MarkSources(request)
    assert found.job == ended
    return found.marked, found.unmarked


async def example_marks(client: Client, project: str) -> tuple[int, int]:
    """The same of examples."""
    request = example_service_pb2.MarkSourcesRequest(project_id=project, request_id=new_id())
    job = (await client.examples.MarkSources(request)).job
    ended = await end_of(client, "dataset", job.id)
    assert (ended.kind, ended.state) == ("mark_sources", job_pb2.JOB_STATE_SUCCEEDED)
    found = await client.examples.MarkSources(request)
    assert found.job == ended
    return found.marked, found.unmarked


async def imported(client: Client, generation: generation_pb2.Generation) -> None:
    """Have examples made of a generation."""
    made = await start_import(client, generation.project_id, [generation.id])
    await end_of(client, "dataset", made.job.id)


async def gone_examples(client: Client, project: str) -> set[str]:
    """The questions of marked examples."""
    wanted = ExampleFilter(source_gone=True)
    request = example_service_pb2.ListExamplesRequest(project_id=project, filter=wanted, page_size=1000)
    found = (await client.examples.ListExamples(request)).examples
    assert all(one.HasField("source_gone_time") for one in found)
    return {one.lineage.question_ids[0] for one in found}


async def gone(client: Client, project: str) -> set[str]:
    """The questions that are marked."""
    request = question_service_pb2.ListQuestionsRequest(project_id=project, source_gone=True, page_size=1000)
    return {one.id for one in (await client.questions.ListQuestions(request)).questions}


async def listed_gone(cli: CommandLine, kind: str, *filters: str) -> list[dict[str, Any]]:
    """What a list shows whose source is gone."""
    code, printed = await cli.run("--json", kind, "list", "--project", cli.project, "--source-gone", *filters)
    assert code == 0, printed
    return [json.loads(line) for line in printed.splitlines()]


def facts_in(questions: Sequence[question_pb2.Question], *states: str) -> dict[tuple[str, str], int]:
    """Questions by the facts that they are about."""
    wanted = {question_pb2.QuestionState.Value(f"QUESTION_STATE_{state}") for state in states}
    return Counter(
        (one.chunk_ids[0], one.fact.text) for one in questions if one.state in wanted or not states
    )


async def test_the_ledger_tells_exactly_what_questions_there_are_about_each_section(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    files = {"a.md": TWICE.encode(), "b.txt": b"The firm was founded in the year 1931 by Joan Abara.\n" * 3}
    project = await parsed_project(client, {**files, "c.md": handbook(230)}, min_size=1, max_size=90)
    documents = await documents_of(client, project)
    before = await ledger(client, project)
    assert {one.questions for one in before} == {0}
    a = [one for one in before if one.document_id == documents["a.md"].id]
    assert [("/".join(one.heading_path), one.sentences) for one in a] == [
        ("", 1),
        ("Care", 2),
        ("Parts", 1),
        ("Care", 1),
        # What is small shares a chunk, which begins in the first of them; the row of the table is asked about.
        ("Empty", 1),
    ]
    care = [one for one in a if list(one.heading_path) == ["Care"]]
    assert len({one.section_id for one in care}) == 2
    (b,) = [one for one in before if one.document_id == documents["b.txt"].id]
    assert (list(b.heading_path), b.section_id, b.document_version) == ([], "", 1)
    assert sum(one.chunks for one in before) == len(await chunks_of(client, project))
    assert [one.document_id for one in before] == sorted(one.document_id for one in before)

    provider = await new_provider(client, project, mock.base_url)
    only_a = generation_pb2.GenerationOptions(forms_per_fact=2, document_ids=[documents["a.md"].id])
    made = await generated(client, await start_generation(client, project, provider, only_a))
    questions = await questions_of(client, made)
    sections = {one.id: one.section_id for one in await chunks_of(client, project)}
    after = {one.section_id: one for one in await ledger(client, project, document_id=documents["a.md"].id)}
    for section_id, one in after.items():
        own = [each for each in questions if sections[each.chunk_ids[0]] == section_id]
        answered = facts_in(own, "ANSWERED")
        assert (one.facts, one.answered_facts) == (len(facts_in(own)), len(answered))
        assert (one.answered, one.rejected) == (answered.total(), facts_in(own, "REJECTED").total())  # type: ignore[attr-defined]
        assert one.questions == one.answered
        assert dict(one.answered_by_type) == ({"fact": one.answered} if one.answered else {})
        assert one.forms_per_fact == (one.answered / one.answered_facts if one.answered else 0)
    assert sum(one.facts for one in after.values()) > 0

    whole = await ledger(client, project)
    assert await ledger(client, project, page_size=50) == whole
    assert await ledger(client, project, fewer_facts_than=1) == [
        one for one in whole if one.sentences and not one.answered_facts
    ]
    assert {one.facts for one in await ledger(client, project, generation_id=new_id())} == {0}

    cli = CommandLine(rooms, project)
    code, printed = await cli.run("coverage", project, "--limit", "12", env={"COLUMNS": "80"})
    assert code == 0, printed
    assert max(map(len, printed.splitlines())) <= 80
    assert len(printed.splitlines()) >= 13


async def test_sections_are_asked_about_in_rounds_until_they_are_covered_and_no_fact_twice(
    client: Client, mock: MockServer
) -> None:
    sentence = "The part number {0}{1} of the Kestrel weighs exactly {0}{1} grams. "
    text = "".join(
        f"# Part {part}\n\n" + "".join(sentence.format(part, number) for number in range(10, 26)) + "\n\n"
        for part in range(1, 6)
    )
    project = await parsed_project(client, {"a.md": text.encode()}, min_size=1, max_size=400)
    provider = await new_provider(client, project, mock.base_url)
    # A model that sees a whole chunk quotes at random, so that many answers are rejected.
    done = await covered(client, project, provider, 3)
    assert (done.job.state, done.HasField("forecast")) == (job_pb2.JOB_STATE_SUCCEEDED, False)
    questions = await questions_of(client, done)
    assert max(facts_in(questions).values()) == 1
    assert facts_in(questions, "REJECTED")
    found = await ledger(client, project)
    assert done.stats.sections == len(found) == 5
    assert done.stats.lacking_sections == len(await ledger(client, project, fewer_facts_than=3))
    assert sum(one.facts for one in found) == len(questions) > 15

    # What is there counts: nothing is asked about what is covered, and what was asked in vain comes last.
    least = min(one.answered_facts for one in found)
    again = await covered(client, project, provider, least)
    assert (again.stats.questions, again.stats.usage.calls, again.stats.lacking_sections) == (0, 0, 0)
    types = [question_pb2.QUESTION_TYPE_FACT, question_pb2.QUESTION_TYPE_REASON]
    more = await covered(client, project, provider, 100, context_chars=ONLY_THE_FACT, question_types=types)
    assert more.stats.lacking_sections == len(await ledger(client, project, fewer_facts_than=100))
    written = await questions_of(client, more)
    assert {one.type for one in written} == set(types)
    own = facts_in(written)
    assert max(own.values()) == 1
    assert not own.keys() & facts_in(questions, "ANSWERED").keys()

    wanted = generation_pb2.GenerationOptions(coverage=CoverageOptions(facts_per_section=1), pilot_chunks=5)
    refused = await failure(start_generation(client, project, provider, wanted))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "OPTIONS_CONFLICT")


async def test_a_large_section_is_planned_page_by_page_and_asked_about_as_one(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    text = "# Parts\n\n" + "".join(
        f"The part number {number} of the Kestrel weighs {number} grams.\n\n" for number in range(900)
    )
    project = await parsed_project(client, {"a.md": text.encode()}, min_size=1, max_size=70)
    places = {one.id: one.index for one in await chunks_of(client, project)}
    provider = await new_provider(client, project, mock.base_url)
    done = await covered(client, project, provider, 7, context_chars=ONLY_THE_FACT)
    (section,) = await ledger(client, project)
    assert (section.chunks, section.answered_facts) == (len(places), 7)
    assert section.sentences == len(places) >= 900
    assert (done.stats.sections, done.stats.lacking_sections) == (1, 0)
    asked = sorted(places[one.chunk_ids[0]] for one in await questions_of(client, done))
    assert asked == [number * len(places) // 7 for number in range(7)]
    async with rooms.stores.pool("generation") as pool:
        keys = (
            "SELECT array_agg(key ORDER BY key) FROM job_items WHERE job_id = $1 AND kind = 'plan_coverage'"
        )
        assert await pool.fetchval(keys, done.job.id) == ["0", "1:1", "1:2", "2:0", "2:1", "2:2"]


async def test_a_budget_pauses_coverage_with_what_is_there_and_more_money_lets_it_go_on(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(12)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    budget = {"max_tokens": 6000, "sampling": {"max_tokens": 400}, "context_chars": ONLY_THE_FACT}
    paused = await start_generation(
        client,
        project,
        provider,
        generation_pb2.GenerationOptions(coverage=CoverageOptions(facts_per_section=1), **budget),  # type: ignore[arg-type]  # wider than the stubs say
    )
    async with asyncio.timeout(JOB_SECONDS):
        while (await view(client, paused.id)).job.state != job_pb2.JOB_STATE_PAUSED:
            await asyncio.sleep(0.1)
    partly = await ledger(client, project)
    assert 0 < sum(one.answered_facts for one in partly) < 12
    more = generation_pb2.Generation(id=paused.id, options=generation_pb2.GenerationOptions(max_tokens=0))
    request = UpdateGenerationRequest(generation=more)
    request.update_mask.paths.append("options.max_tokens")
    await client.generations.UpdateGeneration(request)
    await client.jobs("generation").ResumeJob(job_service_pb2.ResumeJobRequest(id=paused.job.id))
    done = await generated(client, paused)
    assert (done.job.state, done.stats.lacking_sections) == (job_pb2.JOB_STATE_SUCCEEDED, 0)
    assert {one.answered_facts for one in await ledger(client, project)} == {1}


@pytest.mark.full
async def test_a_changed_page_is_asked_about_alone_and_what_it_said_before_is_marked(
    rooms: Rooms, client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": pages()}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    first = await generated(client, await start_generation(client, project, provider, ONE_FORM))
    passages = generation_pb2.GenerationOptions(
        kind=generation_pb2.GENERATION_KIND_PASSAGES,
        passages=generation_pb2.PassageOptions(forms=["PASSAGE_FORM_PARAPHRASE"]),  # type: ignore[list-item]  # a name
    )
    await generated(client, await start_generation(client, project, provider, passages))
    before = {one.id: one for one in await questions_of(client, first)}
    old = {one.id for one in await chunks_of(client, project)}
    await imported(client, first)
    assert len(old) == len(before) == 20

    await upload(client, project, "a.md", pages(7))
    # Nobody knows yet what the new version holds.
    assert await marks(client, project) == (0, 0)
    await parse(client, project, min_size=1, max_size=100)
    (changed,) = {one.id for one in await chunks_of(client, project)} - old
    await mock.reset()
    cli = CommandLine(rooms, project)
    code, printed = await cli.run(
        *("generation", "create", "--project", project, "--provider", provider),
        *("--forms", "1", "--new-chunks-only", "--wait"),
    )
    assert code == 0, printed
    # Of one page of twenty: a call that asks, and one that answers.
    assert (await mock.stats())["paid"] == 2
    request = question_service_pb2.ListQuestionsRequest(project_id=project, page_size=1000)
    everything = {one.id: one for one in (await client.questions.ListQuestions(request)).questions}
    assert before.keys() < everything.keys()
    assert {one.chunk_ids[0] for key, one in everything.items() if key not in before} == {changed}
    lost = {key for key, one in before.items() if "number 7 of" in one.fact.text}
    assert await gone(client, project) == lost
    assert {key for key, one in everything.items() if one.HasField("source_gone_time")} == lost
    listed = candidate_service_pb2.ListCandidatesRequest(project_id=project, source_gone=True)
    (candidate,) = (await client.candidates.ListCandidates(listed)).candidates
    assert set(candidate.chunk_ids) == {before[key].chunk_ids[0] for key in lost}

    assert await gone_examples(client, project) == set()
    await imported(client, first)
    assert await gone_examples(client, project) == lost

    for kind, count in (("question", 1), ("example", 1), ("candidate", 1)):
        shown = await listed_gone(cli, kind)
        assert len(shown) == count
        assert all(one["source_gone_time"] for one in shown)
    assert {one["id"] for one in await listed_gone(cli, "question")} == lost
    assert await listed_gone(cli, "example", "--state", "rejected") == []
    code, printed = await cli.run("example", "list", "--project", project, "--state", "answered")
    assert (code, "'answered' is none of kept, rejected" in printed) == (1, True)

    # A kind by itself; then there is nothing new any more.
    await mock.reset()
    passages.new_chunks_only = True
    for calls in (1, 1):
        await generated(client, await start_generation(client, project, provider, passages))
        assert (await mock.stats())["paid"] == calls

    # The text is back, and so is what was written about it.
    await renew(client, project)
    code, printed = await cli.run("coverage", project, "--mark", "--limit", "1")
    assert code == 0, printed
    told = ["questions and candidates: 2 newly marked, 2 no longer", "examples: 0 newly marked, 1 no longer"]
    assert [line for line in printed.splitlines() if "newly marked, " in line and ": 1/1" not in line] == told
    assert await gone(client, project) == everything.keys() - before.keys()
    assert await gone_examples(client, project) == set()

    await check_deleted_questions(client, project)


async def check_deleted_questions(client: Client, project: str) -> None:
    """What is marked stays so when its question is deleted, whose examples stay."""
    await renew(client, project, 3, 4)
    await marks(client, project)
    assert await example_marks(client, project) == (2, 0)
    deleted = min(await gone_examples(client, project))
    await client.questions.DeleteQuestion(question_service_pb2.DeleteQuestionRequest(id=deleted))
    await renew(client, project)
    await marks(client, project)
    assert await example_marks(client, project) == (0, 1)
    assert await gone_examples(client, project) == {deleted}


class Interrupted:
    """A client for which something happens each time that the first page of chunks was listed."""

    def __init__(self, client: Client, *happenings: Callable[[], Awaitable[object]]) -> None:
        self.documents = client.documents
        self.chunks = self
        self._client = client
        self._happenings = list(happenings)

    async def ListChunks(self, request: ListChunksRequest) -> ListChunksResponse:  # as the rpc
        page = await self._client.chunks.ListChunks(request)
        if not request.page_token and self._happenings:
            await self._happenings.pop(0)()
        return page


async def test_a_document_that_changes_during_a_look_is_looked_at_again(
    rooms: Rooms, client: Client, mock: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await parsed_project(client, {"a.md": pages()}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    made = await generated(client, await start_generation(client, project, provider, ONE_FORM))
    about = {one.fact.text.split()[3]: one.id for one in await questions_of(client, made)}
    monkeypatch.setattr(source_changes, "PAGE", 5)

    async def parsed_anew() -> None:
        await split_again(client, (await documents_of(client, project))["a.md"], min_size=1, max_size=100)

    async with rooms.stores.pool("generation") as pool:

        async def look(*happenings: Callable[[], Awaitable[object]]) -> tuple[int, int]:
            interrupted = cast(Client, Interrupted(client, *happenings))
            found = await SourceChanges(interrupted, SourceChangeStore(pool)).mark(project)
            return found.marked, found.unmarked

        # As many chunks as before, of which the first page showed the old ones.
        assert await look(lambda: renew(client, project, 2, 12)) == (2, 0)
        assert await gone(client, project) == {about["2"], about["12"]}
        assert await look(lambda: renew(client, project, 2, 3), lambda: renew(client, project, 3)) == (1, 2)
        assert await gone(client, project) == {about["3"]}
        # Of what changes on and on nothing is told.
        always = (lambda: renew(client, project, 4), lambda: renew(client, project), parsed_anew)
        assert await look(*always) == (0, 0)
        assert await pool.fetchval("SELECT count(*) FROM source_looks") == 0
        assert await look() == (0, 1)


async def test_deleted_documents_are_gone_excluded_chunks_are_not_and_looks_do_not_meet(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(30), "b.md": handbook(3)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    made = await questions_of(
        client, await generated(client, await start_generation(client, project, provider, ONE_FORM))
    )
    documents = await documents_of(client, project)
    excluded = Chunk(id=made[0].chunk_ids[0], excluded=True)
    request = UpdateChunkRequest(chunk=excluded)
    request.update_mask.paths.append("excluded")
    await client.chunks.UpdateChunk(request)
    assert await marks(client, project) == (0, 0)
    await client.documents.DeleteDocument(DeleteDocumentRequest(id=documents["b.md"].id))
    found = await asyncio.gather(*(marks(client, project) for _ in range(5)))
    of_b = {one.id for one in made if documents["b.md"].id in one.document_ids}
    assert (sum(one for one, _ in found), sum(one for _, one in found)) == (len(of_b), 0)
    assert await gone(client, project) == of_b
    other = await new_project(client)
    assert await marks(client, other) == (0, 0)
    assert await ledger(client, other) == []


async def test_a_request_to_mark_is_one_job_until_its_project_is_deleted(client: Client) -> None:
    project, request_id = await new_project(client), new_id()
    request = pb.MarkSourcesRequest(project_id=project, request_id=request_id)
    theirs = example_service_pb2.MarkSourcesRequest(project_id=project, request_id=request_id)

    async def both() -> list[str]:
        return [
            (await client.coverage.MarkSources(request)).job.id,
            (await client.examples.MarkSources(theirs)).job.id,
        ]

    first = await both()
    assert await both() == first
    for room, job_id in zip(("generation", "dataset"), first, strict=True):
        await end_of(client, room, job_id)
        await client.project_data(room).DeleteProjectData(DeleteProjectDataRequest(project_id=project))
    assert not set(await both()) & set(first)
    request.request_id = theirs.request_id = ""
    assert not set(await both()) & set(await both())
