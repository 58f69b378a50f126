"""Every SQL statement of the inference room, behind functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import asyncpg

from services.inference.deployments import BUILTIN, Deployment, DeploymentOptions, not_found
from services.inference.exams import Exam, ExamArm, ExamItem, ExamResult, Score
from services.runtime.db import Connection, Pool, claim_request, forget_requests, transaction
from services.runtime.errors import FailedPrecondition, NotFound
from services.runtime.failures import Failure
from services.runtime.ids import new_id
from services.runtime.jobs import ENDED, Job, Jobs, job_of
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parent / "sql" / "inference.sql")


class DeploymentStore:
    """The table `deployments`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def create(
        self, project_id: str, model_id: str, model_name: str, options: DeploymentOptions, request_id: str
    ) -> Deployment:
        """The project's deployment of a model with these options; a failed one is to be tried again."""
        async with transaction(self.pool) as connection:
            await connection.execute(SQL.lock_model, project_id, model_id)
            wanted = (project_id, model_id, options.as_json())
            found = await connection.fetchval(SQL.find_deployment, *wanted) or new_id()
            deployment_id = await claim_request(connection, "CreateDeployment", request_id, found)
            if deployment_id == found:
                await connection.execute(SQL.upsert_deployment, found, *wanted, BUILTIN, model_name)
            return await self._get(connection, deployment_id)

    async def get(self, deployment_id: str) -> Deployment:
        """One deployment.

        Raises:
            NotFound: there is none.
        """
        async with self.pool.acquire() as connection:
            return await self._get(connection, deployment_id)

    async def get_many(self, deployment_ids: Sequence[str]) -> dict[str, Deployment]:
        """Deployments by id; those that are not there are left out."""
        rows = await self.pool.fetch(SQL.get_deployments, list(deployment_ids))
        return {row["id"]: deployment(row) for row in rows}

    async def list_page(
        self, page: PageRequest, project_id: str | None, model_id: str | None
    ) -> Page[Deployment]:
        """Deployments, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_deployments, project_id, model_id, after, page.limit)
        return page_of([deployment(row) for row in rows], page, lambda one: (one.id,), bytes_of)

    async def delete(self, deployment_id: str) -> None:
        """Want a model no more.

        Raises:
            NotFound: there is no such deployment.
            FailedPrecondition: an exam that runs asks it.
        """
        async with transaction(self.pool) as connection:
            project_id = await connection.fetchval(SQL.lock_deployment, deployment_id)
            if project_id is None:
                raise not_found(deployment_id)
            exam_id = await connection.fetchval(SQL.exam_that_asks, deployment_id, project_id)
            if exam_id:
                raise FailedPrecondition(
                    "DEPLOYMENT_IN_USE",
                    f"exam {exam_id} is asking deployment {deployment_id}; wait for it, or cancel its job",
                    deployment_id=deployment_id,
                    exam_id=exam_id,
                )
            await connection.execute(SQL.delete_deployment, deployment_id)
            await forget_requests(connection, deployment_id)

    async def all(self) -> list[Deployment]:
        """Every deployment, oldest first; their number is bounded by this machine's memory."""
        return [deployment(row) for row in await self.pool.fetch(SQL.wanted_deployments)]

    async def share(self, connection: Connection, deployment_ids: Sequence[str]) -> None:
        """Let nobody delete some deployments until the transaction ends.

        Raises:
            NotFound: one of them is gone.
        """
        rows = await connection.fetch(SQL.share_deployments, list(deployment_ids))
        gone = set(deployment_ids) - {row["id"] for row in rows}
        if gone:
            raise not_found(min(gone))

    async def lead(self, connection: Connection) -> bool:
        """Whether this connection's process is the one that looks after the engines, until it closes."""
        return bool(await connection.fetchval(SQL.lead))

    async def load_all_again(self, connection: Connection) -> None:
        """Say of every deployment that it is being loaded, because no engine outlives its process."""
        await connection.execute(SQL.load_all_again)

    async def wanted(self, connection: Connection) -> list[Deployment]:
        """Every deployment."""
        return [deployment(row) for row in await connection.fetch(SQL.wanted_deployments)]

    async def set_ready(self, deployment_id: str, base_url: str, model_name: str) -> None:
        """Note where the engine answers, and to which name."""
        await self.pool.execute(SQL.set_ready, deployment_id, base_url, model_name)

    async def set_idle(self, deployment_id: str, seconds: float) -> bool:
        """Note that a model is unloaded if nobody asked it for so long; say whether that is so."""
        return bool(await self.pool.fetchval(SQL.set_idle, deployment_id, seconds))

    async def load_again(self, deployment_id: str) -> None:
        """Want a model loaded that was unloaded because nobody asked it."""
        await self.pool.execute(SQL.load_again, deployment_id)

    async def touch(self, deployment_id: str) -> None:
        """Note that somebody asks a model."""
        await self.pool.execute(SQL.touch, deployment_id)

    async def set_loading_again(self, deployment_id: str) -> None:
        """Note that the engine ended by itself and is started again."""
        await self.pool.execute(SQL.set_loading_again, deployment_id)

    async def set_failed(self, deployment_id: str, failure: Failure) -> None:
        """Note why a model cannot be loaded."""
        await self.pool.execute(SQL.set_failed, deployment_id, failure.as_json())

    async def _get(self, connection: Connection, deployment_id: str) -> Deployment:
        row = await connection.fetchrow(SQL.get_deployment, deployment_id)
        if row is None:
            raise not_found(deployment_id)
        return deployment(row)


