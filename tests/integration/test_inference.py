"""The inference room with the real engine, Postgres and S3; the rooms that it reads are stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio
import torch
from safetensors.torch import save_file

from services.inference.scoring import token_f1
from services.runtime.base_models import describe_base_model
from services.runtime.convert import stored_object
from services.runtime.errors import NotFound
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2, message_pb2, text_span_pb2
from sishu.common.v1.object_pb2 import StoredObject
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import (
    dataset_service_pb2,
    dataset_service_pb2_grpc,
    dataset_version_pb2,
    example_pb2,
    example_service_pb2,
    example_service_pb2_grpc,
)
from sishu.errors import ApiError
from sishu.inference.v1 import chat_service_pb2 as chat
from sishu.inference.v1 import deployment_pb2, exam_pb2
from sishu.inference.v1 import deployment_service_pb2 as deployments
from sishu.inference.v1 import exam_service_pb2 as exams
from sishu.trainer.v1 import model_pb2, model_service_pb2, model_service_pb2_grpc
from tests.integration.processes import eventually
from tests.integration.stores import HOST, Room, Servers, Stores, fresh_stores, started_room
from tests.unit.inference.engine import conftest as engine_fixtures

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

tokenizer = engine_fixtures.tokenizer
folder = engine_fixtures.folder

LOAD_SECONDS = 240.0
PAGE = 7
QUESTIONS = 30
LOADING = deployment_pb2.DEPLOYMENT_STATE_LOADING
READY = deployment_pb2.DEPLOYMENT_STATE_READY
FAILED = deployment_pb2.DEPLOYMENT_STATE_FAILED


@dataclass
class FakeModels(model_service_pb2_grpc.ModelServiceServicer):
    """A trainer room's models, with real files in the bucket."""

    storage: Storage
    project_id: str
    models: dict[str, model_pb2.Model] = field(default_factory=dict)
    files: dict[str, list[StoredObject]] = field(default_factory=dict)

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
        if request.id not in self.models:
            raise NotFound("MODEL_NOT_FOUND", f"there is no model {request.id}")
        return model_service_pb2.GetModelResponse(model=self.models[request.id])

    async def GetModelFiles(  # the name in the proto
        self, request: model_service_pb2.GetModelFilesRequest, _context: Context
    ) -> model_service_pb2.GetModelFilesResponse:
        return model_service_pb2.GetModelFilesResponse(files=self.files[request.id])


