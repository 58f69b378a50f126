"""Statements about models that are made of models, and about uploads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from services.runtime.db import Connection, claim_request, forget_requests, transaction
from services.runtime.errors import AlreadyExists, NotFound
from services.runtime.ids import new_id
from services.runtime.jobs import ItemClosed, Job, NewItem
from services.runtime.sql import Statements
from services.trainer.models import Made, Model, ModelFile
from services.trainer.registry.card import CurvePoint
from services.trainer.registry.making import Upload, UploadFile, upload_of
from services.trainer.store import Store, model_not_found

SQL = Statements(Path(__file__).parents[1] / "sql" / "registry.sql")

CURVE_POINTS = 20


class RegistryStore:
    """The tables that keep what the registry makes.

    Args:
        store: the rest of the room's tables.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool = store.pool
        self._jobs = store.jobs

    async def create_making(
        self,
        method: str,
        work: str,
        model: tuple[str, str, str, str | None],
        payload: Mapping[str, Any],
        request_id: str,
    ) -> Model:
        """Register a model with the job that makes it; the same request id gives the first answer.

        Args:
            method: the rpc, of which the request id is.
            work: kind of job and item.
            model: project, name, kind, and id of the model that it is made from.
            payload: what the worker must know.
            request_id: of the caller.

        Raises:
            AlreadyExists: the project has a model of that name.
            NotFound: the model that it is made from was deleted meanwhile.
        """
        project_id, name, kind, source_id = model
        async with transaction(self._pool) as connection:
            new, job_id = new_id(), new_id()
            model_id = await claim_request(connection, method, request_id, new)
            if model_id == new:
                if source_id and await connection.fetchval(SQL.share_model, source_id) is None:
                    raise model_not_found(source_id)
                values = (new, project_id, name, kind, source_id, job_id)
                if await connection.fetchval(SQL.insert_making, *values) is None:
                    raise AlreadyExists(
                        "MODEL_NAME_TAKEN",
                        f"the project has a model named {name!r}; use another name",
                        "name",
                        name=name,
                    )
                items = [NewItem(work, new, new, payload)]
                await self._jobs.create(
                    connection, work, items, project_id=project_id, resource_id=new, job_id=job_id
                )
        return await self._store.get_model(model_id)

    async def create_export(self, model: Model, payload: Mapping[str, Any]) -> Job:
        """Queue an export of a model."""
        async with transaction(self._pool) as connection:
            items = [NewItem("export_model", model.id, model.id, payload)]
            return await self._jobs.create(
                connection, "export_model", items, project_id=model.project_id, resource_id=model.id
            )

    async def set_made(self, connection: Connection, model_id: str, made: Made) -> None:
        """Store what a model has become.

        Raises:
            ItemClosed: it was deleted meanwhile.
        """
        size = sum(file.size_bytes for file in made.files)
        facts = (made.architecture, made.parameter_count, made.sha256, made.chat_template_sha256)
        values = (model_id, *facts, made.context_length, made.renderer_sha256, size)
        if await connection.fetchval(SQL.set_made, *values) is None:
            raise ItemClosed
        await self.put_files(connection, model_id, made.files)

    async def put_files(self, connection: Connection, model_id: str, files: Sequence[ModelFile]) -> None:
        """Store files of a model, in place of those of the same names."""
        await connection.executemany(SQL.put_model_file, [(model_id, *astuple(file)) for file in files])

    async def list_exports(self, model_id: str) -> list[ModelFile]:
        """The files that exports of a model made, by name."""
        return [ModelFile(**row) for row in await self._pool.fetch(SQL.list_exports, model_id)]

    async def models_there(self, ids: Collection[str]) -> set[str]:
        """Those of some ids that are models'."""
        return {row["id"] for row in await self._pool.fetch(SQL.model_ids_there, list(ids))}

    async def curve(self, run_id: str, steps: int) -> list[CurvePoint]:
        """Points of a run's loss curve: some twenty, and all measurements on validation rows."""
        every = max(1, steps // CURVE_POINTS)
        rows = await self._pool.fetch(SQL.curve, run_id, every, steps)
        return [CurvePoint(**row) for row in rows]

    async def create_upload(self, project_id: str, files: Sequence[UploadFile], request_id: str) -> Upload:
        """Announce files; the same request id gives the first answer."""
        async with transaction(self._pool) as connection:
            new = new_id()
            upload_id = await claim_request(connection, "CreateModelUpload", request_id, new)
            if upload_id == new:
                values = [asdict(file) for file in files]
                await connection.execute(SQL.insert_upload, new, project_id, values)
        return await self.get_upload(upload_id)

    async def get_upload(self, upload_id: str) -> Upload:
        """One upload.

        Raises:
            NotFound: there is none, or it was imported, or is too old.
        """
        row = await self._pool.fetchrow(SQL.get_upload, upload_id)
        if row is None:
            raise NotFound(
                "UPLOAD_NOT_FOUND",
                f"there is no upload {upload_id}; begin with CreateModelUpload",
                upload_id=upload_id,
            )
        return upload_of(*row.values())

    async def take_upload(self, connection: Connection, upload_id: str) -> None:
        """Forget an upload whose files became a model's."""
        await connection.execute(SQL.take_upload, upload_id)
        await forget_requests(connection, upload_id)

    async def old_uploads(self, seconds: float) -> list[Upload]:
        """Some uploads that nobody imported for so long."""
        return [upload_of(*row.values()) for row in await self._pool.fetch(SQL.old_uploads, seconds)]

    async def forget_upload(self, upload_id: str) -> None:
        """Forget an upload whose files are deleted."""
        async with transaction(self._pool) as connection:
            await self.take_upload(connection, upload_id)
