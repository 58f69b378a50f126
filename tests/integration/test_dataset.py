"""The dataset room: gRPC, Postgres, S3, and its queue; the generation and ingest rooms are stand-ins."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from services.dataset.manifest import content_sha256
from services.dataset.near_copies import normalise, similarity
from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from sishu.client import Client
from sishu.common.v1 import (
    failure_pb2,
    job_pb2,
    job_service_pb2,
    message_pb2,
    object_pb2,
    origin_pb2,
    text_span_pb2,
)
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import dataset_version_pb2 as versions
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.errors import ApiError
from sishu.generation.v1 import (
    generation_pb2,
    generation_service_pb2,
    generation_service_pb2_grpc,
    question_pb2,
    question_service_pb2,
    question_service_pb2_grpc,
)
from sishu.ingest.v1 import project_pb2, project_service_pb2, project_service_pb2_grpc
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Room, Servers, Stores, fresh_stores, started_room

READY = versions.DATASET_VERSION_STATE_READY
KEPT, REJECTED = example_pb2.EXAMPLE_STATE_KEPT, example_pb2.EXAMPLE_STATE_REJECTED
ANSWERED = question_pb2.QUESTION_STATE_ANSWERED
JSONL = versions.DATASET_FORMAT_MESSAGES_JSONL
LLAMA_FACTORY = versions.DATASET_FORMAT_LLAMA_FACTORY
PARQUET = versions.DATASET_FORMAT_PARQUET
ENDED = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
ANY_SPLIT = versions.DATASET_SPLIT_UNSPECIFIED
SPLITS = {"train": versions.DATASET_SPLIT_TRAIN, "exam": versions.DATASET_SPLIT_EXAM}
Held = versions.DatasetVersionExample
FORMS = ["What does heron {n} weigh?", "请问苍鹭{n}有多重？", "Tell me how heavy {n} is."]


@dataclass
class FakeGenerations(
    generation_service_pb2_grpc.GenerationServiceServicer, question_service_pb2_grpc.QuestionServiceServicer
):
    """A generation room's questions, page by page, each page after a pause."""

    projects: dict[str, str] = field(default_factory=dict)
    questions: dict[str, list[question_pb2.Question]] = field(default_factory=dict)
    page_seconds: float = 0.0
    largest_page: int = 1000
    pages: int = 0

    async def GetGeneration(  # the name in the proto
        self, request: generation_service_pb2.GetGenerationRequest, _context: Context
    ) -> generation_service_pb2.GetGenerationResponse:
        if request.id not in self.projects:
            raise NotFound("GENERATION_NOT_FOUND", f"there is no generation {request.id}")
        found = generation_pb2.Generation(id=request.id, project_id=self.projects[request.id])
        return generation_service_pb2.GetGenerationResponse(generation=found)

    async def ListQuestions(  # the name in the proto
        self, request: question_service_pb2.ListQuestionsRequest, _context: Context
    ) -> question_service_pb2.ListQuestionsResponse:
        await asyncio.sleep(self.page_seconds)
        self.pages += 1
        found, start = self.questions[request.generation_id], int(request.page_token or 0)
        end = start + min(request.page_size, self.largest_page)
        more = str(end) if end < len(found) else ""
        return question_service_pb2.ListQuestionsResponse(questions=found[start:end], next_page_token=more)

    def add(self, project_id: str, questions: list[question_pb2.Question]) -> str:
        generation_id = new_id()
        self.projects[generation_id] = project_id
        self.questions[generation_id] = questions
        for question in questions:
            question.project_id, question.generation_id = project_id, generation_id
        return generation_id


class FakeProjects(project_service_pb2_grpc.ProjectServiceServicer):
    """An ingest room in which every project exists but one."""

    missing = "00000000-0000-7000-8000-000000000000"

    async def GetProject(  # the name in the proto
        self, request: project_service_pb2.GetProjectRequest, _context: Context
    ) -> project_service_pb2.GetProjectResponse:
        if request.id == self.missing:
            raise NotFound("PROJECT_NOT_FOUND", f"there is no project {request.id}")
        return project_service_pb2.GetProjectResponse(project=project_pb2.Project(id=request.id))


