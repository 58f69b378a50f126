"""Gather what the report shows, from the rooms."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sishu.client import Client
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.dataset.v1.example_pb2 import EXAMPLE_STATE_KEPT, Example
from sishu.dataset.v1.example_service_pb2 import ListExamplesRequest
from sishu.inference.v1.exam_pb2 import ExamResult
from sishu.inference.v1.exam_service_pb2 import ListExamResultsRequest
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import GetDocumentRequest
from sishu.learn.pipeline import Learned
from sishu.trainer.v1.model_pb2 import Model
from sishu.trainer.v1.model_service_pb2 import GetModelRequest
from sishu.trainer.v1.training_run_pb2 import TrainingStep
from sishu.trainer.v1.training_service_pb2 import ListTrainingStepsRequest

PAGE = 1000


@dataclass(frozen=True)
class ExamRow:
    """One exam question with the answers of all arms, by arm."""

    question: str
    reference: str
    quote: str
    document: str
    answers: dict[str, str]
    scores: dict[str, float]


@dataclass(frozen=True)
class Gathered:
    """Everything that the report shows beside what the pipeline returned."""

    documents: Sequence[Document]
    kept: int
    rejected_by_reason: dict[str, int]
    steps: Sequence[TrainingStep]
    exam_rows: Sequence[ExamRow]
    tuned_model: Model

    @property
    def rejected(self) -> int:
        """Examples that were rejected."""
        return sum(self.rejected_by_reason.values())


async def gather(client: Client, learned: Learned) -> Gathered:
    """Read documents, examples, steps and exam results."""
    documents = [
        (await client.documents.GetDocument(GetDocumentRequest(id=one.id))).document
        for one in learned.documents
    ]
    kept, rejected = 0, Counter[str]()
    async for example in examples(client, learned):
        if example.state == EXAMPLE_STATE_KEPT:
            kept += 1
        else:
            rejected[example.rejection.reason] += 1
    names = {one.id: one.name for one in documents}
    return Gathered(
        documents,
        kept,
        dict(rejected.most_common()),
        [step async for step in steps(client, learned)],
        exam_rows([result async for result in results(client, learned)], names),
        (await client.models.GetModel(GetModelRequest(id=learned.training_run.model_id))).model,
    )


async def examples(client: Client, learned: Learned) -> AsyncIterator[Example]:
    """The examples of the generation, kept and rejected."""
    request = ListExamplesRequest(
        project_id=learned.project.id,
        filter=ExampleFilter(generation_ids=[learned.generation.id]),
        page_size=PAGE,
    )
    while True:
        page = await client.examples.ListExamples(request)
        for example in page.examples:
            yield example
        request.page_token = page.next_page_token
        if not request.page_token:
            return


async def steps(client: Client, learned: Learned) -> AsyncIterator[TrainingStep]:
    """The steps of the training run."""
    request = ListTrainingStepsRequest(training_run_id=learned.training_run.id, page_size=PAGE)
    while True:
        page = await client.training.ListTrainingSteps(request)
        for step in page.training_steps:
            yield step
        request.page_token = page.next_page_token
        if not request.page_token:
            return


async def results(client: Client, learned: Learned) -> AsyncIterator[ExamResult]:
    """The answers of the exam."""
    request = ListExamResultsRequest(exam_id=learned.exam.id, page_size=PAGE)
    while True:
        page = await client.exams.ListExamResults(request)
        for result in page.exam_results:
            yield result
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def exam_rows(found: Sequence[ExamResult], documents: dict[str, str]) -> list[ExamRow]:
    """One row a question, in the order of the results."""
    rows: dict[str, ExamRow] = {}
    for result in found:
        quote = result.quotes[0] if result.quotes else None
        row = rows.setdefault(
            result.example_id,
            ExamRow(
                result.question,
                result.reference,
                quote.text if quote else "",
                documents.get(quote.document_id, "") if quote else "",
                {},
                {},
            ),
        )
        row.answers[result.arm] = result.answer
        row.scores[result.arm] = result.score
    return list(rows.values())