class ExamStore:
    """The tables `exams`, `exam_items` and `exam_results`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def insert(self, connection: Connection, exam: Exam, items: Sequence[ExamItem]) -> None:
        """Add an exam with its questions."""
        arms = [asdict(arm) for arm in exam.arms]
        await connection.execute(
            SQL.insert_exam,
            exam.id,
            exam.project_id,
            exam.dataset_version_id,
            exam.job_id,
            arms,
            exam.item_count,
        )
        await connection.executemany(
            SQL.insert_exam_items,
            [(exam.id, *columns_of(item)) for item in items],
        )

    async def get(self, exam_id: str) -> Exam:
        """One exam.

        Raises:
            NotFound: there is none.
        """
        row = await self.pool.fetchrow(SQL.get_exam, exam_id)
        if row is None:
            raise exam_not_found(exam_id)
        return exam(row)

    async def list_page(self, page: PageRequest, project_id: str) -> Page[Exam]:
        """Exams of a project, newest first."""
        after = page.after[0] if page.after else None
        rows = await self.pool.fetch(SQL.list_exams, project_id, after, page.limit)
        return page_of([exam(row) for row in rows], page, lambda one: (one.id,))

    async def jobs(self, exams: Sequence[Exam]) -> dict[str, Job]:
        """Jobs of exams, by their ids."""
        rows = await self.pool.fetch(SQL.exam_jobs, [exam.job_id for exam in exams])
        return {row["id"]: job_of(row) for row in rows}

    async def result_counts(self, exams: Sequence[Exam]) -> dict[str, int]:
        """Number of results by exam; 0 where there is none."""
        rows = await self.pool.fetch(SQL.count_exam_results, [exam.id for exam in exams])
        return defaultdict(int, {row["exam_id"]: row["results"] for row in rows})

    async def scores(self, exam_id: str) -> list[Score]:
        """Scores of an exam, in the order of its questions."""
        return [Score(**row) for row in await self.pool.fetch(SQL.exam_scores, exam_id)]

    async def get_item(self, exam_id: str, example_id: str) -> ExamItem:
        """One question of an exam.

        Raises:
            NotFound: the exam has no such question.
        """
        row = await self.pool.fetchrow(SQL.get_exam_item, exam_id, example_id)
        if row is None:
            raise NotFound(
                "EXAM_ITEM_NOT_FOUND",
                f"exam {exam_id} has no question made of example {example_id}",
                exam_id=exam_id,
                example_id=example_id,
            )
        return ExamItem(**row)

    async def insert_result(
        self, connection: Connection, exam_id: str, example_id: str, *, arm: int, answer: str, score: float
    ) -> None:
        """Add the answer of one arm to one question."""
        await connection.execute(SQL.insert_exam_result, new_id(), exam_id, example_id, arm, answer, score)

    async def list_results(self, page: PageRequest, exam_id: str, arm: int | None) -> Page[ExamResult]:
        """Results question by question, arms in the exam's order."""
        after = tuple(map(int, page.after)) if page.after else (None, None)
        rows = await self.pool.fetch(SQL.list_exam_results, exam_id, arm, *after, page.limit)
        return page_of(
            [ExamResult(**row) for row in rows],
            page,
            lambda one: (one.position, one.arm),
            lambda one: one.size_bytes,
        )

    async def delete(self, exam_id: str) -> int:
        """Delete an exam with questions, results and job; return how many results.

        Raises:
            NotFound: there is no such exam.
            FailedPrecondition: it is running.
        """
        async with transaction(self.pool) as connection:
            state = await connection.fetchval(SQL.lock_exam, exam_id)
            if state is None:
                raise exam_not_found(exam_id)
            if state not in ENDED:
                raise FailedPrecondition(
                    "EXAM_RUNNING", f"exam {exam_id} is running; cancel its job first", exam_id=exam_id
                )
            await forget_requests(connection, exam_id)
            return int(await connection.fetchval(SQL.delete_exam, exam_id))


