"""The inference room with the real engine, Postgres and S3; the rooms that it reads are stand-ins.

A test module makes its own school of these, with two deployments that answer:

    tokenizer, folder = engine_fixtures.tokenizer, engine_fixtures.folder
    school = pytest_asyncio.fixture(scope="module")(started_school)
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import torch
from safetensors.torch import save_file

from services.runtime.base_models import describe_base_model
from services.runtime.convert import stored_object
from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.server import Servicer
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1 import job_service_pb2, message_pb2, text_span_pb2
from sishu.common.v1.object_pb2 import StoredObject
from sishu.dataset.v1 import (
    dataset_service_pb2,
    dataset_service_pb2_grpc,
    dataset_version_pb2,
    example_pb2,
)
from sishu.inference.v1 import chat_pb2, deployment_pb2, exam_pb2
from sishu.inference.v1 import chat_service_pb2 as chat
from sishu.inference.v1 import deployment_service_pb2 as deployments
from sishu.inference.v1 import exam_service_pb2 as exams
from sishu.trainer.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from tests.integration.processes import eventually
from tests.integration.stand_ins import serving
from tests.integration.stores import HOST, Room, Servers, Stores, fresh_stores, started_room

LOAD_SECONDS = 240.0
PAGE = 7
LOADING = deployment_pb2.DEPLOYMENT_STATE_LOADING
READY = deployment_pb2.DEPLOYMENT_STATE_READY
FAILED = deployment_pb2.DEPLOYMENT_STATE_FAILED


@dataclass
class FakeModels(model_service_pb2_grpc.ModelServiceServicer):
    """A trainer room's models, with real files in the bucket; counts how often it was asked for each."""

    storage: Storage
    project_id: str
    models: dict[str, model_pb2.Model] = field(default_factory=dict)
    files: dict[str, list[StoredObject]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def add_base(self, name: str, source: Path, sha256: str = "") -> str:
        model = model_pb2.Model(
            id=new_id(),
            project_id=self.project_id,
            name=name,
            kind=model_pb2.MODEL_KIND_BASE,
            source=str(source),
            state=model_pb2.MODEL_STATE_READY,
            sha256=sha256,
        )
        self.models[model.id] = model
        return model.id

    async def add_adapter(self, name: str, base_model_id: str, adapter: Path) -> str:
        model = model_pb2.Model(
            id=new_id(),
            project_id=self.project_id,
            name=name,
            kind=model_pb2.MODEL_KIND_ADAPTER,
            base_model_id=base_model_id,
            state=model_pb2.MODEL_STATE_READY,
        )
        self.models[model.id] = model
        self.files[model.id] = []
        for path in await asyncio.to_thread(lambda: sorted(adapter.iterdir())):
            key = f"models/{self.project_id}/{model.id}/{path.name}"
            info = await self.storage.put_file(key, path)
            link = await self.storage.link_to_get(key)
            self.files[model.id].append(stored_object(path.name, key, info.size, info.sha256, link))
        return model.id

    async def GetModel(  # the name in the proto
        self, request: model_service_pb2.GetModelRequest, _context: Context
    ) -> model_service_pb2.GetModelResponse:
        self.asked[request.id] += 1
        if request.id not in self.models:
            raise NotFound("MODEL_NOT_FOUND", f"there is no model {request.id}")
        return model_service_pb2.GetModelResponse(model=self.models[request.id])

    async def GetModelFiles(  # the name in the proto
        self, request: model_service_pb2.GetModelFilesRequest, _context: Context
    ) -> model_service_pb2.GetModelFilesResponse:
        return model_service_pb2.GetModelFilesResponse(files=self.files[request.id])


@dataclass
class FakeDatasets(dataset_service_pb2_grpc.DatasetServiceServicer):
    """A dataset room's versions, with the examples of their exam split as the versions hold them."""

    project_id: str
    versions: dict[str, list[dataset_version_pb2.DatasetVersionExample]] = field(default_factory=dict)
    making: set[str] = field(default_factory=set)

    def add_version(self, pairs: Sequence[tuple[str, str]], system_prompt: str = "") -> str:
        version_id = new_id()
        self.versions[version_id] = [
            self.held(position, pair, system_prompt) for position, pair in enumerate(pairs)
        ]
        return version_id

    def held(
        self, position: int, pair: tuple[str, str], system_prompt: str
    ) -> dataset_version_pb2.DatasetVersionExample:
        question, answer = pair
        quote = text_span_pb2.Quote(
            text=answer,
            chunk_id=new_id(),
            document_id=new_id(),
            document_version=2,
            span=text_span_pb2.TextSpan(start=5, end=5 + len(answer)),
        )
        return dataset_version_pb2.DatasetVersionExample(
            example_id=new_id(),
            split=dataset_version_pb2.DATASET_SPLIT_EXAM,
            position=position,
            kind=example_pb2.EXAMPLE_KIND_SFT,
            messages=conversation(system_prompt, question, answer),
            quotes=[quote],
        )

    async def GetDatasetVersion(  # the name in the proto
        self, request: dataset_service_pb2.GetDatasetVersionRequest, _context: Context
    ) -> dataset_service_pb2.GetDatasetVersionResponse:
        if request.id not in self.versions:
            raise NotFound("DATASET_VERSION_NOT_FOUND", f"there is no dataset version {request.id}")
        state = "MAKING" if request.id in self.making else "READY"
        version = dataset_version_pb2.DatasetVersion(
            id=request.id,
            project_id=self.project_id,
            state=dataset_version_pb2.DatasetVersionState.Value(f"DATASET_VERSION_STATE_{state}"),
        )
        return dataset_service_pb2.GetDatasetVersionResponse(dataset_version=version)

    async def ListDatasetVersionExamples(  # the name in the proto
        self, request: dataset_service_pb2.ListDatasetVersionExamplesRequest, _context: Context
    ) -> dataset_service_pb2.ListDatasetVersionExamplesResponse:
        assert request.split == dataset_version_pb2.DATASET_SPLIT_EXAM
        start = int(request.page_token or 0)
        found = self.versions[request.dataset_version_id]
        more = str(start + PAGE) if start + PAGE < len(found) else ""
        return dataset_service_pb2.ListDatasetVersionExamplesResponse(
            dataset_version_examples=found[start : start + PAGE], next_page_token=more
        )


def conversation(system_prompt: str, question: str, *answers: str) -> list[message_pb2.Message]:
    """A question, after the system prompt where there is one, and perhaps the answer to it."""
    system = [said("system", system_prompt)] if system_prompt else []
    return [*system, said("user", question), *(said("assistant", answer) for answer in answers)]


def turns(messages: Sequence[message_pb2.Message]) -> list[chat_pb2.ChatMessage]:
    return [chat_pb2.ChatMessage(role=message.role, content=message.content) for message in messages]


def said(role: str, content: str) -> message_pb2.Message:
    return message_pb2.Message(role=message_pb2.Role.Value(f"ROLE_{role.upper()}"), content=content)


@dataclass
class School:
    """The room, what it reads, and what the tests ask of it."""

    stores: Stores
    client: Client
    room: Room
    models: FakeModels
    datasets: FakeDatasets
    base: str = ""
    tuned: str = ""

    @property
    def project_id(self) -> str:
        return self.models.project_id

    async def deploy(self, model_id: str, request_id: str = "") -> deployment_pb2.Deployment:
        wanted = deployment_pb2.Deployment(project_id=self.project_id, model_id=model_id)
        request = deployments.CreateDeploymentRequest(deployment=wanted, request_id=request_id)
        return (await self.client.deployments.CreateDeployment(request)).deployment

    async def get(self, deployment_id: str) -> deployment_pb2.Deployment:
        request = deployments.GetDeploymentRequest(id=deployment_id)
        return (await self.client.deployments.GetDeployment(request)).deployment

    async def settled(self, deployment_id: str) -> deployment_pb2.Deployment:
        """The deployment once it is READY or FAILED."""
        request = deployments.WatchDeploymentRequest(id=deployment_id)
        async with asyncio.timeout(LOAD_SECONDS):
            sights = [sight.deployment async for sight in self.client.deployments.WatchDeployment(request)]
        return sights[-1]

    async def unload(self, deployment_id: str) -> None:
        await self.client.deployments.DeleteDeployment(deployments.DeleteDeploymentRequest(id=deployment_id))

    def chat(
        self, deployment_id: str, text: str, max_tokens: int = 12, system_prompt: str = ""
    ) -> AsyncIterator[chat.ChatResponse]:
        request = chat.ChatRequest(
            deployment_id=deployment_id,
            messages=turns(conversation(system_prompt, text)),
            sampling=message_pb2.Sampling(temperature=0, max_tokens=max_tokens),
        )
        return aiter(self.client.chat.Chat(request))

    async def answer(
        self, deployment_id: str, text: str, max_tokens: int = 12, system_prompt: str = ""
    ) -> str:
        pieces = self.chat(deployment_id, text, max_tokens, system_prompt)
        return "".join([piece.content async for piece in pieces])

    async def metric(self, name: str) -> float:
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"http://{HOST}:{self.room.metrics_port}/metrics")).text
        [value] = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)]
        return float(value)

    def log(self, deployment_id: str) -> Path:
        return self.stores.home / "deployments" / f"{deployment_id}.log"

    def engine_pid(self, deployment_id: str) -> int:
        ready = self.log(deployment_id).with_suffix(".ready.json")
        return int(json.loads(ready.read_text(encoding="utf-8"))["pid"])

    async def active(self, deployment: deployment_pb2.Deployment) -> int:
        """Answers that the engine is writing now."""
        async with httpx.AsyncClient() as http:
            health = await http.get(deployment.base_url.removesuffix("/v1") + "/health")
        return int(health.json()["active"])

    async def create_exam(
        self, version_id: str, *arms: tuple[str, str], request_id: str = ""
    ) -> exam_pb2.Exam:
        exam = exam_pb2.Exam(
            project_id=self.project_id,
            dataset_version_id=version_id,
            arms=[exam_pb2.ExamArm(name=name, deployment_id=deployment) for name, deployment in arms],
        )
        request = exams.CreateExamRequest(exam=exam, request_id=request_id)
        return (await self.client.exams.CreateExam(request)).exam

    async def cancel(self, exam: exam_pb2.Exam) -> None:
        request = job_service_pb2.CancelJobRequest(id=exam.job.id)
        await self.client.jobs("inference").CancelJob(request)

    async def exam(self, exam_id: str) -> exam_pb2.Exam:
        return (await self.client.exams.GetExam(exams.GetExamRequest(id=exam_id))).exam

    async def results(self, exam_id: str, arm: str = "") -> list[exam_pb2.ExamResult]:
        """All results, page by page."""
        found: list[exam_pb2.ExamResult] = []
        token = ""
        while True:
            request = exams.ListExamResultsRequest(exam_id=exam_id, arm=arm, page_size=17, page_token=token)
            page = await self.client.exams.ListExamResults(request)
            found += page.exam_results
            token = page.next_page_token
            if not token:
                return found

    async def done(self, exam_id: str, items: int, seconds: float = 120.0) -> None:
        """Wait until an exam has at least so many results."""

        async def there() -> bool:
            job = (await self.exam(exam_id)).job
            assert job.counts.failed == 0, await self.failures(job.id)
            return job.counts.done >= items

        await eventually(there, seconds)

    async def failures(self, job_id: str) -> list[str]:
        request = job_service_pb2.ListJobFailuresRequest(job_id=job_id)
        page = await self.client.jobs("inference").ListJobFailures(request)
        return [one.failure.message for one in page.job_failures]

    @asynccontextmanager
    async def worker(self, concurrency: int = 2) -> AsyncIterator[Room]:
        arguments = ("worker", "--concurrency", str(concurrency))
        async with started_room(self.stores, "inference", *arguments) as worker:
            yield worker