@dataclass
class FakeDatasets(
    dataset_service_pb2_grpc.DatasetServiceServicer, example_service_pb2_grpc.ExampleServiceServicer
):
    """A dataset room's versions, with the examples of their exam split."""

    project_id: str
    versions: dict[str, list[example_pb2.Example]] = field(default_factory=dict)
    making: set[str] = field(default_factory=set)

    def add_version(self, pairs: Sequence[tuple[str, str]]) -> str:
        version_id = new_id()
        self.versions[version_id] = [self.example(question, answer) for question, answer in pairs]
        return version_id

    def example(self, question: str, answer: str) -> example_pb2.Example:
        quote = text_span_pb2.Quote(
            text=answer,
            chunk_id=new_id(),
            document_id=new_id(),
            document_version=2,
            span=text_span_pb2.TextSpan(start=5, end=5 + len(answer)),
        )
        return example_pb2.Example(
            id=new_id(),
            project_id=self.project_id,
            kind=example_pb2.EXAMPLE_KIND_SFT,
            messages=[said("user", question), said("assistant", answer)],
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

    async def ListExamples(  # the name in the proto
        self, request: example_service_pb2.ListExamplesRequest, _context: Context
    ) -> example_service_pb2.ListExamplesResponse:
        assert (request.project_id, request.split) == (self.project_id, "exam")
        start = int(request.page_token or 0)
        found = self.versions[request.dataset_version_id]
        more = str(start + PAGE) if start + PAGE < len(found) else ""
        return example_service_pb2.ListExamplesResponse(
            examples=found[start : start + PAGE], next_page_token=more
        )


@asynccontextmanager
async def serving(stores: Stores, room: str, *servicers: Servicer) -> AsyncIterator[None]:
    """Serve stand-ins where the rooms look for `room`."""
    server = Server(servicers, "", RuntimeMetrics(room))
    await server.start(HOST, int(stores.addresses[room].rpartition(":")[2]))
    try:
        yield
    finally:
        await server.drain()


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

    def chat(self, deployment_id: str, text: str, max_tokens: int = 12) -> AsyncIterator[chat.ChatResponse]:
        request = chat.ChatRequest(
            deployment_id=deployment_id,
            messages=[said("user", text)],
            sampling=message_pb2.Sampling(temperature=0, max_tokens=max_tokens),
        )
        return aiter(self.client.chat.Chat(request))

    async def answer(self, deployment_id: str, text: str, max_tokens: int = 12) -> str:
        return "".join([piece.content async for piece in self.chat(deployment_id, text, max_tokens)])

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

    async def done(self, exam_id: str, items: int) -> None:
        """Wait until an exam has at least so many results."""

        async def there() -> bool:
            job = (await self.exam(exam_id)).job
            assert job.counts.failed == 0, await self.failures(job.id)
            return job.counts.done >= items

        await eventually(there, 120)

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
        add_examples = example_service_pb2_grpc.add_ExampleServiceServicer_to_server
        await stack.enter_async_context(
            serving(stores, "trainer", Servicer("sishu.trainer.v1.ModelService", add_models, models))
        )
        await stack.enter_async_context(
            serving(
                stores,
                "dataset",
                Servicer("sishu.dataset.v1.DatasetService", add_datasets, datasets),
                Servicer("sishu.dataset.v1.ExampleService", add_examples, datasets),
            )
        )
        environment = {"SISHU_INFERENCE_CONCURRENCY": "0"}
        room = await stack.enter_async_context(started_room(stores, "inference", env=environment))
        client = await stack.enter_async_context(stores.client())
        yield School(stores, client, room, models, datasets)


@pytest_asyncio.fixture(scope="module")
async def school(
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


async def test_a_deployed_model_answers_piece_by_piece(school: School) -> None:
    pieces = [piece async for piece in school.chat(school.base, "Where does the river flow?")]
    *before, last = pieces
    assert len([piece for piece in before if piece.content]) > 2
    assert all(piece.finish_reason == chat.FINISH_REASON_UNSPECIFIED for piece in before)
    assert last.finish_reason in {chat.FINISH_REASON_LENGTH, chat.FINISH_REASON_STOP}
    assert last.usage.prompt_tokens > 10
    assert 0 < last.usage.completion_tokens <= 12
    assert last.usage.calls == 1
    deployment = await school.get(school.base)
    assert (deployment.engine, deployment.served_model_name) == ("builtin", "tiny")
    async with httpx.AsyncClient() as http:
        listed = (await http.get(f"{deployment.base_url}/models")).json()
    assert [model["id"] for model in listed["data"]] == ["tiny"]


async def test_an_adapter_is_fetched_and_says_something_else(school: School) -> None:
    model_id = (await school.get(school.tuned)).model_id
    fetched = school.stores.home / "adapters" / model_id
    assert {path.name for path in fetched.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    question = "Where does the river flow?"
    base, tuned = await asyncio.gather(
        school.answer(school.base, question), school.answer(school.tuned, question)
    )
    assert tuned
    assert base != tuned


async def test_cancelling_a_chat_frees_the_engine_at_once(school: School) -> None:
    deployment = await school.get(school.base)
    asking = asyncio.create_task(school.answer(school.base, "Tell me all.", max_tokens=700))

    async def busy() -> bool:
        return await school.active(deployment) == 1

    async def freed() -> bool:
        return await school.active(deployment) == 0

    await eventually(busy)
    asking.cancel()
    await eventually(freed)
    # It did not merely come to its end.
    assert await school.metric('sishu_inference_chat_requests_total{outcome="cancelled"}') == 1
    assert await school.metric('sishu_inference_deployments{state="ready"}') == 2


async def test_a_conversation_that_is_too_long_is_refused(school: School) -> None:
    with pytest.raises(ApiError) as caught:
        await school.answer(school.base, "long " * 2000)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "CONTEXT_TOO_LONG")


async def test_a_model_has_one_deployment(school: School) -> None:
    model_id = (await school.get(school.base)).model_id
    request_id = new_id()
    assert (await school.deploy(model_id)).id == school.base
    assert (await school.deploy(model_id, request_id)).id == school.base
    assert (await school.deploy(model_id, request_id)).id == school.base
    request = deployments.ListDeploymentsRequest(project_id=school.project_id, page_size=1)
    first = await school.client.deployments.ListDeployments(request)
    assert [one.id for one in first.deployments] == [school.tuned]
    request.page_token = first.next_page_token
    second = await school.client.deployments.ListDeployments(request)
    assert [one.id for one in second.deployments] == [school.base]
    assert second.next_page_token == ""
    request = deployments.ListDeploymentsRequest(model_id=model_id)
    [found] = (await school.client.deployments.ListDeployments(request)).deployments
    assert found.id == school.base


async def test_a_request_id_gives_what_it_made_whatever_became_of_its_model(school: School) -> None:
    model_id, request_id = school.models.add_base("gone", Path("/nowhere")), new_id()
    made = await school.settled((await school.deploy(model_id, request_id)).id)
    assert made.state == FAILED
    model = school.models.models.pop(model_id)
    assert await school.deploy(model_id, request_id) == made
    await school.unload(made.id)
    with pytest.raises(ApiError) as caught:
        await school.deploy(model_id, request_id)
    assert caught.value.reason == "MODEL_NOT_FOUND"
    school.models.models[model_id] = model
    anew = await school.deploy(model_id, request_id)
    assert anew.id != made.id
    await school.unload(anew.id)


async def test_models_that_are_not_there_or_not_ours_are_refused(school: School) -> None:
    with pytest.raises(ApiError) as caught:
        await school.deploy(new_id())
    assert caught.value.reason == "MODEL_NOT_FOUND"
    model_id = (await school.get(school.base)).model_id
    wanted = deployment_pb2.Deployment(project_id=new_id(), model_id=model_id)
    with pytest.raises(ApiError) as caught:
        await school.client.deployments.CreateDeployment(
            deployments.CreateDeploymentRequest(deployment=wanted)
        )
    assert (caught.value.code, caught.value.field) == ("INVALID_ARGUMENT", "deployment.model_id")
    sourceless = deployment_pb2.Deployment(project_id=school.project_id)
    with pytest.raises(ApiError) as caught:
        await school.client.deployments.CreateDeployment(
            deployments.CreateDeploymentRequest(deployment=sourceless)
        )
    assert (caught.value.reason, caught.value.field) == ("FIELD_INVALID", "deployment.source")
    with pytest.raises(ApiError) as caught:
        await school.get(new_id())
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"


async def test_a_broken_model_fails_with_a_message_and_is_tried_again_when_mended(
    school: School, tmp_path: Path
) -> None:
    model_id = school.models.add_base("broken", tmp_path)
    broken = await school.settled((await school.deploy(model_id)).id)
    assert broken.state == FAILED
    assert broken.failure.reason == "BASE_MODEL_INVALID"
    assert "config.json" in broken.failure.message
    with pytest.raises(ApiError) as caught:
        await school.answer(broken.id, "Are you there?")
    assert caught.value.reason == "DEPLOYMENT_NOT_READY"
    assert "config.json" in caught.value.message
    assert await school.answer(school.base, "Are you there?")

    school.models.models[model_id].state = model_pb2.MODEL_STATE_PREPARING
    again = await school.deploy(model_id)
    assert (again.id, again.state) == (broken.id, LOADING)
    await asyncio.sleep(1)
    assert (await school.get(broken.id)).state == LOADING
    await school.unload(broken.id)


async def test_a_model_that_the_engine_refuses_fails_with_what_it_said(
    school: School, folder: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "r": 5}), encoding="utf-8")
    base = school.models.add_base("same", folder)
    failed = await school.settled(
        (await school.deploy(await school.models.add_adapter("bad", base, adapter))).id
    )
    assert failed.state == FAILED
    assert failed.failure.reason == "ADAPTER_INVALID"
    assert "size mismatch" in failed.failure.message
    log = school.log(failed.id)
    assert log.exists()
    await school.unload(failed.id)

    async def forgotten() -> bool:
        return not log.exists() and not (school.stores.home / "adapters" / failed.model_id).exists()

    await eventually(forgotten)