def question(
    text: str, answer: str = "1.4 kg.\r\n轻。", place: int = 0, document_id: str = ""
) -> question_pb2.Question:
    """An answered question about a fact at a place of a document."""
    document_id = document_id or new_id()
    fact = text_span_pb2.Quote(
        text="The heron weighs 1.4 kg.",
        chunk_id=new_id(),
        document_id=document_id,
        document_version=1,
        span=text_span_pb2.TextSpan(start=place, end=place + 24),
    )
    usage = message_pb2.TokenUsage(prompt_tokens=90, completion_tokens=20, calls=2)
    origin = origin_pb2.Origin(prompt_version="answer.en@1", provider_id=new_id(), model="mock", usage=usage)
    origin.parameters.update({"temperature": 0.5, "seed": 7})
    return question_pb2.Question(
        id=new_id(),
        chunk_id=fact.chunk_id,
        document_id=document_id,
        text=text,
        fact=fact,
        state=ANSWERED,
        answer=question_pb2.Answer(text=answer, quotes=[fact], reasoning="Look it up.", origin=origin),
        origin=origin_pb2.Origin(prompt_version="question.en@2", usage=usage),
    )


def about_herons(facts: int, document_id: str = "") -> list[question_pb2.Question]:
    """Questions in three forms about each of some facts of a document."""
    document_id = document_id or new_id()
    return [
        question(form.format(n=name_of(fact)), f"{fact} g", fact * 100, document_id)
        for fact in range(facts)
        for form in FORMS
    ]


def name_of(fact: int) -> str:
    """A name long enough that questions about two herons are no near copies."""
    return hashlib.sha256(str(fact).encode()).hexdigest()[:24]


def rejected(text: str) -> question_pb2.Question:
    """A question whose answer a gate rejected."""
    found = question(text)
    found.state = question_pb2.QUESTION_STATE_REJECTED
    found.rejection.CopyFrom(
        failure_pb2.Failure(
            code="INVALID_ARGUMENT",
            reason="QUOTE_NOT_FOUND",
            message="no such quote",
            metadata={"quote": "x"},
        )
    )
    return found


def open_question(text: str) -> question_pb2.Question:
    """A question that waits for its answer."""
    found = question(text)
    found.state = question_pb2.QUESTION_STATE_OPEN
    found.ClearField("answer")
    return found


def turns(*texts: str) -> list[message_pb2.Message]:
    roles = [message_pb2.ROLE_USER, message_pb2.ROLE_ASSISTANT]
    return [message_pb2.Message(role=roles[at % 2], content=text) for at, text in enumerate(texts)]


@dataclass
class School:
    """The room, what it reads, and what the tests ask of it."""

    stores: Stores
    client: Client
    room: Room
    generations: FakeGenerations

    async def ended(self, job: job_pb2.Job, seconds: float = 90.0) -> job_pb2.Job:
        request = job_service_pb2.WatchJobRequest(id=job.id)
        async with asyncio.timeout(seconds):
            async for answer in self.client.jobs("dataset").WatchJob(request):
                if answer.job.state in ENDED:
                    return answer.job
        raise AssertionError("the stream ended before the job")

    async def start_import(self, project_id: str, generation_id: str, request_id: str = "") -> job_pb2.Job:
        request = examples.ImportExamplesRequest(
            project_id=project_id, generation_id=generation_id, request_id=request_id
        )
        return (await self.client.examples.ImportExamples(request)).job

    async def imported(self, project_id: str, questions: list[question_pb2.Question]) -> str:
        generation_id = self.generations.add(project_id, questions)
        job = await self.ended(await self.start_import(project_id, generation_id))
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED
        return generation_id

    async def listed(self, project_id: str, **filters: Any) -> list[example_pb2.Example]:
        found: list[example_pb2.Example] = []
        request = examples.ListExamplesRequest(project_id=project_id, page_size=40, **filters)
        while True:
            page = await self.client.examples.ListExamples(request)
            found += page.examples
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def held(self, version_id: str, page_size: int = 7, **filters: Any) -> list[Held]:
        """What a version holds."""
        found: list[Held] = []
        request = datasets.ListDatasetVersionExamplesRequest(
            dataset_version_id=version_id, page_size=page_size, **filters
        )
        while True:
            page = await self.client.datasets.ListDatasetVersionExamples(request)
            assert len(page.dataset_version_examples) <= page_size
            found += page.dataset_version_examples
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def start_version(
        self, project_id: str, request_id: str = "", **options: Any
    ) -> versions.DatasetVersion:
        wanted = versions.DatasetVersion(project_id=project_id, options=versions.DatasetOptions(**options))
        request = datasets.CreateDatasetVersionRequest(dataset_version=wanted, request_id=request_id)
        return (await self.client.datasets.CreateDatasetVersion(request)).dataset_version

    async def version(self, version_id: str) -> versions.DatasetVersion:
        request = datasets.GetDatasetVersionRequest(id=version_id)
        return (await self.client.datasets.GetDatasetVersion(request)).dataset_version

    async def made(self, project_id: str, **options: Any) -> versions.DatasetVersion:
        started = await self.start_version(project_id, **options)
        await self.ended(started.job)
        version = await self.version(started.id)
        assert version.state == READY
        return version

    async def files(
        self, version_id: str, wanted: versions.DatasetFormat.ValueType, split: str = ""
    ) -> dict[str, bytes]:
        """Contents of the files of a format by name."""
        request = datasets.GetDatasetVersionFilesRequest(
            id=version_id, format=wanted, split=SPLITS.get(split, ANY_SPLIT)
        )
        files = (await self.client.datasets.GetDatasetVersionFiles(request)).files
        return {file.name: await downloaded(file) for file in files}

    async def manifest(self, version_id: str) -> dict[str, Any]:
        request = datasets.GetDatasetVersionFilesRequest(id=version_id, format=JSONL)
        answer = await self.client.datasets.GetDatasetVersionFiles(request)
        assert answer.manifest.name == "manifest.json"
        found: dict[str, Any] = json.loads(await downloaded(answer.manifest))
        return found

    async def create(self, request_id: str = "", **fields: Any) -> example_pb2.Example:
        wanted = example_pb2.Example(**{"kind": example_pb2.EXAMPLE_KIND_SFT, **fields})
        request = examples.CreateExampleRequest(example=wanted, request_id=request_id)
        return (await self.client.examples.CreateExample(request)).example

    async def update(self, example: example_pb2.Example, *paths: str) -> example_pb2.Example:
        request = examples.UpdateExampleRequest(example=example, update_mask=FieldMask(paths=paths))
        return (await self.client.examples.UpdateExample(request)).example


