"""Models as folders of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.runtime.storage import Storage
from services.trainer import artifacts, bases
from services.trainer.models import Model
from services.trainer.registry.store import RegistryStore
from services.trainer.registry.sweeping import sweep_models
from services.trainer.store import Store


class Folders:
    """Has the files of models here.

    Args:
        store: knows the models.
        registry: tells which models are gone, so that their copies go.
        storage: has what is kept of them.
        home: state folder of this machine.
        python: Python that has torch.
    """

    def __init__(
        self, store: Store, registry: RegistryStore, storage: Storage, home: Path, python: Path
    ) -> None:
        self._store = store
        self._registry = registry
        self._storage = storage
        self._home = home
        self._python = python

    async def whole(self, model: Model, say: bases.Say) -> Path:
        """The folder of a model with weights of its own.

        Raises:
            SishuError: it cannot be found, converted or fetched.
        """
        if model.kind == "base":
            return await bases.resolve(model.source, self._home / "models", self._python, say)
        # A worker on another machine has no other time for it.
        await sweep_models(self._registry, self._home)
        say(f"fetching the model {model.name}")
        return await self._fetched(model, self._home / "models" / model.id)

    async def adapter(self, model: Model, say: bases.Say, work: Path) -> Path:
        """The folder of an adapter, inside a folder to work in."""
        say(f"fetching the adapter {model.name}")
        return await self._fetched(model, work / "adapter")

    async def _fetched(self, model: Model, folder: Path) -> Path:
        files = await self._store.list_model_files(model.id)
        await artifacts.fetch_folder(self._storage, files, folder)
        return folder

    def work(self, item_id: str) -> Path:
        """A folder to work in, of one item."""
        return self._home / "making" / item_id

    async def fresh_work(self, item_id: str) -> Path:
        """That folder, empty: what an earlier attempt left is gone."""
        work = self.work(item_id)
        await asyncio.to_thread(artifacts.drop_folder, work)
        with artifacts.local_files(work):
            await asyncio.to_thread(work.mkdir, parents=True)
        return work