async def test_an_adapter_is_not_put_on_another_base(school: School, folder: Path, tmp_path: Path) -> None:
    base = school.models.add_base("changed", folder, sha256="0" * 64)
    model_id = await school.models.add_adapter("orphan", base, make_adapter(tmp_path / "adapter"))
    failed = await school.settled((await school.deploy(model_id)).id)
    assert failed.failure.reason == "BASE_MODEL_CHANGED"
    await school.unload(failed.id)


async def test_an_exam_scores_every_arm_on_every_question_once_though_workers_are_killed(
    school: School,
) -> None:
    questions = [f"Where is town {number}?" for number in range(QUESTIONS)]
    # What the base model says anyway is the reference, so that it must do better.
    answers = await asyncio.gather(*(school.answer(school.base, question) for question in questions))
    version_id = school.datasets.add_version(list(zip(questions, answers, strict=True)))
    arms = [("tuned", school.tuned), ("base", school.base)]
    request_id = new_id()
    exam = await school.create_exam(version_id, *arms, request_id=request_id)
    assert (await school.create_exam(version_id, *arms, request_id=request_id)).id == exam.id
    assert exam.item_count == QUESTIONS
    assert (exam.job.kind, exam.job.counts.total) == ("examine", 2 * QUESTIONS)
    assert [(score.arm, score.items) for score in exam.scores] == [("tuned", 0), ("base", 0)]
    models = [(await school.get(deployment_id)).model_id for _, deployment_id in arms]
    assert [arm.model_id for arm in exam.arms] == models
    assert not exam.differences
    with pytest.raises(ApiError) as caught:
        await school.client.exams.DeleteExam(exams.DeleteExamRequest(id=exam.id))
    assert caught.value.reason == "EXAM_RUNNING"
    with pytest.raises(ApiError) as caught:
        await school.unload(school.tuned)
    assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "DEPLOYMENT_IN_USE")

    for items in (4, QUESTIONS):
        async with school.worker() as worker:
            await school.done(exam.id, items)
            await worker.kill()
    async with school.worker(concurrency=8):
        await school.done(exam.id, 2 * QUESTIONS)

    exam = await school.exam(exam.id)
    assert exam.job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert exam.job.counts.done == exam.job.counts.total == 2 * QUESTIONS
    check_results(exam, await school.results(exam.id), school.datasets.versions[version_id])
    assert len(await school.results(exam.id, arm="base")) == QUESTIONS
    with pytest.raises(ApiError) as caught:
        await school.results(exam.id, arm="third")
    assert caught.value.reason == "ARM_UNKNOWN"

    listed = await school.client.exams.ListExams(exams.ListExamsRequest(project_id=school.project_id))
    assert list(listed.exams) == [exam]
    deleted = await school.client.exams.DeleteExam(exams.DeleteExamRequest(id=exam.id))
    assert deleted.deleted_results == 2 * QUESTIONS
    with pytest.raises(ApiError) as caught:
        await school.exam(exam.id)
    assert caught.value.reason == "EXAM_NOT_FOUND"
    anew = await school.create_exam(version_id, *arms, request_id=request_id)
    assert anew.id != exam.id
    await school.cancel(anew)
    await school.client.exams.DeleteExam(exams.DeleteExamRequest(id=anew.id))