class Store:
    """The tables of the inference room."""

    def __init__(self, pool: Pool, jobs: Jobs) -> None:
        self.pool = pool
        self.jobs = jobs
        self.deployments = DeploymentStore(pool)
        self.exams = ExamStore(pool)

    async def delete_project(self, project_id: str) -> dict[str, int]:
        """Delete all that the project has here; return the deleted rows by table."""
        async with transaction(self.pool) as connection:
            # Goes first: it waits for the items that are being finished, and none can be finished after it.
            await self.jobs.delete_project(connection, project_id)
            counts = await connection.fetchrow(SQL.count_project_rows, project_id)
            exams = await connection.fetch(SQL.delete_project_exams, project_id)
            deployments = await connection.fetch(SQL.delete_project_deployments, project_id)
            talks = await connection.fetch(SQL.delete_project_conversations, project_id)
            await forget_requests(connection, *(row["id"] for row in [*exams, *deployments, *talks]))
        assert counts is not None  # noqa: S101  # counts always come back
        return {
            **counts,
            "exams": len(exams),
            "deployments": len(deployments),
            "conversations": len(talks),
            "conversation_messages": sum(row["message_count"] for row in talks),
        }


def bytes_of(one: Deployment) -> int:
    """About how many bytes a deployment takes in an answer."""
    return one.failure.size if one.failure else 0


def deployment(row: asyncpg.Record) -> Deployment:
    """A row of `deployments`."""
    columns = {name: value for name, value in row.items() if name != "use_time"}
    failure = row["failure"]
    options = DeploymentOptions(**row["options"])
    return Deployment(**{**columns, "failure": Failure(**failure) if failure else None, "options": options})


def exam(row: asyncpg.Record) -> Exam:
    """A row of `exams`."""
    return Exam(**{**row, "arms": [ExamArm(**arm) for arm in row["arms"]]})


def columns_of(item: ExamItem) -> tuple[object, ...]:
    """The columns of an exam item, in the order of `insert_exam_items`."""
    return (item.example_id, item.position, item.messages, item.question, item.reference, item.quotes)


def exam_not_found(exam_id: str) -> NotFound:
    """The error for an exam that is not there."""
    return NotFound("EXAM_NOT_FOUND", f"there is no exam {exam_id}", exam_id=exam_id)
