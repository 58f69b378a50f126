"""The main job, stage by stage.

Every stage names its request by its inputs, so a repeated command finds what is done and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sishu.client import Client
from sishu.common.v1.job_pb2 import JOB_STATE_FAILED, JOB_STATE_SUCCEEDED, Job
from sishu.common.v1.job_service_pb2 import GetJobRequest, RetryJobRequest
from sishu.dataset.v1.dataset_service_pb2 import CreateDatasetVersionRequest, GetDatasetVersionRequest
from sishu.dataset.v1.dataset_version_pb2 import DatasetVersion
from sishu.errors import ApiError, error_of
from sishu.generation.v1.generation_pb2 import Generation
from sishu.generation.v1.provider_pb2 import Provider
from sishu.generation.v1.provider_service_pb2 import TestProviderRequest
from sishu.inference.v1.exam_pb2 import Exam, ExamArm
from sishu.inference.v1.exam_service_pb2 import CreateExamRequest, GetExamRequest, ListExamsRequest
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.project_pb2 import Project
from sishu.learn.deployments import deploy, unload
from sishu.learn.files import held_by, upload_files
from sishu.learn.generations import (
    PILOT,
    Telling,
    begin,
    figures_shown,
    piloted,
    told,
    viewed,
    without_cost_of,
)
from sishu.learn.jobs import (
    begun,
    check_not_paused,
    failures_of,
    job_error,
    parse_documents,
    start_import,
    wait,
    wait_for_success,
)
from sishu.learn.options import LearnOptions
from sishu.learn.progress import ProgressDisplay, Stage, show_training, watching
from sishu.learn.resources import base_model, project_named, provider_named
from sishu.learn.watching import watched
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.training_run_pb2 import (
    TRAINING_RUN_STATE_PENDING,
    TRAINING_RUN_STATE_SUCCEEDED,
    TrainingRun,
)
from sishu.trainer.v1.training_service_pb2 import (
    CreateTrainingRunRequest,
    GetTrainingRunRequest,
    WatchTrainingRunRequest,
)

Words = Callable[[str], str]
"""What a stage is called, by its key."""

MOST_FAILED_SHARE = 0.1
"""A generation of which more than this share failed is not gone on with."""


@dataclass(frozen=True)
class Learned:
    """What the main job made, by resource."""

    project: Project
    documents: Sequence[Document]
    generation: Generation
    dataset_version: DatasetVersion
    base_model: Model
    training_run: TrainingRun
    exam: Exam


class Pipeline:
    """Runs the main job.

    Args:
        client: the rooms.
        options: what to do.
        display: where to say how far it is.
        words: what the stages are called.
        telling: says what went wrong.
    """

    def __init__(
        self,
        client: Client,
        options: LearnOptions,
        display: ProgressDisplay,
        words: Words,
        telling: Telling = lambda failure: failure.message,
    ) -> None:
        self._client = client
        self._options = options
        self._display = display
        self._words = words
        self._telling = telling
        self._loaded: set[str] = set()

    async def run(self) -> Learned:
        """Do all stages.

        Raises:
            ApiError: a stage failed; the same call goes on from there.
        """
        project = await project_named(self._client, self._options.name)
        documents = await self._upload(project)
        documents = await self._parse(project, documents)
        provider = await self._provider(project)
        model = await self._base_model(project)
        generation = await self.generate(project, documents, provider)
        version = await self._dataset(project, generation)
        run = await self._train(project, version, model)
        exam = await self._examine(project, version, model, run)
        # Whoever talks to a model later has it loaded again; until then its memory is free.
        await unload(self._client, self._loaded)
        return Learned(project, documents, generation, version, model, run, exam)

    async def _upload(self, project: Project) -> list[Document]:
        async with self._display.stage(self._words("stage_upload")) as stage:
            return await upload_files(
                self._client, project.id, self._options.files, stage.set, self._leave_out
            )

    def _leave_out(self, path: Path, why: str) -> None:
        self._display.note(f"{path}: {why}")

    async def _parse(self, project: Project, documents: Sequence[Document]) -> list[Document]:
        """Parse documents; return them with those that they hold."""
        async with self._display.stage(self._words("stage_parse")) as stage:
            await parse_documents(self._client, project.id, documents, watching(stage))
            return await held_by(self._client, project.id, documents)

    async def _base_model(self, project: Project) -> Model:
        async with self._display.stage(self._words("stage_model")) as stage:
            return await base_model(self._client, project, self._options.base_model, watching(stage))

    async def _provider(self, project: Project) -> Provider:
        async with self._display.stage(self._words("stage_provider")) as stage:
            provider = await provider_named(self._client, project, self._options, watching(stage))
            if not self._options.llm_base_url:
                # Loaded this moment, and perhaps busy with what an earlier command began.
                self._loaded.add(provider.deployment_id)
                return provider
            trial = await self._client.providers.TestProvider(TestProviderRequest(id=provider.id))
            if not trial.ok:
                raise error_of(trial.failure)
            return provider

    async def generate(
        self, project: Project, documents: Sequence[Document], provider: Provider
    ) -> Generation:
        """Have questions and answers written, after a forecast where somebody minds what they cost.

        Raises:
            ApiError: too much of it failed.
        """
        async with self._display.stage(self._words("stage_generate")) as stage:
            wanted = self._options.generation()
            wanted.document_ids.extend(one.id for one in documents)
            versions = [f"{one.id}:{one.version}" for one in documents]
            asked = Generation(project_id=project.id, provider_id=provider.id, options=wanted)
            if not wanted.no_cache and (wanted.max_cost or wanted.max_tokens or provider.HasField("price")):
                pilot = await piloted(self._client, asked, PILOT, watching(stage), *versions)
                for one in told(pilot, self._words, self._telling):
                    self._display.note(one)
                without_cost_of(pilot, asked.options)
            generation = await begin(self._client, asked, *versions)
            async with figures_shown(self._client, generation.id, stage, self._words):
                job = await wait(self._client, "generation", generation.job, watching(stage), failed_widely)
            done = await viewed(self._client, generation.id)
            await self._check_generation(done, job)
            return done

    async def _check_generation(self, generation: Generation, job: Job) -> None:
        """Go on with a generation that failed here and there; stop at one that failed as a whole."""
        failures = await failures_of(self._client, "generation", job) if job.state == JOB_STATE_FAILED else []
        if failures and failed_widely(job):
            raise job_error(job, failures)
        if generation.stats.answered == 0:
            raise ApiError(
                "FAILED_PRECONDITION",
                "NO_ANSWERS",
                f"all {generation.stats.questions} questions were rejected "
                f"({dict(generation.stats.rejected_by_reason)}); use a stronger model",
                metadata={"questions": str(generation.stats.questions)},
            )

    async def _dataset(self, project: Project, generation: Generation) -> DatasetVersion:
        state = (project.id, generation.id, generation.stats.answered)
        async with self._display.stage(self._words("stage_import")) as stage:
            made = await begun(
                lambda request_id: start_import(self._client, project.id, [generation.id], request_id),
                lambda made: made.job,
                "import",
                *state,
            )
            await wait_for_success(self._client, "dataset", made.job, watching(stage))
        async with self._display.stage(self._words("stage_dataset")) as stage:
            wanted = self._options.dataset()
            wanted.filter.generation_ids.append(generation.id)
            version = DatasetVersion(project_id=project.id, options=wanted)

            async def start(request_id: str) -> DatasetVersion:
                request = CreateDatasetVersionRequest(dataset_version=version, request_id=request_id)
                return (await self._client.datasets.CreateDatasetVersion(request)).dataset_version

            options = wanted.SerializeToString(deterministic=True)
            version = await begun(start, lambda one: one.job, "version", *state, options)
            await wait_for_success(self._client, "dataset", version.job, watching(stage))
            request_again = GetDatasetVersionRequest(id=version.id)
            return (await self._client.datasets.GetDatasetVersion(request_again)).dataset_version

    async def _train(self, project: Project, version: DatasetVersion, model: Model) -> TrainingRun:
        async with self._display.stage(self._words("stage_train")) as stage:
            config = self._options.training()
            run = TrainingRun(
                project_id=project.id,
                name=f"{self._options.name[:60]}-{version.number}",
                dataset_version_id=version.id,
                base_model_id=model.id,
                config=config,
            )

            async def start(request_id: str) -> TrainingRun:
                request = CreateTrainingRunRequest(training_run=run, request_id=request_id)
                return (await self._client.training.CreateTrainingRun(request)).training_run

            inputs = ("train", version.id, model.id, config.SerializeToString(deterministic=True))
            run = await begun(start, lambda one: one.job, *inputs)
            if run.state != TRAINING_RUN_STATE_SUCCEEDED:
                await self._watch_training(run, stage)
            return (await self._client.training.GetTrainingRun(GetTrainingRunRequest(id=run.id))).training_run

    async def _watch_training(self, run: TrainingRun, stage: Stage) -> None:
        if run.job.state == JOB_STATE_FAILED:
            await self._client.jobs("trainer").RetryJob(RetryJobRequest(id=run.job.id))
        watch = WatchTrainingRunRequest(id=run.id)
        async for sight in watched(lambda: self._client.training.WatchTrainingRun(watch)):
            show_training(stage, sight.training_run)
            if sight.training_run.state == TRAINING_RUN_STATE_PENDING:
                check_not_paused(sight.training_run.job)
        job = (await self._client.jobs("trainer").GetJob(GetJobRequest(id=run.job.id))).job
        if job.state == JOB_STATE_FAILED:
            raise job_error(job, await failures_of(self._client, "trainer", job))
        await wait_for_success(self._client, "trainer", job)

    async def _examine(
        self, project: Project, version: DatasetVersion, model: Model, run: TrainingRun
    ) -> Exam:
        held = await held_exam(self._client, version, [model.id, run.model_id])
        if held:
            return held
        async with self._display.stage(self._words("stage_deploy")):
            base = await deploy(self._client, project.id, model.id)
            tuned = await deploy(self._client, project.id, run.model_id)
            self._loaded |= {base.id, tuned.id}
        async with self._display.stage(self._words("stage_exam")) as stage:
            exam = Exam(
                project_id=project.id,
                dataset_version_id=version.id,
                arms=[
                    ExamArm(name="base", deployment_id=base.id),
                    ExamArm(name="tuned", deployment_id=tuned.id),
                ],
            )

            async def start(request_id: str) -> Exam:
                request = CreateExamRequest(exam=exam, request_id=request_id)
                return (await self._client.exams.CreateExam(request)).exam

            exam = await begun(start, lambda one: one.job, "exam", version.id, base.id, tuned.id)
            await wait_for_success(self._client, "inference", exam.job, watching(stage))
            return (await self._client.exams.GetExam(GetExamRequest(id=exam.id))).exam


def failed_widely(job: Job) -> bool:
    """Whether so much of a generation failed that it is not gone on with."""
    return job.counts.failed > MOST_FAILED_SHARE * job.counts.total


async def held_exam(client: Client, version: DatasetVersion, model_ids: list[str]) -> Exam | None:
    """The exam that was held of a dataset version with these models, in this order; nothing without one."""
    request = ListExamsRequest(project_id=version.project_id)
    while True:
        page = await client.exams.ListExams(request)
        for exam in page.exams:
            same = exam.dataset_version_id == version.id and [arm.model_id for arm in exam.arms] == model_ids
            if same and exam.job.state == JOB_STATE_SUCCEEDED:
                return exam
        request.page_token = page.next_page_token
        if not request.page_token:
            return None