def check_results(
    exam: exam_pb2.Exam, results: Sequence[exam_pb2.ExamResult], examples: Sequence[example_pb2.Example]
) -> None:
    """Every arm answered every question once; the scores are those of the answers."""
    expected = [(example.id, arm) for example in examples for arm in ("tuned", "base")]
    assert [(result.example_id, result.arm) for result in results] == expected
    by_id = {example.id: example for example in examples}
    models = {arm.name: arm.model_id for arm in exam.arms}
    for result in results:
        example = by_id[result.example_id]
        asked, known = example.messages
        assert (result.question, result.reference) == (asked.content, known.content)
        assert list(result.quotes) == list(example.quotes)
        assert result.score == token_f1(result.answer, result.reference)
        assert result.metric == exam_pb2.EXAM_METRIC_TOKEN_F1
        assert result.model_id == models[result.arm]
        assert exam.create_time.ToDatetime() < result.create_time.ToDatetime()
    tuned, base = exam.scores
    for score in exam.scores:
        own = [result.score for result in results if result.arm == score.arm]
        assert score.items == len(own) == QUESTIONS
        assert score.mean == pytest.approx(sum(own) / len(own))
        assert score.low <= score.mean <= score.high
    assert base.mean > tuned.mean
    [difference] = exam.differences
    assert (difference.minuend_arm, difference.subtrahend_arm) == ("base", "tuned")
    assert difference.mean == pytest.approx(base.mean - tuned.mean)
    assert difference.low <= difference.mean <= difference.high


async def test_exams_that_cannot_be_held_are_refused(school: School) -> None:
    arm = ("base", school.base)
    ready = school.datasets.add_version([("Where?", "There.")])
    making = school.datasets.add_version([("Where?", "There.")])
    school.datasets.making.add(making)
    cases = [
        (school.datasets.add_version([]), [arm], "NO_EXAM_ITEMS"),
        (making, [arm], "DATASET_VERSION_NOT_READY"),
        (new_id(), [arm], "DATASET_VERSION_NOT_FOUND"),
        (ready, [arm, arm], "ARM_NAME_TAKEN"),
        (ready, [("gone", new_id())], "DEPLOYMENT_NOT_FOUND"),
        (ready, [], "FIELD_INVALID"),
        (ready, [("tuned-base", school.base)], "FIELD_INVALID"),
    ]
    for version_id, arms, reason in cases:
        with pytest.raises(ApiError) as caught:
            await school.create_exam(version_id, *arms)
        assert caught.value.reason == reason


