"""The inference room's queue consumer: asks one question of one arm an item, and scores the answer."""

from __future__ import annotations

import asyncio

from services.inference.deployments import Deployment, not_ready
from services.inference.exams import ExamItem, longest_answer
from services.inference.metrics import InferenceMetrics
from services.inference.store import Store
from services.inference.upstream import Sampling, Upstream
from services.runtime.errors import Unavailable
from services.runtime.jobs import Item, Jobs
from services.runtime.scoring import token_f1

POLL_SECONDS = 0.5
WAIT_SECONDS = 2.0


class ExamWorker:
    """Does the items of `examine` jobs."""

    def __init__(
        self,
        jobs: Jobs,
        store: Store,
        upstream: Upstream,
        metrics: InferenceMetrics,
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._upstream = upstream
        self._metrics = metrics

    async def ask_question(self, item: Item) -> None:
        """Ask an arm a question, and store answer and score.

        Raises:
            NotFound: the arm's deployment is gone.
            FailedPrecondition: it cannot be loaded.
            Unavailable: it is still being loaded, or its engine ended; to be tried again.
        """
        exam = await self._store.exams.get(item.job_resource_id)
        question = await self._store.exams.get_item(exam.id, item.resource_id)
        arm = int(item.payload["arm"])
        deployment = await self._loaded(exam.arms[arm].deployment_id)
        answer = await self._answer(deployment, question)
        score = token_f1(answer, question.reference)
        async with self._jobs.finish(item) as connection:
            await self._store.exams.insert_result(
                connection, exam.id, question.example_id, arm=arm, answer=answer, score=score
            )
        self._metrics.exam_items.inc()

    async def _answer(self, deployment: Deployment, question: ExamItem) -> str:
        """The likeliest answer, so that asking again gives the same."""
        sampling = Sampling(temperature=0.0, max_tokens=longest_answer(question.reference))
        pieces = [piece async for piece in self._upstream.ask(deployment, question.messages, sampling)]
        return "".join(piece.content for piece in pieces)

    async def _loaded(self, deployment_id: str) -> Deployment:
        """The deployment once it answers; a longer load is left to a later try, so that others get the slot.

        Raises:
            FailedPrecondition: it cannot be loaded.
            Unavailable: it is still being loaded.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            deployment = await self._store.deployments.get(deployment_id)
            if deployment.state == "ready":
                await self._store.deployments.touch(deployment_id)
                return deployment
            if deployment.state == "idle":
                await self._store.deployments.load_again(deployment_id)
            if deployment.state == "failed":
                raise not_ready(deployment)
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    "DEPLOYMENT_LOADING",
                    f"deployment {deployment_id} is still being loaded",
                    deployment_id=deployment_id,
                )
            await asyncio.sleep(POLL_SECONDS)