async def downloaded(file: object_pb2.StoredObject) -> bytes:
    """The content behind a link, held against its size and SHA-256."""
    async with httpx.AsyncClient(trust_env=False) as http:
        content = (await http.get(file.url)).raise_for_status().content
    assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size_bytes, file.sha256)
    return content


@asynccontextmanager
async def serving(stores: Stores, room: str, *servicers: Servicer) -> AsyncIterator[None]:
    """Serve stand-ins where the rooms look for `room`."""
    server = Server(servicers, "", RuntimeMetrics(room))
    await server.start(HOST, int(stores.addresses[room].rpartition(":")[2]))
    try:
        yield
    finally:
        await server.drain()


@asynccontextmanager
async def started_school(servers: Servers, **env: str) -> AsyncIterator[School]:
    # The other rpcs of the stand-ins answer UNIMPLEMENTED.
    generations = FakeGenerations()  # type: ignore[abstract]
    projects = FakeProjects()  # type: ignore[abstract]
    asked = [
        Servicer(
            "sishu.generation.v1.GenerationService",
            generation_service_pb2_grpc.add_GenerationServiceServicer_to_server,
            generations,
        ),
        Servicer(
            "sishu.generation.v1.QuestionService",
            question_service_pb2_grpc.add_QuestionServiceServicer_to_server,
            generations,
        ),
    ]
    project_service = Servicer(
        "sishu.ingest.v1.ProjectService",
        project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
        projects,
    )
    async with (
        fresh_stores(servers) as stores,
        serving(stores, "generation", *asked),
        serving(stores, "ingest", project_service),
        started_room(stores, "dataset", env=env) as room,
        stores.client() as client,
    ):
        yield School(stores, client, room, generations)


@pytest_asyncio.fixture(scope="module")
async def school(servers: Servers) -> AsyncIterator[School]:
    async with started_school(servers) as started:
        yield started


@pytest_asyncio.fixture(scope="module")
async def idle_school(servers: Servers) -> AsyncIterator[School]:
    """A school whose queue is worked on only where a test starts a worker."""
    async with started_school(servers, SISHU_DATASET_CONCURRENCY="0") as started:
        yield started


