"""Gathers what the card of a model tells, from this room and those that keep data and exams."""

from __future__ import annotations

from dataclasses import replace

import structlog

from services.trainer.models import Made, Model
from services.trainer.registry.card import CardFacts, DatasetFacts, ExamFacts, card
from services.trainer.registry.store import RegistryStore
from services.trainer.store import Store
from services.trainer.training_runs import TrainingRun
from sishu.client import Client
from sishu.dataset.v1.dataset_service_pb2 import GetDatasetVersionRequest
from sishu.errors import ApiError
from sishu.inference.v1.exam_pb2 import Exam
from sishu.inference.v1.exam_service_pb2 import ListExamsRequest

CARD = "README.md"
"""Where the hub looks for it."""
MOST_ANCESTORS = 20
MOST_EXAMS = 500
"""Exams of a project that are looked through, the newest."""

log = structlog.get_logger()


class Cards:
    """Writes cards.

    Args:
        store: the room's tables.
        registry: more of them.
        client: the other rooms; a card without what they know is better than none.
    """

    def __init__(self, store: Store, registry: RegistryStore, client: Client) -> None:
        self._store = store
        self._registry = registry
        self._client = client

    async def of(self, model: Model, *, is_new: bool = False) -> str:
        """The card of a model as it is now; a new one sat no exam yet."""
        ancestors = await self._ancestors(model)
        run_id = next((each.training_run_id for each in (model, *ancestors) if each.training_run_id), None)
        run = await self._store.get_run(run_id) if run_id else None
        return card(
            CardFacts(
                model=model,
                ancestors=ancestors,
                run=run,
                curve=await self._registry.curve(run.id, run.summary.steps) if run else (),
                dataset=await self._dataset(run.dataset_version_id) if run else None,
                exams=() if is_new else await self._exams(model),
            )
        )

    async def write(self, model: Model, made: Made) -> str:
        """The card of a model that is about to become what was made."""
        facts = {
            name: getattr(made, name)
            for name in (
                "architecture",
                "parameter_count",
                "sha256",
                "chat_template_sha256",
                "renderer_sha256",
            )
        }
        return await self.of(replace(model, **facts, context_length=made.context_length), is_new=True)

    async def of_run(self, run: TrainingRun, made: Made) -> str:
        """The card of what a run made, before there is a model."""
        model = Model(
            run.model_id,
            run.project_id,
            run.name,
            made.kind,
            "",
            run.base_model_id,
            run.id,
            "",
            0,
            "",
            "",
            0,
            0,
            run.create_time,
        )
        return await self.write(model, made)

    async def _ancestors(self, model: Model) -> list[Model]:
        """What a model was made of, the nearest first."""
        found: list[Model] = []
        while model.base_model_id and len(found) < MOST_ANCESTORS:
            model = await self._store.get_model(model.base_model_id)
            found.append(model)
        return found

    async def _dataset(self, version_id: str) -> DatasetFacts | None:
        try:
            answer = await self._client.datasets.GetDatasetVersion(GetDatasetVersionRequest(id=version_id))
        except ApiError as error:
            log.info("card_without_dataset", dataset_version_id=version_id, error=error.message)
            return None
        version = answer.dataset_version
        sources = {each.source: each.split_counts.get("train", 0) for each in version.source_counts}
        return DatasetFacts(
            version.id,
            version.number,
            version.content_sha256,
            dict(version.split_counts),
            {name: count for name, count in sources.items() if count},
        )

    async def _exams(self, model: Model) -> list[ExamFacts]:
        """The exams that a model sat."""
        request = ListExamsRequest(project_id=model.project_id, page_size=100)
        found: list[ExamFacts] = []
        seen = 0
        try:
            while seen < MOST_EXAMS:
                page = await self._client.exams.ListExams(request)
                seen += len(page.exams)
                for exam in page.exams:
                    found += exam_facts(exam, model.id)
                request.page_token = page.next_page_token
                if not request.page_token:
                    break
        except ApiError as error:
            log.info("card_without_exams", model_id=model.id, error=error.message)
        return found


def exam_facts(exam: Exam, model_id: str) -> list[ExamFacts]:
    """How a model did in an exam; nothing where it sat it not, or has answered nothing yet."""
    own = {arm.name for arm in exam.arms if arm.model_id == model_id}
    return [
        ExamFacts(exam.id, exam.dataset_version_id, score.arm, score.items, score.mean, score.low, score.high)
        for score in exam.scores
        if score.arm in own and score.items
    ]