def make_adapter(path: Path) -> Path:
    """A LoRA adapter for the tiny Llama that changes what it says."""
    path.mkdir()
    torch.manual_seed(1)
    prefix = "base_model.model.model.layers"
    tensors = {
        f"{prefix}.{layer}.self_attn.o_proj.lora_{part}.weight": torch.randn(shape)
        for layer in (0, 1)
        for part, shape in (("A", (4, 48)), ("B", (48, 4)))
    }
    save_file(tensors, path / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "tiny", "r": 4,
        "lora_alpha": 8, "target_modules": ["o_proj"], "inference_mode": True,
    }  # fmt: skip
    (path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


@asynccontextmanager
async def opened(servers: Servers) -> AsyncIterator[School]:
    """The room with its stand-ins; it leaves its queue to workers."""
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(fresh_stores(servers))
        storage = await stack.enter_async_context(stores.storage())
        # The rpcs that nobody calls here answer UNIMPLEMENTED.
        models = FakeModels(storage, new_id())  # type: ignore[abstract]
        datasets = FakeDatasets(models.project_id)  # type: ignore[abstract]
        add_models = model_service_pb2_grpc.add_ModelServiceServicer_to_server
        add_datasets = dataset_service_pb2_grpc.add_DatasetServiceServicer_to_server
        await stack.enter_async_context(
            serving(stores, "trainer", Servicer("sishu.trainer.v1.ModelService", add_models, models))
        )
        await stack.enter_async_context(
            serving(
                stores,
                "dataset",
                Servicer("sishu.dataset.v1.DatasetService", add_datasets, datasets),
            )
        )
        environment = {"SISHU_INFERENCE_CONCURRENCY": "0"}
        room = await stack.enter_async_context(started_room(stores, "inference", env=environment))
        client = await stack.enter_async_context(stores.client())
        yield School(stores, client, room, models, datasets)


async def started_school(
    servers: Servers, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[School]:
    """A school with two deployments that answer: a base model, and an adapter for it."""
    async with opened(servers) as school:
        adapter = make_adapter(tmp_path_factory.mktemp("trained") / "adapter")
        base = school.models.add_base("tiny", folder, describe_base_model(folder).sha256)
        tuned = await school.models.add_adapter("--tiny tuned", base, adapter)
        school.base, school.tuned = [(await school.deploy(model)).id for model in (base, tuned)]
        for deployment_id in (school.base, school.tuned):
            deployment = await school.settled(deployment_id)
            assert deployment.state == READY, deployment.failure
        yield school