async def test_every_answered_or_rejected_question_becomes_one_example(school: School) -> None:
    project_id = new_id()
    asked = [
        question("How heavy is it?"),
        rejected("Where is it?"),
        open_question("Why is it?"),
        question("How heavy  is it?", "The same again."),
    ]
    generation_id = await school.imported(project_id, asked)
    first, second, third = await school.listed(project_id)

    assert (first.state, first.kind) == (KEPT, example_pb2.EXAMPLE_KIND_SFT)
    assert [message.content for message in first.messages] == [
        "How heavy is it?",
        "1.4 kg.\r\n轻。",
    ]
    assert first.messages[1].reasoning == "Look it up."
    assert list(first.quotes) == [asked[0].fact]
    lineage = first.lineage
    assert lineage.generation_id == generation_id
    assert (list(lineage.question_ids), list(lineage.chunk_ids)) == ([asked[0].id], [asked[0].chunk_id])
    assert (lineage.document_id, lineage.document_version) == (asked[0].document_id, 1)
    assert lineage.question_origin == asked[0].origin
    assert lineage.answer_origin == asked[0].answer.origin

    assert second.state == REJECTED
    assert second.rejection == asked[1].rejection
    assert third.state == REJECTED
    assert third.rejection.reason == "DUPLICATE"
    assert third.rejection.metadata["example_id"] == first.id


async def test_a_second_import_makes_only_what_is_new(school: School) -> None:
    project_id = new_id()
    asked = [question("One?"), open_question("Two?")]
    generation_id = await school.imported(project_id, asked)
    before = await school.listed(project_id)
    await school.ended(await school.start_import(project_id, generation_id))
    assert await school.listed(project_id) == before

    asked[1].CopyFrom(question("Two?"))
    asked[1].project_id, asked[1].generation_id = project_id, generation_id
    await school.ended(await school.start_import(project_id, generation_id))
    assert [one.messages[0].content for one in await school.listed(project_id)] == ["One?", "Two?"]


async def test_a_repeated_request_gives_the_first_job(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    generation_id = school.generations.add(project_id, [question("One?")])
    first = await school.start_import(project_id, generation_id, request_id)
    assert (await school.start_import(project_id, generation_id, request_id)).id == first.id
    await school.ended(first)


async def test_imports_of_two_generations_at_once_keep_one_of_two_equal_questions(school: School) -> None:
    project_id = new_id()
    generation_ids = [
        school.generations.add(project_id, [question(f"What is {number}?") for number in range(300)])
        for _ in range(2)
    ]
    jobs = [await school.start_import(project_id, generation_id) for generation_id in generation_ids]
    await asyncio.gather(*map(school.ended, jobs))
    kept = await school.listed(project_id, state=KEPT)
    assert len(kept) == len({one.messages[0].content for one in kept}) == 300
    assert len(await school.listed(project_id, state=REJECTED)) == 300


async def test_a_cancelled_import_stores_nothing_more(school: School) -> None:
    project_id = new_id()
    generation_id = school.generations.add(project_id, [question(f"What is {at}?") for at in range(100)])
    school.generations.largest_page, school.generations.page_seconds = 5, 0.1
    try:
        job = await school.start_import(project_id, generation_id)

        async def stored_some() -> bool:
            return bool(await school.listed(project_id))

        await eventually(stored_some)
        await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=job.id))
        stored = len(await school.listed(project_id))
        read = school.generations.pages
        await asyncio.sleep(0.5)
    finally:
        school.generations.largest_page, school.generations.page_seconds = 1000, 0.0
    assert len(await school.listed(project_id)) == stored < 100
    assert school.generations.pages <= read + 1