async def test_a_database_that_goes_away_and_comes_back_costs_no_engine(school: School) -> None:
    pid = school.engine_pid(school.base)
    await school.stores.servers.postgres.stop()
    with pytest.raises(ApiError) as caught:
        await school.get(school.base)
    assert caught.value.code == "UNAVAILABLE"
    await school.stores.servers.postgres.start()

    async def back() -> bool:
        with contextlib.suppress(ApiError):
            return (await school.get(school.base)).state == READY
        return False

    await eventually(back)
    # The room looks after its deployments again.
    model_id = school.models.add_base("nowhere", Path("/nowhere"))
    failed = await school.settled((await school.deploy(model_id)).id)
    assert failed.failure.reason == "BASE_MODEL_NOT_FOUND"
    await school.unload(failed.id)
    assert school.engine_pid(school.base) == pid
    assert is_running(pid)
    assert await school.answer(school.base, "Are you there?")


async def test_an_engine_that_is_killed_is_started_again_and_answers(school: School) -> None:
    before = await school.get(school.base)
    answer = school.chat(school.base, "Tell me all.", max_tokens=700)
    await anext(answer)
    os.kill(school.engine_pid(school.base), signal.SIGKILL)
    with pytest.raises(ApiError) as caught:
        async for _ in answer:
            pass
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "ENGINE_LOST")
    assert await school.answer(school.tuned, "Are you there?")

    async def noticed() -> bool:
        return (await school.get(school.base)).restarts == before.restarts + 1

    await eventually(noticed)
    after = await school.settled(school.base)
    assert (after.state, after.restarts) == (READY, before.restarts + 1)
    assert after.base_url != before.base_url
    assert await school.answer(school.base, "Are you there?")


async def test_unloading_ends_the_engine_and_leaves_nothing_behind(school: School) -> None:
    pid = school.engine_pid(school.tuned)
    fetched = school.stores.home / "adapters" / (await school.get(school.tuned)).model_id
    assert fetched.is_dir()
    await school.unload(school.tuned)

    async def gone() -> bool:
        return not (is_running(pid) or fetched.exists() or school.log(school.tuned).exists())

    await eventually(gone)
    with pytest.raises(ApiError) as caught:
        await school.answer(school.tuned, "Are you there?")
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"
    with pytest.raises(ApiError) as caught:
        await school.unload(school.tuned)
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"
    assert await school.answer(school.base, "Are you there?")


async def test_engines_die_with_the_room_and_are_loaded_again_by_the_next(school: School) -> None:
    pid = school.engine_pid(school.base)
    await school.room.kill()
    await eventually(lambda: ended(pid))
    environment = {"SISHU_INFERENCE_CONCURRENCY": "0"}
    async with started_room(school.stores, "inference", env=environment) as room:

        async def forgotten() -> bool:
            with contextlib.suppress(ApiError):
                return (await school.get(school.base)).state == LOADING
            return False

        await eventually(forgotten)
        deployment = await school.settled(school.base)
        assert deployment.state == READY, deployment.failure
        assert await school.answer(school.base, "Are you there?")
        await delete_everything(school)
        assert await room.stop() == 0


async def delete_everything(school: School) -> None:
    """Deleting the project's data ends engines, jobs and exams, and says what it deleted."""
    version_id = school.datasets.add_version([("Where?", "There."), ("When?", "Then.")])
    arm, request_id = ("base", school.base), new_id()
    exam = await school.create_exam(version_id, arm, request_id=request_id)
    await school.models.storage.put_bytes(f"exams/{school.project_id}/report.html", b"<p>")
    pid = school.engine_pid(school.base)
    request = DeleteProjectDataRequest(project_id=school.project_id)
    deleted = await school.client.project_data("inference").DeleteProjectData(request)
    assert deleted.deleted_objects == 1
    assert dict(deleted.deleted_rows) == {
        "inference.exams": 1,
        "inference.exam_items": 2,
        "inference.exam_results": 0,
        "inference.deployments": 1,
    }
    await eventually(lambda: ended(pid))
    with pytest.raises(ApiError) as caught:
        await school.client.jobs("inference").GetJob(job_service_pb2.GetJobRequest(id=exam.job.id))
    assert caught.value.reason == "JOB_NOT_FOUND"
    again = await school.client.project_data("inference").DeleteProjectData(request)
    assert sum(again.deleted_rows.values()) == 0
    with pytest.raises(ApiError) as caught:
        await school.create_exam(version_id, arm, request_id=request_id)
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"


async def ended(pid: int) -> bool:
    return not is_running(pid)


def is_running(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
