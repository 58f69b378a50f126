"""The dataset room with stand-ins of the rooms that it reads, and what its tests ask of it."""

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
from google.protobuf.field_mask_pb2 import FieldMask

from services.runtime.errors import NotFound
from services.runtime.ids import derived_id, new_id
from services.runtime.interceptors import Context
from services.runtime.server import Servicer
from sishu.client import Client
from sishu.common.v1 import (
    failure_pb2,
    job_pb2,
    job_service_pb2,
    message_pb2,
    origin_pb2,
    text_span_pb2,
)
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import dataset_version_pb2 as versions
from sishu.dataset.v1 import example_filter_pb2, example_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.generation.v1 import (
    candidate_service_pb2_grpc,
    generation_service_pb2_grpc,
    question_pb2,
    question_service_pb2_grpc,
    tag_service_pb2_grpc,
)
from sishu.inference.v1 import exam_pb2, exam_service_pb2, exam_service_pb2_grpc
from sishu.ingest.v1 import project_pb2, project_service_pb2, project_service_pb2_grpc
from sishu.learn.jobs import start_import
from sishu.trainer.v1 import training_run_pb2, training_service_pb2, training_service_pb2_grpc
from tests.integration.fake_documents import FakeDocuments, FakeTags, document_servicers
from tests.integration.fake_generations import FakeGenerations
from tests.integration.stand_ins import serving
from tests.integration.stores import HOST, Room, Servers, Stores, fresh_stores, started_room

READY = versions.DATASET_VERSION_STATE_READY
KEPT, REJECTED = example_pb2.EXAMPLE_STATE_KEPT, example_pb2.EXAMPLE_STATE_REJECTED
ANSWERED = question_pb2.QUESTION_STATE_ANSWERED
ENDED = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
SPLITS = {
    "train": versions.DATASET_SPLIT_TRAIN,
    "validation": versions.DATASET_SPLIT_VALIDATION,
    "exam": versions.DATASET_SPLIT_EXAM,
}
Held = versions.DatasetVersionExample
FORMS = ["What does heron {n} weigh?", "请问苍鹭{n}有多重？", "Tell me how heavy {n} is."]


class FakeProjects(project_service_pb2_grpc.ProjectServiceServicer):
    """An ingest room in which every project exists but one."""

    missing = "00000000-0000-7000-8000-000000000000"

    async def GetProject(  # the name in the proto
        self, request: project_service_pb2.GetProjectRequest, _context: Context
    ) -> project_service_pb2.GetProjectResponse:
        if request.id == self.missing:
            raise NotFound("PROJECT_NOT_FOUND", f"there is no project {request.id}")
        return project_service_pb2.GetProjectResponse(project=project_pb2.Project(id=request.id))