async def test_a_repeated_request_gives_what_it_made_whatever_else_it_says(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    job = await school.start_import(project_id, school.generations.add(project_id, []), request_id)
    assert (await school.start_import(project_id, new_id(), request_id)).id == job.id
    example = await school.create(request_id, project_id=project_id, messages=turns("Who?", "Ada."))
    assert await school.create(request_id, project_id=FakeProjects.missing, messages=turns("Who?")) == example
    version = await school.start_version(project_id, request_id)
    assert (await school.start_version(new_id(), request_id)).id == version.id


async def test_a_repeated_request_makes_anew_what_was_deleted_since(school: School) -> None:
    project_id, request_id = new_id(), new_id()
    wanted = {"project_id": project_id, "messages": turns("Who?", "Ada.")}
    example = await school.create(request_id, **wanted)
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    again = await school.create(request_id, **wanted)
    assert again.id != example.id

    version = await school.start_version(project_id, request_id)
    await school.ended(version.job)
    await school.client.datasets.DeleteDatasetVersion(datasets.DeleteDatasetVersionRequest(id=version.id))
    second = await school.start_version(project_id, request_id)
    assert second.id != version.id
    await school.ended(second.job)

    generation_id = school.generations.add(project_id, [])
    job = await school.start_import(project_id, generation_id, request_id)
    await school.ended(job)
    gone = DeleteProjectDataRequest(project_id=project_id)
    await school.client.project_data("dataset").DeleteProjectData(gone)
    assert (await school.start_import(project_id, generation_id, request_id)).id != job.id
    assert (await school.create(request_id, **wanted)).id != again.id
    assert (await school.start_version(project_id, request_id)).id != second.id


async def test_an_import_says_where_from(school: School) -> None:
    with pytest.raises(ApiError) as error:
        await school.client.examples.ImportExamples(examples.ImportExamplesRequest(project_id=new_id()))
    assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", "source")


async def test_an_import_names_a_wrong_generation(school: School) -> None:
    with pytest.raises(ApiError) as error:
        await school.start_import(new_id(), new_id())
    assert (error.value.code, error.value.reason) == ("NOT_FOUND", "GENERATION_NOT_FOUND")
    with pytest.raises(ApiError) as error:
        await school.start_import(new_id(), school.generations.add(new_id(), []))
    assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", "generation_id")


async def test_a_version_holds_every_kept_example_once_and_its_files_agree(school: School) -> None:
    project_id = new_id()
    generation_id = await school.imported(project_id, [*about_herons(20), *about_herons(1), rejected("No?")])
    kept = {one.id: one for one in await school.listed(project_id, state=KEPT)}
    version = await school.made(project_id, system_prompt="Be brief.", generation_ids=[generation_id], seed=3)

    assert (version.number, version.parent_id) == (1, "")
    assert version.split_counts == {"train": 48, "exam": 12}
    assert not version.dropped_counts
    rows = {}
    for side in ("train", "exam"):
        (lines,) = (await school.files(version.id, JSONL, side)).values()
        rows[side] = [json.loads(line) for line in lines.splitlines()]
    assert {row["id"] for side in rows.values() for row in side} == set(kept)
    for row in rows["train"]:
        system, asked, answer = row["messages"]
        assert system == {"role": "system", "content": "Be brief."}
        assert asked == {"role": "user", "content": kept[row["id"]].messages[0].content}
        assert answer == {"role": "assistant", "content": kept[row["id"]].messages[1].content}

    taught = {kept[row["id"]].quotes[0].span.start for row in rows["train"]}
    assert {kept[row["id"]].quotes[0].span.start for row in rows["exam"]} <= taught
    pairs = [
        (one["messages"][1]["content"], other["messages"][1]["content"])
        for one in rows["train"]
        for other in rows["exam"]
    ]
    assert max(similarity(normalise(one), normalise(other)) for one, other in pairs) < 0.7


async def test_a_version_has_the_files_of_each_format(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(10))
    version = await school.made(project_id)
    assert set(await school.files(version.id, JSONL)) == {"train.jsonl", "exam.jsonl"}
    assert set(await school.files(version.id, PARQUET, "exam")) == {"exam.parquet"}
    factory = await school.files(version.id, LLAMA_FACTORY)
    assert set(factory) == {"alpaca.json", "sharegpt.json", "dataset_info.json"}
    info = json.loads(factory["dataset_info.json"])
    assert {one["file_name"] for one in info.values()} == {"alpaca.json", "sharegpt.json"}
    assert len(json.loads(factory["alpaca.json"])) == version.split_counts["train"]
    exam = await school.files(version.id, LLAMA_FACTORY, "exam")
    assert set(exam) == {"alpaca_exam.json", "sharegpt_exam.json", "dataset_info.json"}

    stored = await school.files(version.id, PARQUET)
    assert set(stored) == {"train.parquet", "exam.parquet"}
    manifest = await school.manifest(version.id)
    assert content_sha256(manifest) == manifest["content_sha256"] == version.content_sha256
    digests = {file["name"]: file["sha256"] for file in manifest["files"]}
    assert digests["train.parquet"] == hashlib.sha256(stored["train.parquet"]).hexdigest()
    assert digests["alpaca.json"] == hashlib.sha256(factory["alpaca.json"]).hexdigest()
    assert manifest["facts_in_train"] == version.split_counts["exam"] == 6
    table = pq.read_table(io.BytesIO(stored["train.parquet"]))
    assert table.num_rows == 24
    assert {origin["model"] for origin in table.column("answer_origin").to_pylist()} == {"mock"}


async def test_equal_versions_have_equal_content_and_another_seed_another(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(15))
    first = await school.made(project_id, seed=1)
    again = await school.made(project_id, seed=1)
    other = await school.made(project_id, seed=2)
    assert first.content_sha256 == again.content_sha256 != other.content_sha256
    for wanted in (JSONL, LLAMA_FACTORY):
        assert await school.files(first.id, wanted) == await school.files(again.id, wanted)
    one, two = [(await school.files(version.id, PARQUET)) for version in (first, again)]
    assert one["train.parquet"] == two["train.parquet"]
    assert (await school.manifest(again.id))["parent_content_sha256"] == first.content_sha256

    assert [first.number, again.number, other.number] == [1, 2, 3]
    assert (again.parent_id, other.parent_id) == (first.id, again.id)
    page = await school.client.datasets.ListDatasetVersions(
        datasets.ListDatasetVersionsRequest(project_id=project_id, page_size=2)
    )
    rest = await school.client.datasets.ListDatasetVersions(
        datasets.ListDatasetVersionsRequest(
            project_id=project_id, page_size=2, page_token=page.next_page_token
        )
    )
    found = [*page.dataset_versions, *rest.dataset_versions]
    assert [one.id for one in found] == [other.id, again.id, first.id]


async def test_a_version_needs_a_kept_example(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, [rejected("No?")])
    with pytest.raises(ApiError) as error:
        await school.start_version(project_id)
    assert (error.value.code, error.value.reason) == ("FAILED_PRECONDITION", "NO_EXAMPLES")
    await school.imported(project_id, [question("Yes?")])
    with pytest.raises(ApiError) as error:
        await school.start_version(project_id, generation_ids=[new_id()])
    assert error.value.reason == "NO_EXAMPLES"


async def test_people_write_review_and_delete_examples(school: School) -> None:
    project_id = new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    assert (example.state, example.lineage) == (KEPT, example_pb2.Lineage())

    example.messages[1].content = "Ada Lovelace."
    example.state = REJECTED
    changed = await school.update(example, "messages")
    assert (changed.state, changed.messages[1].content) == (KEPT, "Ada Lovelace.")
    changed = await school.update(example, "state")
    assert (changed.state, changed.rejection.reason) == (REJECTED, "REVIEW")
    example.rejection.MergeFrom(failure_pb2.Failure(message="A countess.", metadata={"page": "7"}))
    changed = await school.update(example, "rejection")
    expected = failure_pb2.Failure(
        code="FAILED_PRECONDITION", reason="REVIEW", message="A countess.", metadata={"page": "7"}
    )
    assert changed.rejection == expected
    with pytest.raises(ApiError) as error:
        await school.start_version(project_id)
    assert error.value.reason == "NO_EXAMPLES"
    example.state = KEPT
    changed = await school.update(example, "state")
    assert (changed.state, changed.HasField("rejection")) == (KEPT, False)

    got = await school.client.examples.GetExample(examples.GetExampleRequest(id=example.id))
    assert got.example == changed
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    with pytest.raises(ApiError) as error:
        await school.client.examples.GetExample(examples.GetExampleRequest(id=example.id))
    assert (error.value.code, error.value.reason) == ("NOT_FOUND", "EXAMPLE_NOT_FOUND")


async def test_wrong_examples_and_changes_are_refused_with_their_field(school: School) -> None:
    project_id = new_id()
    with pytest.raises(ApiError) as error:
        await school.create(project_id=project_id, messages=turns("Who?"))
    assert (error.value.reason, error.value.field) == ("MESSAGES_INVALID", "example.messages")
    with pytest.raises(ApiError) as error:
        await school.create(project_id=project_id, messages=turns("Who?", "A\0da"))
    assert error.value.field == "example.messages[1].content"
    with pytest.raises(ApiError) as error:
        await school.create(project_id=FakeProjects.missing, messages=turns("Who?", "Ada."))
    assert error.value.reason == "PROJECT_NOT_FOUND"

    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    for change, paths, field_name in [
        (example_pb2.Example(id=example.id), ["state"], "example.state"),
        (example_pb2.Example(id=example.id), ["messages"], "example.messages"),
        (example_pb2.Example(id=example.id), ["id"], "update_mask"),
        (example_pb2.Example(id="no uuid", state=KEPT), ["state"], "request"),
        (example_pb2.Example(id=example.id), ["rejection"], "example.rejection.message"),
        (
            example_pb2.Example(id=example.id, rejection=failure_pb2.Failure(message="No.")),
            ["rejection"],
            "example.rejection",
        ),
        (
            example_pb2.Example(id=example.id, state=REJECTED, messages=[message_pb2.Message(content="x")]),
            ["state", "messages"],
            "example.messages[0].role",
        ),
    ]:
        with pytest.raises(ApiError) as error:
            await school.update(change, *paths)
        assert (error.value.code, error.value.field) == ("INVALID_ARGUMENT", field_name)


async def test_what_a_version_holds_is_listed_as_its_files_have_it(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(6))
    sources = {one.id: one for one in await school.listed(project_id)}
    version = await school.made(project_id, system_prompt="Be brief.")
    by_side = {side: await school.held(version.id, split=split) for side, split in SPLITS.items()}
    assert await school.held(version.id) == [*by_side["train"], *by_side["exam"]]
    assert {side: len(found) for side, found in by_side.items()} == version.split_counts
    for side, found in by_side.items():
        (lines,) = (await school.files(version.id, JSONL, side)).values()
        assert [(one.example_id, said(one)) for one in found] == [
            (row["id"], [(each["role"], each["content"]) for each in row["messages"]])
            for row in map(json.loads, lines.splitlines())
        ]
        assert [one.position for one in found] == list(range(len(found)))
        assert {one.split for one in found} == {SPLITS[side]}
        for one in found:
            source = sources[one.example_id]
            assert list(one.messages[1:]) == list(source.messages)
            assert one.messages[0].content == "Be brief."
            assert list(one.quotes) == list(source.quotes)
            assert (one.kind, one.lineage) == (source.kind, source.lineage)


def said(held: Held) -> list[tuple[str, str]]:
    names = {message_pb2.ROLE_SYSTEM: "system", message_pb2.ROLE_USER: "user"}
    return [(names.get(message.role, "assistant"), message.content) for message in held.messages]


async def test_a_version_keeps_its_copy_of_a_changed_or_deleted_example(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(4))
    version = await school.made(project_id)
    files, held = await school.files(version.id, JSONL), await school.held(version.id)
    changed, deleted, *_ = await school.listed(project_id)
    changed.messages[1].content = "Changed."
    await school.update(changed, "messages")
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=deleted.id))
    assert await school.files(version.id, JSONL) == files
    assert await school.held(version.id) == held
    assert len(held) == 12
    assert (await school.version(version.id)).split_counts == version.split_counts


