"""The services of the inference room: one thin method an rpc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from services.inference.convert import (
    asking_from_pb,
    chat_response,
    deployment_to_pb,
    exam_to_pb,
    message_from_pb,
    new_exam,
    options_from_pb,
    result_to_pb,
)
from services.inference.creation import create_deployment, create_exam
from services.inference.exams import Exam, arm_index
from services.inference.history.store import ConversationStore
from services.inference.history.talk import Talk
from services.inference.resting import Waker
from services.inference.standings import Standings
from services.inference.store import DeploymentStore, Store, exam_not_found
from services.inference.upstream import Upstream
from services.inference.watching import watch
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from sishu.client import Client
from sishu.inference.v1 import chat_service_pb2 as chat_pb
from sishu.inference.v1 import deployment_service_pb2 as deployment_pb
from sishu.inference.v1 import exam_pb2
from sishu.inference.v1 import exam_service_pb2 as exam_pb
from sishu.inference.v1.chat_service_pb2_grpc import ChatServiceServicer
from sishu.inference.v1.deployment_service_pb2_grpc import DeploymentServiceServicer
from sishu.inference.v1.exam_service_pb2_grpc import ExamServiceServicer


class DeploymentServicer(DeploymentServiceServicer):
    """Deployments; `wake` tells whoever looks after the engines that what is wanted has changed."""

    def __init__(self, store: DeploymentStore, client: Client, wake: asyncio.Event) -> None:
        self._store = store
        self._client = client
        self._wake = wake

    async def CreateDeployment(
        self, request: deployment_pb.CreateDeploymentRequest, context: Context
    ) -> deployment_pb.CreateDeploymentResponse:
        wanted = request.deployment
        deployment = await create_deployment(
            wanted.project_id,
            wanted.model_id,
            options_from_pb(wanted.options),
            request.request_id,
            self._store,
            self._client,
        )
        self._wake.set()
        return deployment_pb.CreateDeploymentResponse(deployment=deployment_to_pb(deployment))

    async def GetDeployment(
        self, request: deployment_pb.GetDeploymentRequest, context: Context
    ) -> deployment_pb.GetDeploymentResponse:
        deployment = await self._store.get(request.id)
        return deployment_pb.GetDeploymentResponse(deployment=deployment_to_pb(deployment))

    async def ListDeployments(
        self, request: deployment_pb.ListDeploymentsRequest, context: Context
    ) -> deployment_pb.ListDeploymentsResponse:
        filters = (request.project_id or None, request.model_id or None)
        page = await self._store.list_page(
            page_request(request.page_size, request.page_token, *filters), *filters
        )
        return deployment_pb.ListDeploymentsResponse(
            deployments=map(deployment_to_pb, page.rows), next_page_token=page.next_token
        )

    async def WatchDeployment(
        self, request: deployment_pb.WatchDeploymentRequest, context: Context
    ) -> AsyncIterator[deployment_pb.WatchDeploymentResponse]:
        async for deployment in watch(self._store, request.id):
            yield deployment_pb.WatchDeploymentResponse(deployment=deployment_to_pb(deployment))

    async def DeleteDeployment(
        self, request: deployment_pb.DeleteDeploymentRequest, context: Context
    ) -> deployment_pb.DeleteDeploymentResponse:
        await self._store.delete(request.id)
        self._wake.set()
        return deployment_pb.DeleteDeploymentResponse()


class ChatServicer(ChatServiceServicer):
    """Chat."""

    def __init__(
        self, store: DeploymentStore, upstream: Upstream, waker: Waker, conversations: ConversationStore
    ) -> None:
        self._store = store
        self._conversations = conversations
        self._upstream = upstream
        self._waker = waker

    async def Chat(
        self, request: chat_pb.ChatRequest, context: Context
    ) -> AsyncIterator[chat_pb.ChatResponse]:
        deployment = await self._waker.awake(await self._store.get(request.deployment_id))
        messages = [message_from_pb(message) for message in request.messages]
        talk = None
        if request.conversation_id:
            talk = await Talk.begin(self._conversations, request.conversation_id, deployment)
        asked = talk.messages(messages) if talk else messages
        answer = self._upstream.ask(deployment, asked, asking_from_pb(request))
        # Closed here and now when the caller goes away, not when the garbage is collected.
        async with aclosing(answer) as pieces:
            async for piece in talk.kept(pieces, messages) if talk else pieces:
                yield chat_response(piece)


class ExamServicer(ExamServiceServicer):
    """Exams."""

    def __init__(
        self,
        store: Store,
        jobs: Jobs,
        client: Client,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._client = client
        self._standings = Standings(store.exams)

    async def CreateExam(
        self, request: exam_pb.CreateExamRequest, context: Context
    ) -> exam_pb.CreateExamResponse:
        wanted = new_exam(request.exam)
        exam_id = await create_exam(wanted, request.request_id, self._store, self._jobs, self._client)
        return exam_pb.CreateExamResponse(exam=await self._shown(exam_id))

    async def GetExam(self, request: exam_pb.GetExamRequest, context: Context) -> exam_pb.GetExamResponse:
        return exam_pb.GetExamResponse(exam=await self._shown(request.id))

    async def ListExams(
        self, request: exam_pb.ListExamsRequest, context: Context
    ) -> exam_pb.ListExamsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.exams.list_page(wanted, request.project_id)
        return exam_pb.ListExamsResponse(
            exams=await self._all_shown(page.rows), next_page_token=page.next_token
        )

    async def ListExamResults(
        self, request: exam_pb.ListExamResultsRequest, context: Context
    ) -> exam_pb.ListExamResultsResponse:
        exam = await self._store.exams.get(request.exam_id)
        filters = (request.exam_id, arm_index(exam, request.arm))
        wanted = page_request(request.page_size, request.page_token, *filters)
        page = await self._store.exams.list_results(wanted, *filters)
        return exam_pb.ListExamResultsResponse(
            exam_results=[result_to_pb(result, exam) for result in page.rows],
            next_page_token=page.next_token,
        )

    async def DeleteExam(
        self, request: exam_pb.DeleteExamRequest, context: Context
    ) -> exam_pb.DeleteExamResponse:
        return exam_pb.DeleteExamResponse(deleted_results=await self._store.exams.delete(request.id))

    async def _shown(self, exam_id: str) -> exam_pb2.Exam:
        exams = await self._all_shown([await self._store.exams.get(exam_id)])
        if not exams:
            raise exam_not_found(exam_id)
        return exams[0]

    async def _all_shown(self, exams: Sequence[Exam]) -> list[exam_pb2.Exam]:
        jobs = await self._store.exams.jobs(exams)
        standings = await self._standings.of(exams)
        # An exam without a job is being deleted this moment.
        return [
            exam_to_pb(exam, jobs[exam.job_id], standings[exam.id]) for exam in exams if exam.job_id in jobs
        ]
