"""The queue's work on models: merge, export and import."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, SishuError, Unavailable
from services.runtime.jobs import Item, ItemClosed
from services.runtime.room import Parts
from services.runtime.storage import Storage, file_info
from services.trainer import artifacts, bases
from services.trainer.guarding import AWAY, patiently, telling, unless, until_closed
from services.trainer.leases import Lease, renewed
from services.trainer.models import HUB_ID, Made, Model, ModelFile, digest_of
from services.trainer.registry.cards import CARD, Cards
from services.trainer.registry.folders import Folders
from services.trainer.registry.making import GGUF_FOLDER, Merge, Upload, prefix_of
from services.trainer.registry.programs import answer_of
from services.trainer.registry.store import RegistryStore
from services.trainer.store import Store
from services.trainer.workers.devices import environment
from services.trainer.workers.registration import ThisWorker

log = structlog.get_logger()


class RegistryWorker:
    """Does the items of `merge_model`, `export_model` and `import_model` jobs."""

    def __init__(
        self,
        parts: Parts,
        store: Store,
        registry: RegistryStore,
        cards: Cards,
        folders: Folders,
        worker: ThisWorker,
    ) -> None:
        self._jobs = parts.jobs
        self._store = store
        self._registry = registry
        self._cards = cards
        self._storage: Storage = parts.storage
        self._config = worker.config
        self._folders = folders
        self._worker = worker

    async def merge_model(self, item: Item) -> None:
        """Merge an adapter into its base, and store the model that comes out."""
        model, wish = await self._store.get_model(item.resource_id), Merge(**item.payload)
        async with self._working(item) as (work, say), self._device(item, wish) as seen:
            merging = self._merge(item, model, wish, work, say, seen)
            await unless(merging, until_closed(self._jobs, item.job_id))

    async def _merge(
        self, item: Item, model: Model, wish: Merge, work: Path, say: bases.Say, seen: Mapping[str, str]
    ) -> None:
        adapter = await self._store.get_model(wish.adapter_id)
        base = await self._store.get_model(adapter.base_model_id or "")
        base_folder = await self._folders.whole(base, say)
        await self._check_base(base, base_folder)
        folder = await self._folders.adapter(adapter, say, work)
        say("merging")
        made = work / "merged"
        device = "cpu" if wish.device == "cpu" else self._config.device
        arguments = [str(base_folder), str(folder), str(made), "--precision", wish.precision]
        arguments += ["--shard-bytes", str(wish.shard_bytes), "--device", device]
        told = await self._answer("merge", arguments, work, "MERGE_UNSUPPORTED", seen)
        say(f"storing the model, whose logits differ by {told['logit_error']:.2g} from base and adapter")
        await self._keep(item, model, made, adapter.renderer_sha256, told)

    async def _check_base(self, base: Model, folder: Path) -> None:
        """Demand the base that the adapter was trained on.

        Raises:
            FailedPrecondition: its files have changed.
        """
        found = (await bases.describe(folder)).sha256
        if base.sha256 and found != base.sha256:
            raise FailedPrecondition(
                "BASE_MODEL_CHANGED",
                f"{base.source or base.name} is not the base model {base.name} as it was registered: the "
                f"SHA-256 of its weights is {found[:12]}…, not {base.sha256[:12]}…; bring the old files back",
                model_id=base.id,
            )

    async def export_model(self, item: Item) -> None:
        """Write a model as GGUF, and store the files beside the model's."""
        model, kind = await self._store.get_model(item.resource_id), str(item.payload["type"])
        async with self._working(item) as (work, say):
            await unless(self._export(item, model, kind, work, say), until_closed(self._jobs, item.job_id))

    async def _export(self, item: Item, model: Model, kind: str, work: Path, say: bases.Say) -> None:
        folder = await self._folders.whole(model, say)
        say("writing the GGUF file")
        made = work / "gguf"
        arguments = [str(folder), str(made), "--type", kind, "--name", model.name]
        told = await self._answer("export", arguments, work, "EXPORT_UNSUPPORTED")
        say(f"storing the file, whose logits differ by {told['logit_error']:.2g} from the model's")
        # An object is written once: another export has another place.
        prefix = f"{prefix_of(model)}{GGUF_FOLDER}/{item.id}/"
        stored = await patiently(
            lambda: artifacts.upload_folder(self._storage, made, prefix), self._config.patience_seconds
        )
        files = [
            ModelFile(f"{GGUF_FOLDER}/{kind}/{file.name}", file.key, file.size_bytes, file.sha256)
            for file in stored
        ]

        async def finish() -> None:
            async with self._jobs.finish(item) as connection:
                await self._registry.put_files(connection, model.id, files)

        await patiently(finish, self._config.patience_seconds)

    async def import_model(self, item: Item) -> None:
        """Check uploaded files, and store them as a model's."""
        model = await self._store.get_model(item.resource_id)
        upload = await self._registry.get_upload(str(item.payload["upload_id"]))
        async with self._working(item) as (work, say):
            await unless(self._import(item, model, upload, work, say), until_closed(self._jobs, item.job_id))
            await self._storage.delete_prefix(upload.prefix)

    async def _import(self, item: Item, model: Model, upload: Upload, work: Path, say: bases.Say) -> None:
        folder = work / "model"
        say("fetching the files")
        await self._fetch_upload(upload, folder)
        say("checking the files")
        arguments = [str(folder)]
        if model.kind == "adapter":
            base = await self._store.get_model(model.base_model_id or "")
            await asyncio.to_thread(check_named_base, folder, base)
            arguments += ["--base", str(await self._folders.whole(base, say))]
        told = await self._answer("inspecting", arguments, work, "INVALID_BASE_MODEL")
        say("storing the model")
        await self._keep(item, model, folder, told.get("renderer_sha256", ""), told, upload.id)

    async def _fetch_upload(self, upload: Upload, folder: Path) -> None:
        """Have the announced files here.

        Raises:
            InvalidArgument: one did not arrive, or is another.
        """
        for file in upload.files:
            path = folder / file.name
            with artifacts.local_files(folder):
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            try:
                await self._storage.get_file(upload.prefix + file.name, path)
            except NotFound as error:
                raise InvalidArgument(
                    "UPLOAD_MISSING", f"{file.name} did not arrive; send it, and import again", name=file.name
                ) from error
            found = await asyncio.to_thread(file_info, path)
            if (found.size, found.sha256) != (file.size_bytes, file.sha256):
                raise InvalidArgument(
                    "UPLOAD_MISMATCH",
                    f"{file.name} is not the file that was announced; send it again",
                    name=file.name,
                )

    async def _keep(
        self,
        item: Item,
        model: Model,
        folder: Path,
        renderer_sha256: str,
        told: Mapping[str, Any],
        upload_id: str = "",
    ) -> None:
        """Store a folder as the model's, with the end of the item."""
        made = await self._made(model, folder, renderer_sha256, told)
        card = await self._cards.write(model, made)
        await asyncio.to_thread((folder / CARD).write_text, card, encoding="utf-8")
        prefix = prefix_of(model)
        files = await patiently(
            lambda: artifacts.upload_folder(self._storage, folder, prefix), self._config.patience_seconds
        )
        made = replace(made, files=files)

        async def finish() -> None:
            async with self._jobs.finish(item) as connection:
                await self._registry.set_made(connection, model.id, made)
                if upload_id:
                    await self._registry.take_upload(connection, upload_id)

        await patiently(finish, self._config.patience_seconds)
        log.info("model_made", model_id=model.id, kind=model.kind)

    async def _made(self, model: Model, folder: Path, renderer_sha256: str, told: Mapping[str, Any]) -> Made:
        """What a folder is."""
        if model.kind != "adapter":
            info = await bases.describe(folder)
            facts = (info.architecture, info.parameters, info.sha256, info.chat_template_sha256)
            return Made(model.kind, [], *facts, info.context_length, renderer_sha256)
        base = await self._store.get_model(model.base_model_id or "")
        files = [
            ModelFile(path.relative_to(folder).as_posix(), "", info.size, info.sha256)
            for path in await asyncio.to_thread(artifacts.files_of, folder)
            # As of what runs make: the card has no part in the digest.
            if path != folder / CARD
            for info in [await asyncio.to_thread(file_info, path)]
        ]
        facts = (base.architecture, int(told["parameters"]), digest_of(files), base.chat_template_sha256)
        return Made("adapter", files, *facts, base.context_length, renderer_sha256)

    async def _answer(
        self,
        program: str,
        arguments: list[str],
        work: Path,
        reason: str,
        seen: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        return await answer_of(self._config.engine_python, program, arguments, work, reason, seen)

    @asynccontextmanager
    async def _working(self, item: Item) -> AsyncIterator[tuple[Path, bases.Say]]:
        """A folder to work in, and a way to say what goes on; an error is said too."""
        work = await self._folders.fresh_work(item.id)
        try:
            async with telling(self._jobs, item.job_id) as say:
                try:
                    yield work, say
                except SishuError as error:
                    say(error.message)
                    raise
        except (ItemClosed, asyncio.CancelledError):
            await self._tidy(item)
            raise
        finally:
            await asyncio.to_thread(artifacts.drop_folder, work)

    async def _tidy(self, item: Item) -> None:
        """Delete what was being stored of a model that is gone: whoever deleted it could not know of it."""
        with contextlib.suppress(*AWAY, SishuError):
            if not await self._registry.models_there({item.resource_id}):
                await self._storage.delete_prefix(f"models/{item.project_id}/{item.resource_id}/")

    @asynccontextmanager
    async def _device(self, item: Item, wish: Merge) -> AsyncIterator[Mapping[str, str]]:
        """Hold a device of this worker where the merge is to be on one; variables that show it alone.

        Raises:
            Unavailable: runs have all; the item is handed out again.
        """
        if wish.device == "cpu":
            yield {}
            return
        devices = await self._worker.devices()
        lease = Lease(self._store.pool, self._worker.claimant, item.resource_id)
        if not await lease.take([device.id for device in devices], 1):
            raise Unavailable("DEVICES_BUSY", f"waiting for a device: {lease.shortage or 'none is free'}")
        try:
            async with renewed(lease):
                yield environment([device for device in devices if device.id in lease.devices])
        finally:
            with contextlib.suppress(*AWAY):
                await lease.release()


def check_named_base(folder: Path, base: Model) -> None:
    """Hold the base that an adapter names against the one that was given.

    A folder's path says nothing about a model; two ids of the hub do.

    Raises:
        InvalidArgument: they are two models.
    """
    named = artifacts.read_json(folder / "adapter_config.json").get("base_model_name_or_path") or ""
    if HUB_ID.fullmatch(named) and HUB_ID.fullmatch(base.source) and named != base.source:
        raise InvalidArgument(
            "ADAPTER_BASE_MISMATCH",
            f"the adapter names {named} as its base, not {base.source}; give the one that it was trained on",
            "base_model_id",
            named=named,
            base=base.source,
        )