async def test_pages_of_long_examples_end_before_they_are_too_large_for_a_client(school: School) -> None:
    project_id = new_id()
    for number in range(3):
        await school.create(
            project_id=project_id, messages=turns(f"Who is {name_of(number)}?", "x" * 700_000)
        )
    version = await school.made(project_id, exam_share=0)
    listed = examples.ListExamplesRequest(project_id=project_id)
    assert len((await school.client.examples.ListExamples(listed)).examples) == 1
    held = datasets.ListDatasetVersionExamplesRequest(dataset_version_id=version.id)
    page = await school.client.datasets.ListDatasetVersionExamples(held)
    assert len(page.dataset_version_examples) == 1
    assert len(await school.held(version.id)) == len(await school.listed(project_id)) == 3


async def test_exam_items_by_hand_are_examined_and_never_trained_on(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(4))
    item = await school.create(
        project_id=project_id,
        kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM,
        messages=turns(FORMS[0].format(n=name_of(0)) + "!", "0 g"),
    )
    version = await school.made(project_id, exam_share=0)
    exam = await school.held(version.id, split=versions.DATASET_SPLIT_EXAM)
    assert [(one.example_id, one.kind) for one in exam] == [(item.id, item.kind)]
    assert version.dropped_counts == {"NEAR_COPY": 1}
    assert version.split_counts == {"train": 11, "exam": 1}


