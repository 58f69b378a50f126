"""The trainer room's queue consumer: prepares base models, and runs the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from services.runtime.base_models import BaseModelInfo
from services.runtime.errors import NotFound, SishuError, Unavailable
from services.runtime.faults import RETRYABLE
from services.runtime.jobs import Item, ItemClosed, Jobs
from services.runtime.room import Parts
from services.trainer import artifacts, bases
from services.trainer.checkpoints.fetching import Fetcher
from services.trainer.checkpoints.sweeping import drop_checkpoints
from services.trainer.dataset_rows import fetch_rows, first_rows
from services.trainer.engine_events import RunLog
from services.trainer.estimate_store import EstimateStore
from services.trainer.guarding import AWAY, LOOK_SECONDS, patiently, telling, unless, until_closed
from services.trainer.leases import Lease, renewed
from services.trainer.metrics import TrainerMetrics
from services.trainer.models import Made, Model, ModelFile, digest_of, public_name
from services.trainer.preflight import Preflight
from services.trainer.registry.cards import CARD, Cards
from services.trainer.registry.folders import Folders
from services.trainer.run_events import RunEvent
from services.trainer.running import Desk, Ending, EngineRun
from services.trainer.store import Store
from services.trainer.tracking.reporting import Trackers
from services.trainer.tracking.run_files import RunFiles
from services.trainer.training_config import Place, spec_of
from services.trainer.training_runs import WAITING, TrainingRun
from services.trainer.workers.devices import enough
from services.trainer.workers.registration import ThisWorker
from sishu.errors import ApiError

log = structlog.get_logger()


class PrepareWorker:
    """Does the items of `prepare_model` jobs.

    Args:
        cache: folder of converted models on this machine.
        python: Python that has torch.
        estimates: keeps what estimates are made from.
    """

    def __init__(self, jobs: Jobs, store: Store, cache: Path, python: Path, estimates: EstimateStore) -> None:
        self._jobs = jobs
        self._store = store
        self._cache = cache
        self._python = python
        self._estimates = estimates

    async def prepare_model(self, item: Item) -> None:
        """Find or make the folder of a base model, and store what identifies it."""
        model = await self._store.get_model(item.resource_id)
        async with telling(self._jobs, item.job_id) as say:
            try:
                info, config = await unless(self._describe(model, say), until_closed(self._jobs, item.job_id))
            except SishuError as error:
                say(error.message)
                raise
        async with self._jobs.finish(item) as connection:
            await self._store.set_described(connection, model.id, info)
            await self._estimates.set_config(connection, model.id, config)
        log.info("model_prepared", model_id=model.id, architecture=info.architecture)

    async def _describe(self, model: Model, say: bases.Say) -> tuple[BaseModelInfo, dict[str, Any]]:
        folder = await bases.resolve(model.source, self._cache, self._python, say)
        say("reading the weights")
        return await bases.describe(folder), await bases.read_config(folder)


class TrainWorker:
    """Does the items of `train` jobs: each in `runs/<id>` of this machine's state folder.

    Args:
        parts: of the room.
        store: the room's tables.
        metrics: where is told what goes on.
        worker: this process as the others see it.
        preflight: says before a run whether it fits.
        cards: writes the card of what a run made.
        folders: has models on this machine.
        environment: variables that engines get beside those of this process.
    """

    def __init__(
        self,
        parts: Parts,
        store: Store,
        metrics: TrainerMetrics,
        worker: ThisWorker,
        preflight: Preflight,
        cards: Cards,
        folders: Folders,
        environment: Mapping[str, str],
    ) -> None:
        self._jobs = parts.jobs
        self._store = store
        self._storage = parts.storage
        self._files = RunFiles(parts.pool, parts.storage)
        self._trackers = Trackers(parts.pool, parts.config.home, worker.config.tracker_python)
        self._client = parts.client
        self._metrics = metrics
        self._config = worker.config
        self._preflight = preflight
        self._cards = cards
        self._folders = folders
        self._home = parts.config.home
        self._worker = worker
        self._desk = Desk(parts.jobs, store, parts.storage, metrics, worker.config, environment)
        # When the process is to end, the engine ends at once: it writes a checkpoint to go on from.
        self._stopping = parts.stop

    async def train(self, item: Item) -> None:
        """Have the engine train while the devices are ours, and store what it made.

        Raises:
            Unavailable: devices are taken, or this worker has too few; the item is handed out again, to
                whichever worker is free, for as long as it takes.
            ItemClosed: the run was paused or cancelled, another worker has it, or this process is to end;
                then the item is handed out again.
        """
        run = await self._store.get_run(item.resource_id)
        devices = await self._worker.devices()
        count = enough(devices, run.config.devices)
        lease = Lease(self._store.pool, self._worker.claimant, run.id)
        ids = [device.id for device in devices]
        if count > len(ids) or not await lease.take(ids, count):
            raise await self._taken(item, lease, ids, count)
        self._metrics.began(run)
        state, closed = "pending", False
        try:
            async with renewed(lease) as lost:
                # The worker that had the run may have ended it meanwhile.
                await self._jobs.load(item.id, item.attempt)
                await self._hold(item, run, lease, lost)
            state = "succeeded"
        except (SishuError, ApiError) as error:
            state = "pending" if error.code in RETRYABLE else "failed"
            await self._note_failure(item, run, error.message)
            raise
        except (ItemClosed, asyncio.CancelledError):
            closed = True
            state = await self._tidy(item, run)
            raise
        finally:
            self._metrics.ended(run.id, state)
            with contextlib.suppress(*AWAY):
                await lease.release()
                if closed:
                    await self._store.set_waiting(run.id)

    def _work(self, run: TrainingRun) -> Path:
        return self._home / "runs" / run.id

    async def _taken(self, item: Item, lease: Lease, ids: Sequence[str], count: int) -> Exception:
        """What to raise when there is no lease: devices have other runs, or the run another worker."""
        if not await self._store.set_waiting(item.resource_id):
            return ItemClosed()
        if count > len(ids):
            await lease.keep_wait()
            most = await self._worker.workers.most_devices()
            words = (
                f"waiting for a worker with {count} devices: the largest has {most}, the one that was asked "
                f"has {len(ids)}"
            )
        else:
            words = f"waiting for a device: {lease.shortage or 'another worker had the run until now'}"
        return Unavailable("DEVICES_BUSY", words)

    async def _hold(self, item: Item, run: TrainingRun, lease: Lease, lost: asyncio.Event) -> None:
        """Have the engine train while the lease is ours, and store what it made with the item's end."""
        base = await self._store.get_model(run.base_model_id)
        ending = Ending()
        pointless = self._until_pointless(item, lost, ending)
        seen, made = await unless(self._train(item, run, base, lease, ending), pointless)

        async def finish() -> None:
            async with self._jobs.finish(item) as connection:
                if not await lease.release(connection):
                    raise ItemClosed
                await self._store.insert_made(connection, run, made)

        await patiently(finish, self._config.patience_seconds)
        await asyncio.to_thread(artifacts.drop_leftovers, self._work(run))
        log.info("run_succeeded", run_id=run.id, model_id=run.model_id, steps=seen.summary.steps)

    async def _until_pointless(self, item: Item, lost: asyncio.Event, ending: Ending) -> None:
        """Return when the run is paused, cancelled, deleted or lost, or the process is to end."""
        while not self._stopping.is_set():
            try:
                state = (await self._jobs.states([item.job_id]))[item.job_id]
            except AWAY as error:
                log.warning("database_away", error=str(error))
                state = ""
            if state in {"cancelled", "deleted"}:
                ending.reason = "cancelled"
            elif state == "paused" and ending.may_pause:
                ending.reason = "paused"
            elif lost.is_set():
                ending.reason = "lost"
            if ending.reason:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_SECONDS)
        ending.reason = "stopping"

    async def _train(
        self, item: Item, run: TrainingRun, base: Model, lease: Lease, ending: Ending
    ) -> tuple[RunLog, Made]:
        work = self._work(run)
        devices = [device for device in await self._worker.devices() if device.id in lease.devices]
        async with telling(self._jobs, item.job_id) as say:
            await self._tell_lease(run, lease)
            spec = await self._make_ready(run, base, work, say)
            engine = EngineRun(self._desk, run, item.id, work, spec, lease, devices, ending, say)
            async with self._trackers.reporting(run, work):
                seen = await engine.until_finished()
            say("storing the model" if run.config.gives_whole_model else "storing the adapter")
            made = await patiently(lambda: self._upload(run, base, seen, work), self._config.patience_seconds)
            made = await patiently(lambda: self._with_card(run, made), self._config.patience_seconds)
            # Last: what the run made is worth more than what it could go on from.
            say("storing the last checkpoint")
            await engine.store_checkpoints()
        return seen, made

    async def _tell_lease(self, run: TrainingRun, lease: Lease) -> None:
        host, ids = lease.claimant.host, ", ".join(lease.devices)
        details = {"host": host, "devices": ids, "worker_id": lease.claimant.worker_id}
        await self._desk.events.add(run.id, [RunEvent("leased", f"has {ids} of {host}", details)])

    async def _make_ready(
        self, run: TrainingRun, base: Model, work: Path, say: bases.Say
    ) -> Mapping[str, object]:
        """Have base model, training rows, spec and the newest checkpoint on this machine; return the spec."""
        await self._store.set_phase(run.id, "preparing")
        folder = await self._folders.whole(base, say)
        rows = work / artifacts.ROWS
        say("fetching the training rows")
        with artifacts.local_files(work):
            await asyncio.to_thread(work.mkdir, parents=True, exist_ok=True)
            held_out = await fetch_rows(self._client, run.dataset_version_id, run.config.objective, rows)
            chosen = work / artifacts.FIRST_ROWS
            rows = await asyncio.to_thread(first_rows, rows, run.config.max_rows, chosen)
        await self._fetch_checkpoint(run, work)
        place = Place(work, folder, rows, self._config.device, self._config.threads, held_out)
        plan = await self._desk.plans.get(run.id)
        spec = {**spec_of(run.id, run.config, public_name(base), place), **(plan.spec() if plan else {})}
        await asyncio.to_thread(artifacts.save_spec, work, spec)
        warning = await self._preflight.check_here(
            run, folder, rows, self._config.device, self._config.engine_python
        )
        if warning:
            say(warning)
        return spec

    async def _fetch_checkpoint(self, run: TrainingRun, work: Path) -> None:
        async def tell(event: RunEvent) -> None:
            await self._desk.events.add(run.id, [event])

        fetcher = Fetcher(self._storage, self._desk.checkpoints, tell)
        await patiently(lambda: fetcher.bring(run.id, work), self._config.patience_seconds)

    async def _upload(self, run: TrainingRun, base: Model, seen: RunLog, work: Path) -> Made:
        """Store what the run made, and say what it is."""
        record = await artifacts.upload_record(self._storage, work, run.files_prefix, seen.reports)
        self._metrics.stored("record", sum(file.size_bytes for file in record))
        await self._files.note(run.id, record)
        await self._files.keep_event_file(run)
        whole = run.config.gives_whole_model
        folder = work / (artifacts.MODEL if whole else artifacts.ADAPTER)
        files = await artifacts.upload_folder(self._storage, folder, run.model_prefix)
        self._metrics.stored("model", sum(file.size_bytes for file in files))
        renderer = seen.facts.get("renderer_sha256", "")
        if whole:
            info = await bases.describe(folder)
            facts = (info.architecture, info.parameters, info.sha256, info.chat_template_sha256)
            return Made("tuned", files, *facts, info.context_length, renderer)
        template = seen.facts.get("chat_template_sha256", base.chat_template_sha256)
        count = seen.summary.trainable_parameter_count
        facts = (base.architecture, count, digest_of(files), template)
        return Made("adapter", files, *facts, base.context_length, renderer)

    async def _with_card(self, run: TrainingRun, made: Made) -> Made:
        """Store the card beside what the run made, in whose digest it has no part."""
        text = await self._cards.of_run(await self._store.get_run(run.id), made)
        key = run.model_prefix + CARD
        info = await self._storage.put_bytes(key, text.encode(), "text/markdown")
        others = [file for file in made.files if file.name != CARD]
        return replace(made, files=[*others, ModelFile(CARD, key, info.size, info.sha256)])

    async def _note_failure(self, item: Item, run: TrainingRun, message: str) -> None:
        """A run that is tried again, by itself or on request, waits; until then people can read why."""
        with contextlib.suppress(*AWAY):
            await self._store.set_phase(run.id, WAITING)
            await self._jobs.set_progress(item.job_id, message)

    async def _tidy(self, item: Item, run: TrainingRun) -> str:
        """Delete what a cancelled, deleted or ended run left; one that goes on keeps everything.

        Returns the run's state.
        """
        try:
            job = await self._jobs.get(item.job_id)
        except NotFound:
            await asyncio.to_thread(artifacts.drop_folder, self._work(run))
            # Whoever deleted the run could not know what we were storing.
            for prefix in (run.files_prefix, run.model_prefix):
                await patiently(partial(self._storage.delete_prefix, prefix), self._config.patience_seconds)
            return "cancelled"
        except AWAY as error:
            log.warning("run_not_tidied", run_id=run.id, error=str(error))
        else:
            if job.state in {"cancelled", "succeeded"}:
                await asyncio.to_thread(artifacts.drop_leftovers, self._work(run))
            if job.state == "cancelled":
                await self._drop_checkpoints(run)
            if job.state == "paused":
                with contextlib.suppress(*AWAY):
                    await self._desk.events.add(run.id, [RunEvent("paused", "paused; its devices are free")])
            if job.state in {"cancelled", "succeeded", "paused"}:
                return job.state
        return "pending"

    async def _drop_checkpoints(self, run: TrainingRun) -> None:
        """Nobody can go on from those of a cancelled run; what fails here is swept later."""
        with contextlib.suppress(*AWAY, SishuError):
            await drop_checkpoints(self._storage, self._desk.checkpoints, run)
