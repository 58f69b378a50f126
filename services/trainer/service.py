"""The services of the trainer room: one thin method an rpc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from services.runtime.convert import stored_object
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.pages import page_of, page_request
from services.runtime.storage import Storage
from services.trainer.checkpoints.store import Checkpoints
from services.trainer.control import RunControl
from services.trainer.convert import (
    checkpoint_to_pb,
    event_to_pb,
    model_kind,
    model_to_pb,
    row_outcome,
    row_to_pb,
    run_to_pb,
    step_to_pb,
    training_config,
)
from services.trainer.dataset_rows import check_version
from services.trainer.deletion import Deletion
from services.trainer.llama_factory.translation import translate
from services.trainer.models import ModelFile, check_name, check_new_model, check_trainable
from services.trainer.preflight import Preflight
from services.trainer.presets import PRESETS, by_name
from services.trainer.row_reports import RowReports
from services.trainer.run_events import RunEvents
from services.trainer.store import Store
from services.trainer.tracking.run_files import RunFiles
from services.trainer.training_runs import NewRun
from services.trainer.translation_convert import preset_to_pb, translation_to_pb
from services.trainer.watching import watch_run
from sishu.client import Client
from sishu.common.v1 import object_pb2
from sishu.ingest.v1.project_service_pb2 import GetProjectRequest
from sishu.trainer.v1 import model_service_pb2 as model_pb
from sishu.trainer.v1 import training_run_pb2
from sishu.trainer.v1 import training_service_pb2 as run_pb
from sishu.trainer.v1.model_service_pb2_grpc import ModelServiceServicer
from sishu.trainer.v1.training_service_pb2_grpc import TrainingServiceServicer


class ModelServicer(ModelServiceServicer):
    """Models."""

    def __init__(self, store: Store, storage: Storage, client: Client, deletion: Deletion) -> None:
        self._store = store
        self._storage = storage
        self._client = client
        self._deletion = deletion

    async def CreateModel(
        self, request: model_pb.CreateModelRequest, context: Context
    ) -> model_pb.CreateModelResponse:
        first = await first_answer(self._store.pool, "CreateModel", request.request_id)
        if first:
            return model_pb.CreateModelResponse(model=model_to_pb(await self._store.get_model(first)))
        wanted = request.model
        check_new_model(wanted.name, wanted.source, model_kind(wanted.kind))
        await self._client.projects.GetProject(GetProjectRequest(id=wanted.project_id))
        model = await self._store.create_model(
            wanted.project_id, wanted.name, wanted.source, request.request_id
        )
        return model_pb.CreateModelResponse(model=model_to_pb(model))

    async def GetModel(
        self, request: model_pb.GetModelRequest, context: Context
    ) -> model_pb.GetModelResponse:
        return model_pb.GetModelResponse(model=model_to_pb(await self._store.get_model(request.id)))

    async def ListModels(
        self, request: model_pb.ListModelsRequest, context: Context
    ) -> model_pb.ListModelsResponse:
        filters = (request.project_id, model_kind(request.kind), request.name)
        wanted = page_request(request.page_size, request.page_token, *filters)
        page = await self._store.list_models(wanted, *filters)
        return model_pb.ListModelsResponse(
            models=map(model_to_pb, page.rows), next_page_token=page.next_token
        )

    async def GetModelFiles(
        self, request: model_pb.GetModelFilesRequest, context: Context
    ) -> model_pb.GetModelFilesResponse:
        model = await self._store.get_model(request.id)
        files = await self._store.list_model_files(model.id)
        return model_pb.GetModelFilesResponse(files=[await self._link(file) for file in files])

    async def DeleteModel(
        self, request: model_pb.DeleteModelRequest, context: Context
    ) -> model_pb.DeleteModelResponse:
        return model_pb.DeleteModelResponse(deleted_objects=await self._deletion.delete_model(request.id))

    async def _link(self, file: ModelFile) -> object_pb2.StoredObject:
        return await linked(self._storage, file)


async def linked(storage: Storage, file: ModelFile) -> object_pb2.StoredObject:
    """A file with a link under which it can be read."""
    link = await storage.link_to_get(file.key, file.name.rsplit("/", 1)[-1])
    return stored_object(file.name, file.key, file.size_bytes, file.sha256, link)


class TrainingServicer(TrainingServiceServicer):
    """Training runs.

    Args:
        code_version: version of the code that trains.
        preflight: refuses what cannot fit.
    """

    def __init__(
        self,
        store: Store,
        files: RunFiles,
        client: Client,
        deletion: Deletion,
        code_version: str,
        preflight: Preflight,
    ) -> None:
        self._store = store
        self._files = files
        self._client = client
        self._deletion = deletion
        self._control = RunControl(store)
        self._code_version = code_version
        self._preflight = preflight

    async def CreateTrainingRun(
        self, request: run_pb.CreateTrainingRunRequest, context: Context
    ) -> run_pb.CreateTrainingRunResponse:
        first = await first_answer(self._store.pool, "CreateTrainingRun", request.request_id)
        if first:
            run = await self._store.get_run(first)
        else:
            new = await self._checked(request.training_run, request.preset)
            run = await self._store.create_run(new, request.request_id)
        return run_pb.CreateTrainingRunResponse(training_run=run_to_pb(run))

    async def GetTrainingRun(
        self, request: run_pb.GetTrainingRunRequest, context: Context
    ) -> run_pb.GetTrainingRunResponse:
        return run_pb.GetTrainingRunResponse(training_run=run_to_pb(await self._store.get_run(request.id)))

    async def ListTrainingRuns(
        self, request: run_pb.ListTrainingRunsRequest, context: Context
    ) -> run_pb.ListTrainingRunsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_runs(wanted, request.project_id)
        return run_pb.ListTrainingRunsResponse(
            training_runs=map(run_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListTrainingSteps(
        self, request: run_pb.ListTrainingStepsRequest, context: Context
    ) -> run_pb.ListTrainingStepsResponse:
        wanted = page_request(request.page_size, request.page_token, request.training_run_id)
        run = await self._store.get_run(request.training_run_id)
        page = await self._store.list_steps(wanted, run.id)
        return run_pb.ListTrainingStepsResponse(
            training_steps=map(step_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListTrainingRows(
        self, request: run_pb.ListTrainingRowsRequest, context: Context
    ) -> run_pb.ListTrainingRowsResponse:
        outcome = row_outcome(request.outcome)
        wanted = page_request(request.page_size, request.page_token, request.training_run_id, outcome)
        run = await self._store.get_run(request.training_run_id)
        page = await RowReports(self._store.pool).list(wanted, run.id, outcome)
        return run_pb.ListTrainingRowsResponse(
            training_rows=map(row_to_pb, page.rows), next_page_token=page.next_token
        )

    async def WatchTrainingRun(
        self, request: run_pb.WatchTrainingRunRequest, context: Context
    ) -> AsyncIterator[run_pb.WatchTrainingRunResponse]:
        async for sight in watch_run(self._store, request.id, request.after_step, request.after_position):
            yield run_pb.WatchTrainingRunResponse(
                training_run=run_to_pb(sight.run),
                training_steps=map(step_to_pb, sight.steps),
                position=sight.position,
            )

    async def DeleteTrainingRun(
        self, request: run_pb.DeleteTrainingRunRequest, context: Context
    ) -> run_pb.DeleteTrainingRunResponse:
        return run_pb.DeleteTrainingRunResponse(deleted_objects=await self._deletion.delete_run(request.id))

    async def TranslateTrainingConfig(
        self, request: run_pb.TranslateTrainingConfigRequest, context: Context
    ) -> run_pb.TranslateTrainingConfigResponse:
        found = await asyncio.to_thread(translate, request.text, request.devices or 1, request.deepspeed)
        return run_pb.TranslateTrainingConfigResponse(translation=translation_to_pb(found))

    async def ListTrainingPresets(
        self, request: run_pb.ListTrainingPresetsRequest, context: Context
    ) -> run_pb.ListTrainingPresetsResponse:
        wanted = page_request(request.page_size, request.page_token)
        later = [preset for preset in sorted(PRESETS.values(), key=by_name) if by_name(preset) > wanted.after]
        page = page_of(later[: wanted.limit], wanted, by_name)
        return run_pb.ListTrainingPresetsResponse(
            training_presets=map(preset_to_pb, page.rows), next_page_token=page.next_token
        )

    async def CancelTrainingRun(
        self, request: run_pb.CancelTrainingRunRequest, context: Context
    ) -> run_pb.CancelTrainingRunResponse:
        return run_pb.CancelTrainingRunResponse(
            training_run=run_to_pb(await self._control.cancel(request.id))
        )

    async def PauseTrainingRun(
        self, request: run_pb.PauseTrainingRunRequest, context: Context
    ) -> run_pb.PauseTrainingRunResponse:
        return run_pb.PauseTrainingRunResponse(training_run=run_to_pb(await self._control.pause(request.id)))

    async def ResumeTrainingRun(
        self, request: run_pb.ResumeTrainingRunRequest, context: Context
    ) -> run_pb.ResumeTrainingRunResponse:
        return run_pb.ResumeTrainingRunResponse(
            training_run=run_to_pb(await self._control.resume(request.id))
        )

    async def RetryTrainingRun(
        self, request: run_pb.RetryTrainingRunRequest, context: Context
    ) -> run_pb.RetryTrainingRunResponse:
        run = await self._control.retry(request.id, request.request_id)
        return run_pb.RetryTrainingRunResponse(training_run=run_to_pb(run))

    async def ListTrainingCheckpoints(
        self, request: run_pb.ListTrainingCheckpointsRequest, context: Context
    ) -> run_pb.ListTrainingCheckpointsResponse:
        wanted = page_request(request.page_size, request.page_token, request.training_run_id)
        run = await self._store.get_run(request.training_run_id)
        page = await Checkpoints(self._store.pool).list(wanted, run.id)
        return run_pb.ListTrainingCheckpointsResponse(
            training_checkpoints=map(checkpoint_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListTrainingEvents(
        self, request: run_pb.ListTrainingEventsRequest, context: Context
    ) -> run_pb.ListTrainingEventsResponse:
        wanted = page_request(request.page_size, request.page_token, request.training_run_id)
        run = await self._store.get_run(request.training_run_id)
        page = await RunEvents(self._store.pool).list(wanted, run.id)
        return run_pb.ListTrainingEventsResponse(
            training_events=map(event_to_pb, page.rows), next_page_token=page.next_token
        )

    async def GetTrainingRunFiles(
        self, request: run_pb.GetTrainingRunFilesRequest, context: Context
    ) -> run_pb.GetTrainingRunFilesResponse:
        run = await self._store.get_run(request.id)
        files = await self._files.list(run.id)
        return run_pb.GetTrainingRunFilesResponse(
            files=[await linked(self._files.storage, file) for file in files]
        )

    async def _checked(self, wanted: training_run_pb2.TrainingRun, preset: str) -> NewRun:
        """The run to queue, held against model and dataset version."""
        check_name(wanted.name, "training_run.name")
        config = training_config(wanted.config, preset)
        base = await self._store.get_model(wanted.base_model_id)
        check_trainable(base, wanted.project_id)
        await self._preflight.check_new(base.id, config)
        content_sha256 = await check_version(
            self._client,
            wanted.dataset_version_id,
            wanted.project_id,
            measured_for=config.measured_for,
        )
        return NewRun(
            wanted.project_id,
            wanted.name,
            wanted.dataset_version_id,
            content_sha256,
            base.id,
            base.sha256,
            config,
            self._code_version,
        )