@dataclass
class FakeLater(training_service_pb2_grpc.TrainingServiceServicer, exam_service_pb2_grpc.ExamServiceServicer):
    """Trainer and inference rooms with some runs and exams, a page each."""

    runs: list[training_run_pb2.TrainingRun] = field(default_factory=list)
    exams: list[exam_pb2.Exam] = field(default_factory=list)

    async def ListTrainingRuns(  # the name in the proto
        self, request: training_service_pb2.ListTrainingRunsRequest, _context: Context
    ) -> training_service_pb2.ListTrainingRunsResponse:
        place = int(request.page_token or 0)
        more = str(place + 1) if place + 1 < len(self.runs) else ""
        found = self.runs[place : place + 1]
        return training_service_pb2.ListTrainingRunsResponse(training_runs=found, next_page_token=more)

    async def ListExams(  # the name in the proto
        self, request: exam_service_pb2.ListExamsRequest, _context: Context
    ) -> exam_service_pb2.ListExamsResponse:
        place = int(request.page_token or 0)
        more = str(place + 1) if place + 1 < len(self.exams) else ""
        return exam_service_pb2.ListExamsResponse(exams=self.exams[place : place + 1], next_page_token=more)


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
        chunk_ids=[fact.chunk_id],
        document_ids=[document_id],
        fact_id=derived_id(document_id, str(place)),
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
    later: FakeLater
    documents: FakeDocuments
    tags: FakeTags

    async def ended(self, job: job_pb2.Job, seconds: float = 90.0) -> job_pb2.Job:
        request = job_service_pb2.WatchJobRequest(id=job.id)
        async with asyncio.timeout(seconds):
            async for answer in self.client.jobs("dataset").WatchJob(request):
                if answer.job.state in ENDED:
                    return answer.job
        raise AssertionError("the stream ended before the job")

    async def start_import(self, project_id: str, generation_id: str, request_id: str = "") -> job_pb2.Job:
        return (await start_import(self.client, project_id, [generation_id], request_id)).job

    async def imported(self, project_id: str, questions: list[question_pb2.Question]) -> str:
        generation_id = self.generations.add(project_id, questions)
        job = await self.ended(await self.start_import(project_id, generation_id))
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED
        return generation_id

    async def listed(
        self, project_id: str, order: str = "OLDEST", page_size: int = 40, **filters: Any
    ) -> list[example_pb2.Example]:
        found: list[example_pb2.Example] = []
        request = examples.ListExamplesRequest(
            project_id=project_id,
            filter=example_filter_pb2.ExampleFilter(**filters),
            order=example_filter_pb2.ExampleOrder.Value(f"EXAMPLE_ORDER_{order}"),
            page_size=page_size,
        )
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

    async def files(self, version_id: str, split: str = "") -> dict[str, bytes]:
        """The files of a version by name, those of one split or all, held against their size and SHA-256."""
        async with self.stores.pool("dataset", 1) as pool, self.stores.storage() as storage:
            files = await pool.fetchval("SELECT files FROM dataset_versions WHERE id = $1", version_id)
            found = {}
            for file in files:
                if split in ("", file["split"]):
                    content = await storage.get_bytes(file["key"])
                    assert len(content) == file["size_bytes"]
                    assert hashlib.sha256(content).hexdigest() == file["sha256"]
                    found[file["name"]] = content
        return found

    async def shards(self, version_id: str, split: str = "") -> dict[str, bytes]:
        """The Parquet files of a version by name."""
        found = await self.files(version_id, split)
        found.pop("manifest.json", None)
        return found

    async def rows(self, version_id: str, split: str) -> list[dict[str, Any]]:
        """Ids and messages, roles and contents only, as the shards of a split have them."""
        found = []
        for content in (await self.shards(version_id, split)).values():
            table = pq.read_table(io.BytesIO(content), columns=["id", "content"])
            for row in table.to_pylist():
                messages = json.loads(row["content"])["messages"]
                said = [{"role": one["role"], "content": one["content"]} for one in messages]
                found.append({"id": row["id"], "messages": said})
        return found

    async def manifest(self, version_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await self.files(version_id))["manifest.json"])
        return found

    async def create(self, request_id: str = "", **fields: Any) -> example_pb2.Example:
        wanted = example_pb2.Example(**{"kind": example_pb2.EXAMPLE_KIND_SFT, **fields})
        request = examples.CreateExampleRequest(example=wanted, request_id=request_id)
        return (await self.client.examples.CreateExample(request)).example

    async def update(self, example: example_pb2.Example, *paths: str) -> example_pb2.Example:
        request = examples.UpdateExampleRequest(example=example, update_mask=FieldMask(paths=paths))
        return (await self.client.examples.UpdateExample(request)).example


async def closed_items(room: Room, kind: str) -> float:
    """How many items of a kind a process of the room has given up because their job was cancelled."""
    name = f'sishu_dataset_items_total{{kind="{kind}",outcome="closed"}} '
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{HOST}:{room.metrics_port}/metrics")).text
    return float(text.partition(name)[2].partition("\n")[0] or 0)


@asynccontextmanager
async def started_school(servers: Servers, **env: str) -> AsyncIterator[School]:
    # The other rpcs of the stand-ins answer UNIMPLEMENTED.
    generations = FakeGenerations()  # type: ignore[abstract]
    documents = FakeDocuments()  # type: ignore[abstract]
    projects = FakeProjects()  # type: ignore[abstract]
    marks = FakeTags()  # type: ignore[abstract]
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
        Servicer(
            "sishu.generation.v1.CandidateService",
            candidate_service_pb2_grpc.add_CandidateServiceServicer_to_server,
            generations,
        ),
    ]
    project_service = Servicer(
        "sishu.ingest.v1.ProjectService",
        project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
        projects,
    )
    tags = Servicer(
        "sishu.generation.v1.TagService",
        tag_service_pb2_grpc.add_TagServiceServicer_to_server,
        marks,
    )
    later = FakeLater()  # type: ignore[abstract]
    training = Servicer(
        "sishu.trainer.v1.TrainingService",
        training_service_pb2_grpc.add_TrainingServiceServicer_to_server,
        later,
    )
    examining = Servicer(
        "sishu.inference.v1.ExamService", exam_service_pb2_grpc.add_ExamServiceServicer_to_server, later
    )
    async with (
        fresh_stores(servers) as stores,
        serving(stores, "trainer", training),
        serving(stores, "inference", examining),
        serving(stores, "generation", *asked, tags),
        serving(stores, "ingest", project_service, *document_servicers(documents)),
        started_room(stores, "dataset", env=env) as room,
        stores.client() as client,
    ):
        yield School(stores, client, room, generations, later, documents, marks)