async def test_a_deleted_version_leaves_no_object_and_gives_its_number_to_none(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(2))
    version = await school.made(project_id)
    request = datasets.DeleteDatasetVersionRequest(id=version.id)
    assert (await school.client.datasets.DeleteDatasetVersion(request)).deleted_objects == 11
    for read in (school.version(version.id), school.held(version.id)):
        with pytest.raises(ApiError) as error:
            await read
        assert error.value.reason == "DATASET_VERSION_NOT_FOUND"
    assert len(await school.listed(project_id)) == 6
    assert (await school.made(project_id)).number == 2


async def test_deleting_a_project_says_what_is_gone(school: School) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(2))
    await school.made(project_id)
    request = DeleteProjectDataRequest(project_id=project_id)
    gone = await school.client.project_data("dataset").DeleteProjectData(request)
    assert gone.deleted_rows["dataset.examples"] == 6
    assert gone.deleted_rows["dataset.dataset_versions"] == 1
    assert gone.deleted_rows["dataset.dataset_version_examples"] == 6
    assert gone.deleted_objects == 11
    assert not await school.listed(project_id)
    again = await school.client.project_data("dataset").DeleteProjectData(request)
    assert not any(again.deleted_rows.values())


async def test_an_import_survives_killed_workers_and_doubles_nothing(idle_school: School) -> None:
    school, project_id, count = idle_school, new_id(), 300
    school.generations.largest_page, school.generations.page_seconds = 5, 0.1
    generation_id = school.generations.add(project_id, [question(f"What is {at}?") for at in range(count)])
    job = await school.start_import(project_id, generation_id)
    for share in (0.1, 0.4):

        async def stored_some(wanted: float = share * count) -> bool:
            return len(await school.listed(project_id)) >= wanted

        async with started_room(school.stores, "dataset", "worker") as worker:
            await eventually(stored_some)
            await worker.kill()
        assert len(await school.listed(project_id)) < count
    school.generations.page_seconds = 0.0
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(job)).state == job_pb2.JOB_STATE_SUCCEEDED
    questions = [one.lineage.question_ids[0] for one in await school.listed(project_id)]
    assert len(questions) == len(set(questions)) == count


