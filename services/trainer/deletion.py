"""Delete models, runs and whole projects, their objects, and the work folders of this machine.

The objects of one resource go before its row commits: a call that failed in the middle can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.runtime.storage import Storage
from services.trainer.artifacts import drop_folder
from services.trainer.store import Store


class Deletion:
    """Deletes for good.

    Args:
        home: state folder of this machine.
    """

    def __init__(self, store: Store, storage: Storage, home: Path) -> None:
        self._store = store
        self._storage = storage
        self._home = home

    async def delete_model(self, model_id: str) -> int:
        """Delete a model; return the number of objects.

        Raises:
            NotFound: there is none.
            FailedPrecondition: something needs it.
        """
        model = await self._store.get_model(model_id)
        prefix = f"models/{model.project_id}/{model_id}/"
        objects = await self._store.delete_model(model_id, lambda: self._storage.delete_prefix(prefix))
        await asyncio.to_thread(drop_folder, self._home / "models" / model_id)
        return objects

    async def delete_run(self, run_id: str) -> int:
        """Delete an ended run; return the number of objects.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it has not ended, or its model is there.
        """
        run = await self._store.get_run(run_id)

        async def delete_objects() -> int:
            # A run that was cancelled while its adapter was being stored left some of it.
            prefixes = (run.files_prefix, run.model_prefix)
            return sum([await self._storage.delete_prefix(prefix) for prefix in prefixes])

        objects = await self._store.delete_run(run_id, delete_objects)
        await self._drop_folders([run_id])
        return objects

    async def delete_project_rows(self, project_id: str) -> dict[str, int]:
        """Delete all rows of a project and its work folders here, open runs too; return rows by table."""
        counts, runs, models = await self._store.delete_project(project_id)
        await self._drop_folders(runs)
        for model_id in models:
            await asyncio.to_thread(drop_folder, self._home / "models" / model_id)
        return counts

    async def _drop_folders(self, run_ids: Sequence[str]) -> None:
        for run_id in run_ids:
            await asyncio.to_thread(drop_folder, self._home / "runs" / run_id)
