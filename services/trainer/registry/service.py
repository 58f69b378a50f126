"""The rpcs that make models of models, and tell of them."""

from __future__ import annotations

from dataclasses import asdict

from services.runtime.convert import job_to_pb, timestamp
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.storage import Storage
from services.trainer.convert import model_to_pb
from services.trainer.deletion import Deletion
from services.trainer.models import ModelFile, check_name
from services.trainer.registry.cards import Cards
from services.trainer.registry.convert import gguf_type, merge_of, upload_files
from services.trainer.registry.making import check_exportable, check_files, check_mergeable, check_own_base
from services.trainer.registry.store import RegistryStore
from services.trainer.service import ModelServicer
from services.trainer.store import Store
from sishu.client import Client
from sishu.common.v1 import object_pb2
from sishu.ingest.v1.project_service_pb2 import GetProjectRequest
from sishu.trainer.v1 import model_making_pb2 as making_pb
from sishu.trainer.v1 import model_service_pb2 as model_pb


class RegistryServicer(ModelServicer):
    """Models, and what is made of them."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        client: Client,
        deletion: Deletion,
        registry: RegistryStore,
        cards: Cards,
    ) -> None:
        super().__init__(store, storage, client, deletion)
        self._registry = registry
        self._cards = cards

    async def GetModelFiles(
        self, request: model_pb.GetModelFilesRequest, context: Context
    ) -> model_pb.GetModelFilesResponse:
        if request.format != making_pb.MODEL_FORMAT_GGUF:
            return await super().GetModelFiles(request, context)
        model = await self._store.get_model(request.id)
        files: list[ModelFile] = await self._registry.list_exports(model.id)
        return model_pb.GetModelFilesResponse(files=[await self._link(file) for file in files])

    async def MergeModel(
        self, request: model_pb.MergeModelRequest, context: Context
    ) -> model_pb.MergeModelResponse:
        first = await first_answer(self._store.pool, "MergeModel", request.request_id)
        if first:
            return model_pb.MergeModelResponse(model=model_to_pb(await self._store.get_model(first)))
        check_name(request.name, "name")
        adapter = await self._store.get_model(request.id)
        check_mergeable(adapter)
        wanted = (adapter.project_id, request.name, "merged", adapter.id)
        model = await self._registry.create_making(
            "MergeModel", "merge_model", wanted, asdict(merge_of(request)), request.request_id
        )
        return model_pb.MergeModelResponse(model=model_to_pb(model))

    async def ExportModel(
        self, request: model_pb.ExportModelRequest, context: Context
    ) -> model_pb.ExportModelResponse:
        model = await self._store.get_model(request.id)
        check_exportable(model)
        job = await self._registry.create_export(model, {"type": gguf_type(request.type)})
        return model_pb.ExportModelResponse(job=job_to_pb(job))

    async def GetModelCard(
        self, request: model_pb.GetModelCardRequest, context: Context
    ) -> model_pb.GetModelCardResponse:
        model = await self._store.get_model(request.id)
        return model_pb.GetModelCardResponse(markdown=await self._cards.of(model))

    async def CreateModelUpload(
        self, request: model_pb.CreateModelUploadRequest, context: Context
    ) -> model_pb.CreateModelUploadResponse:
        await self._client.projects.GetProject(GetProjectRequest(id=request.project_id))
        files = upload_files(request.files)
        upload = await self._registry.create_upload(request.project_id, files, request.request_id)
        links = [await self._storage.link_to_put(upload.prefix + file.name) for file in upload.files]
        targets = [
            object_pb2.UploadTarget(url=link.url, expire_time=timestamp(link.expire_time)) for link in links
        ]
        return model_pb.CreateModelUploadResponse(upload_id=upload.id, targets=targets)

    async def ImportModel(
        self, request: model_pb.ImportModelRequest, context: Context
    ) -> model_pb.ImportModelResponse:
        first = await first_answer(self._store.pool, "ImportModel", request.request_id)
        if first:
            return model_pb.ImportModelResponse(model=model_to_pb(await self._store.get_model(first)))
        check_name(request.name, "name")
        upload = await self._registry.get_upload(request.upload_id)
        check_files(upload.files, has_base=bool(request.base_model_id))
        if request.base_model_id:
            check_own_base(await self._store.get_model(request.base_model_id), upload.project_id)
        wanted = (upload.project_id, request.name, upload.kind, request.base_model_id or None)
        model = await self._registry.create_making(
            "ImportModel", "import_model", wanted, {"upload_id": upload.id}, request.request_id
        )
        return model_pb.ImportModelResponse(model=model_to_pb(model))