async def test_a_version_in_the_making_is_not_handed_over_and_can_be_cancelled(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    request_id = new_id()
    version = await school.start_version(project_id, request_id)
    assert (await school.start_version(project_id, request_id)).id == version.id
    assert version.state == versions.DATASET_VERSION_STATE_MAKING
    assert (version.options.exam_share, version.options.near_copy_threshold) == (0.2, 0.7)
    assert (version.options.HasField("seed"), version.options.seed) == (True, 0)
    for read in (school.files(version.id, JSONL), school.held(version.id)):
        with pytest.raises(ApiError) as error:
            await read
        assert (error.value.code, error.value.reason) == ("FAILED_PRECONDITION", "DATASET_VERSION_NOT_READY")
    await school.client.jobs("dataset").CancelJob(job_service_pb2.CancelJobRequest(id=version.job.id))
    assert (await school.version(version.id)).state == versions.DATASET_VERSION_STATE_FAILED
    request = datasets.DeleteDatasetVersionRequest(id=version.id)
    assert (await school.client.datasets.DeleteDatasetVersion(request)).deleted_objects == 0


async def test_a_version_whose_examples_are_gone_fails_and_comes_back_to_life(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    example = await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    version = await school.start_version(project_id)
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=example.id))
    async with started_room(school.stores, "dataset", "worker"):
        assert (await school.ended(version.job)).state == job_pb2.JOB_STATE_FAILED
        assert (await school.version(version.id)).state == versions.DATASET_VERSION_STATE_FAILED
        await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
        await school.client.jobs("dataset").RetryJob(job_service_pb2.RetryJobRequest(id=version.job.id))
        await school.ended(version.job)
    assert (await school.version(version.id)).state == READY


async def test_versions_made_at_once_do_not_wait_for_each_others_connections(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    started = [await school.start_version(project_id) for _ in range(8)]
    narrow = {"SISHU_DATABASE_CONNECTIONS": "4", "SISHU_DATASET_CONCURRENCY": "8"}
    async with started_room(school.stores, "dataset", "worker", env=narrow):
        for version in started:
            assert (await school.ended(version.job, 60.0)).state == job_pb2.JOB_STATE_SUCCEEDED


async def test_a_version_waits_for_a_bucket_that_is_away(idle_school: School) -> None:
    school, project_id = idle_school, new_id()
    for name in ("Who?", "Where?", "When exactly?"):
        await school.create(project_id=project_id, messages=turns(name, "Ada."))
    async with started_room(school.stores, "dataset", "worker") as worker:
        await school.stores.servers.s3.stop()
        version = await school.start_version(project_id)

        async def retried() -> bool:
            return "item_retried" in worker.log()

        await eventually(retried, 60.0)
        await school.stores.servers.s3.start()
        await school.ended(version.job)
    assert (await school.version(version.id)).state == READY
    assert set(await school.files(version.id, JSONL)) == {"train.jsonl", "exam.jsonl"}
