"""Every SQL statement about models and training runs, behind functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import asyncpg

from services.runtime.base_models import BaseModelInfo
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.errors import AlreadyExists, FailedPrecondition, NotFound
from services.runtime.ids import new_id
from services.runtime.job_rows import delete_jobs
from services.runtime.jobs import ENDED, Jobs, NewItem, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements
from services.trainer.engine_events import RunLog
from services.trainer.models import Made, Model, ModelFile
from services.trainer.tracking.verdicts import verdict_of_json
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import WAITING, NewRun, TrainingRun, TrainingStep, TrainingSummary

SQL = Statements(Path(__file__).parent / "sql" / "trainer.sql")

SUMMARY = tuple(field.name for field in fields(TrainingSummary))


class Store:
    """The tables of the trainer room, leases left out."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs

    async def create_model(self, project_id: str, name: str, source: str, request_id: str) -> Model:
        """Register a base model with the job that prepares it; the same request id gives the first answer.

        Raises:
            AlreadyExists: the project has a model of that name.
        """
        async with transaction(self.pool) as connection:
            new, job_id = new_id(), new_id()
            model_id = await claim_request(connection, "CreateModel", request_id, new)
            if model_id == new:
                values = (new, project_id, name, "base", source, None, None, job_id, "", 0, "", "", 0, 0, "")
                if await connection.fetchval(SQL.insert_model, *values) is None:
                    raise AlreadyExists(
                        "MODEL_NAME_TAKEN",
                        f"the project has a model named {name!r}; use another name",
                        "model.name",
                        name=name,
                    )
                items = [NewItem("prepare_model", new, new)]
                await self.jobs.create(
                    connection, "prepare_model", items, project_id=project_id, resource_id=new, job_id=job_id
                )
        return await self.get_model(model_id)

    async def get_model(self, model_id: str) -> Model:
        """One model.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.select_models, model_id, None, None, "", None, 1)
        if row is None:
            raise model_not_found(model_id)
        return model_of(row)

    async def list_models(
        self, page: PageRequest, project_id: str, kind: str | None, name: str
    ) -> Page[Model]:
        """Models of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.select_models, None, project_id, kind, name, after, page.limit)
        return page_of([model_of(row) for row in rows], page, lambda model: (model.id,), bytes_of)

    async def set_described(self, connection: Connection, model_id: str, info: BaseModelInfo) -> None:
        """Store the facts about a base model."""
        await connection.execute(
            SQL.set_described,
            model_id,
            info.architecture,
            info.parameters,
            info.sha256,
            info.chat_template_sha256,
            info.context_length,
        )

    async def list_model_files(self, model_id: str) -> list[ModelFile]:
        """The stored files of a model by name."""
        return [ModelFile(**row) for row in await self.pool.fetch(SQL.list_model_files, model_id)]

    async def insert_made(self, connection: Connection, run: TrainingRun, made: Made) -> None:
        """Add the model that a run made, under the run's name, or one that has the run's id in it."""
        for name in (run.name, f"{run.name}-{run.id}"):
            inserted = await connection.fetchval(
                SQL.insert_model,
                run.model_id,
                run.project_id,
                name,
                made.kind,
                "",
                run.base_model_id,
                run.id,
                None,
                made.architecture,
                made.parameter_count,
                made.sha256,
                made.chat_template_sha256,
                made.context_length,
                sum(file.size_bytes for file in made.files),
                made.renderer_sha256,
            )
            if inserted:
                break
        await connection.executemany(
            SQL.insert_model_files, [(run.model_id, *astuple(file)) for file in made.files]
        )

    async def delete_model(self, model_id: str, delete_objects: Callable[[], Awaitable[int]]) -> int:
        """Delete a model's rows and its job once its objects are gone; return the number of objects.

        Raises:
            NotFound: there is none.
            FailedPrecondition: a pending or running training, or an adapter, needs it.
        """
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.lock_job_of_model, model_id)
            row = await connection.fetchrow(SQL.lock_model, model_id)
            if row is None:
                raise model_not_found(model_id)
            uses = await connection.fetchrow(SQL.uses_of_model, model_id)
            if uses and any(uses.values()):
                raise FailedPrecondition(
                    "MODEL_IN_USE",
                    f"{uses['adapters']} adapters and {uses['runs']} open training runs need the model; "
                    "delete or cancel them first",
                    model_id=model_id,
                )
            objects = await delete_objects()
            await connection.execute(SQL.delete_model, model_id)
            await delete_jobs(connection, row["job_id"])
            await forget_requests(connection, model_id)
        return objects

    async def create_run(self, new: NewRun, request_id: str) -> TrainingRun:
        """Queue a run; the same request id gives the first answer.

        Raises:
            NotFound: the base model was deleted meanwhile.
        """
        async with transaction(self.pool) as connection:
            fresh, job_id = new_id(), new_id()
            run_id = await claim_request(connection, "CreateTrainingRun", request_id, fresh)
            if run_id == fresh:
                if await connection.fetchval(SQL.share_model, new.base_model_id) is None:
                    raise model_not_found(new.base_model_id)
                await self._insert_run(connection, run_id, new, job_id)
        return await self.get_run(run_id)

    async def _insert_run(self, connection: Connection, run_id: str, new: NewRun, job_id: str) -> None:
        await connection.execute(
            SQL.insert_run,
            run_id,
            new.project_id,
            new.name,
            new.dataset_version_id,
            new.dataset_content_sha256,
            new.base_model_id,
            new.base_model_sha256,
            new.config.as_json(),
            job_id,
            new_id(),
            new.code_version,
        )
        items = [NewItem("train", run_id, run_id)]
        await self.jobs.create(
            connection, "train", items, project_id=new.project_id, resource_id=run_id, job_id=job_id
        )

    async def get_run(self, run_id: str) -> TrainingRun:
        """One run.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.select_runs, run_id, None, None, 1)
        if row is None:
            raise run_not_found(run_id)
        return run_of(row)

    async def list_runs(self, page: PageRequest, project_id: str) -> Page[TrainingRun]:
        """Runs of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.select_runs, None, project_id, after, page.limit)
        return page_of([run_of(row) for row in rows], page, lambda run: (run.id,), bytes_of)

    async def count_runs(self) -> dict[str, int]:
        """Number of runs by state."""
        return {row["state"]: row["runs"] for row in await self.pool.fetch(SQL.count_runs)}

    async def list_steps(self, page: PageRequest, run_id: str) -> Page[TrainingStep]:
        """Steps of a run by number."""
        after = int(page.after[0]) if page.after else 0
        rows = await self.pool.fetch(SQL.list_steps, run_id, after, page.limit)
        return page_of([TrainingStep(**row) for row in rows], page, lambda step: (step.step,))

    async def new_steps(
        self, run_id: str, after_step: int, revision: int, limit: int
    ) -> tuple[list[TrainingStep], int]:
        """Steps after one that were stored since a revision, as they were done; and the newest revision."""
        rows = [
            dict(row)
            for row in await self.pool.fetch(SQL.list_new_steps, run_id, after_step, revision, limit)
        ]
        for row in rows:
            revision = row.pop("revision")
        return [TrainingStep(**row) for row in rows], revision

    async def set_phase(self, run_id: str, phase: str) -> None:
        """Say what a run does now."""
        await self.pool.execute(SQL.set_phase, run_id, phase)

    async def set_waiting(self, run_id: str) -> bool:
        """Say that a run waits for a device; false when it has one."""
        return await self.pool.fetchval(SQL.set_waiting, run_id, WAITING) is not None

    async def save_progress(self, run_id: str, log: RunLog, steps: Sequence[TrainingStep]) -> None:
        """Store steps, of which a number stands once in the call, and what the run reached with them.

        Raises:
            NotFound: the run was deleted meanwhile.
        """
        columns = zip(*map(astuple, steps), strict=True) if steps else ()
        one = log.summary
        async with transaction(self.pool) as connection:
            status = await connection.execute(
                SQL.set_summary,
                run_id,
                one.phase,
                one.steps,
                one.steps_total,
                one.tokens_per_second,
                one.loss_first,
                one.loss_last,
                one.peak_memory_bytes,
                one.parameter_count,
                one.trainable_parameter_count,
                one.device,
                one.precision,
                one.dropped_rows,
                one.validation_loss,
                one.validation_loss_best,
                one.validation_best_step,
                one.published_step,
                log.facts,
            )
            if status != "UPDATE 1":
                raise run_not_found(run_id)
            if steps:
                await connection.execute(SQL.upsert_steps, run_id, *columns)

    async def delete_run(self, run_id: str, delete_objects: Callable[[], Awaitable[int]]) -> int:
        """Delete an ended run, its steps and its job once its objects are gone; return the number of objects.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it has not ended, or its model is there.
        """
        async with transaction(self.pool) as connection:
            row = await connection.fetchrow(SQL.lock_run, run_id)
            if row is None:
                raise run_not_found(run_id)
            if row["job_state"] not in ENDED:
                raise FailedPrecondition(
                    "TRAINING_RUN_ACTIVE",
                    f"the run is {row['job_state']}; cancel its job {row['job_id']} first",
                    job_id=row["job_id"],
                )
            model_id = await connection.fetchval(SQL.model_of_run, run_id)
            if model_id is not None:
                raise FailedPrecondition(
                    "TRAINING_RUN_IN_USE",
                    f"the run made the model {model_id}; delete the model first",
                    model_id=model_id,
                )
            objects = await delete_objects()
            await connection.execute(SQL.delete_run, run_id)
            await delete_jobs(connection, row["job_id"])
            await forget_requests(connection, run_id)
        return objects

    async def delete_project(self, project_id: str) -> tuple[dict[str, int], list[str], list[str]]:
        """Delete all rows of a project; return their number by table, and the ids of runs and models."""
        async with transaction(self.pool) as connection:
            # First, as whoever ends an item locks its job first.
            await self.jobs.delete_project(connection, project_id)
            ids = await connection.fetchrow(SQL.list_ids, project_id)
            counts = await connection.fetchrow(SQL.delete_project, project_id)
            assert ids is not None and counts is not None  # noqa: S101  # one row always comes back
            await forget_requests(connection, *ids["runs"], *ids["models"], *ids["uploads"])
        return dict(counts), list(ids["runs"]), list(ids["models"])


def model_of(row: asyncpg.Record) -> Model:
    """A row of `select_models`."""
    return Model(**{**row, "job": row["job"] and job_of(row["job"])})


def run_of(row: asyncpg.Record) -> TrainingRun:
    """A row of `select_runs`."""
    values: dict[str, Any] = {name: value for name, value in row.items() if name not in SUMMARY}
    values["summary"] = TrainingSummary(**{name: row[name] for name in SUMMARY})
    values["config"] = TrainingConfig.of_json(row["config"])
    values["job"] = job_of(row["job"])
    values["verdict"] = verdict_of_json(row["verdict"])
    return TrainingRun(**values)


def bytes_of(one: Model | TrainingRun) -> int:
    """About how large a model or a run is in an answer."""
    return len(str(one).encode())


def model_not_found(model_id: str) -> NotFound:
    """The error for a model that is not there."""
    return NotFound("MODEL_NOT_FOUND", f"there is no model {model_id}", model_id=model_id)


def run_not_found(run_id: str) -> NotFound:
    """The error for a run that is not there."""
    return NotFound("TRAINING_RUN_NOT_FOUND", f"there is no training run {run_id}", run_id=run_id)
