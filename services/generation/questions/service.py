"""Questions over their rpcs: one thin method each."""

from __future__ import annotations

from dataclasses import astuple

from services.generation.questions.convert import question_filter, question_to_pb
from services.generation.questions.store import QuestionStore
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from sishu.generation.v1 import question_service_pb2 as pb
from sishu.generation.v1.question_service_pb2_grpc import QuestionServiceServicer


class QuestionServicer(QuestionServiceServicer):
    """Questions."""

    def __init__(self, store: QuestionStore) -> None:
        self._store = store

    async def GetQuestion(self, request: pb.GetQuestionRequest, context: Context) -> pb.GetQuestionResponse:
        return pb.GetQuestionResponse(question=question_to_pb(await self._store.get(request.id)))

    async def ListQuestions(
        self, request: pb.ListQuestionsRequest, context: Context
    ) -> pb.ListQuestionsResponse:
        wanted = question_filter(request)
        page = await self._store.list_page(
            page_request(request.page_size, request.page_token, *astuple(wanted)), wanted
        )
        return pb.ListQuestionsResponse(
            questions=map(question_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteQuestion(
        self, request: pb.DeleteQuestionRequest, context: Context
    ) -> pb.DeleteQuestionResponse:
        await self._store.delete(request.id)
        return pb.DeleteQuestionResponse()
