"""From a model's id to the folders on this machine that an engine loads."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

import structlog

from services.inference.convert import model_file
from services.inference.deployments import ModelFolders
from services.inference.model_files import fetch_folder
from services.runtime.base_models import describe_base_model, resolve_base_model
from services.runtime.errors import FailedPrecondition, Unavailable
from sishu.client import Client
from sishu.trainer.v1 import model_pb2, model_service_pb2

RESOLVED_AT_ONCE = 2
"""Base models fetched or converted at once; each holds a thread meanwhile."""

log = structlog.get_logger()


class Loader:
    """Makes models ready to be loaded on this machine.

    Args:
        client: the way to the trainer room, which knows the models.
        home: state directory of this machine; base models are kept in `models`, others in `adapters`.
        python: Python that converts base models.
    """

    def __init__(self, client: Client, home: Path, python: Path) -> None:
        self._client = client
        self._bases = home / "models"
        self._adapters = home / "adapters"
        self._python = str(python)
        self._resolving = asyncio.Semaphore(RESOLVED_AT_ONCE)

    async def prepare(self, model_id: str) -> ModelFolders:
        """The folders of a model; fetched and converted at the first time.

        Raises:
            NotFound: the model, its base or one of its files is gone.
            FailedPrecondition: it cannot be used, or its base is not the one it was trained on.
            InvalidArgument: the base model's source is no model.
            Unavailable: something needed for it is away, or it is still being prepared.
        """
        model = await self._ready_model(model_id)
        if model.kind in (model_pb2.MODEL_KIND_BASE, model_pb2.MODEL_KIND_TUNED):
            return ModelFolders(await self._base(model))
        folder = await self._fetched(model, self._adapters)
        if model.kind == model_pb2.MODEL_KIND_MERGED:
            return ModelFolders(folder)
        base = await self._ready_model(model.base_model_id)
        return ModelFolders(await self._base(base), folder, base.name)

    def forget_others(self, model_ids: Collection[str]) -> None:
        """Delete the fetched files of all models but these; they can be fetched again."""
        for folder in self._adapters.glob("*"):
            # A name with a dot is a download in progress.
            if folder.name not in model_ids and not folder.name.startswith("."):
                shutil.rmtree(folder, ignore_errors=True)

    async def _ready_model(self, model_id: str) -> model_pb2.Model:
        answer = await self._client.models.GetModel(model_service_pb2.GetModelRequest(id=model_id))
        model = answer.model
        if model.state == model_pb2.MODEL_STATE_PREPARING:
            raise Unavailable("MODEL_PREPARING", f"the model {model.name} is still being prepared")
        if model.state == model_pb2.MODEL_STATE_FAILED:
            raise FailedPrecondition(
                model.failure.reason or "MODEL_FAILED",
                f"the model {model.name} cannot be used: {model.failure.message}",
                model_id=model.id,
            )
        return model

    async def _fetched(self, model: model_pb2.Model, place: Path) -> Path:
        """The folder of the stored files of a model."""
        folder = place / model.id
        answer = await self._client.models.GetModelFiles(model_service_pb2.GetModelFilesRequest(id=model.id))
        await fetch_folder([model_file(stored) for stored in answer.files], folder)
        return folder

    async def _base(self, model: model_pb2.Model) -> Path:
        """The folder of a whole model; one that a run made comes from the bucket."""
        if model.kind != model_pb2.MODEL_KIND_BASE:
            return await self._fetched(model, self._bases)
        folder = await self._resolve(model.source)
        if not model.sha256:
            return folder
        found = (await asyncio.to_thread(describe_base_model, folder)).sha256
        if model.sha256 != found:
            raise FailedPrecondition(
                "BASE_MODEL_CHANGED",
                f"{model.source} is not the base model {model.name} as it was registered: the SHA-256 of its "
                f"weights is {found[:12]}…, not {model.sha256[:12]}…; bring the old files back",
                model_id=model.id,
            )
        return folder

    async def _resolve(self, source: str) -> Path:
        """Resolve a base model in a thread, which a cancellation ends at its next line of progress."""
        abandoned = threading.Event()

        def progress(line: str) -> None:
            if abandoned.is_set():
                raise Unavailable("MODEL_ABANDONED", "the model is wanted no more")
            log.info("base_model_progress", source=source, progress=line)

        try:
            async with self._resolving:
                return await asyncio.to_thread(
                    resolve_base_model, source, self._bases, python=self._python, progress=progress
                )
        except asyncio.CancelledError:
            abandoned.set()
            raise
