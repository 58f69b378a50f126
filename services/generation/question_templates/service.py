"""Question templates over their rpcs: one thin method each."""

from __future__ import annotations

from services.generation.question_templates.convert import (
    TEMPLATE_FIELDS,
    merged_question_template,
    question_template_from_pb,
    question_template_to_pb,
)
from services.generation.question_templates.question_templates import (
    NewQuestionTemplate,
    QuestionTemplate,
    check_template,
)
from services.generation.question_templates.store import QuestionTemplateStore
from services.runtime.interceptors import Context, check_message
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from sishu.generation.v1 import question_template_service_pb2 as pb
from sishu.generation.v1.question_template_service_pb2_grpc import QuestionTemplateServiceServicer


class QuestionTemplateServicer(QuestionTemplateServiceServicer):
    """Question templates."""

    def __init__(self, store: QuestionTemplateStore) -> None:
        self._store = store

    async def CreateQuestionTemplate(
        self, request: pb.CreateQuestionTemplateRequest, context: Context
    ) -> pb.CreateQuestionTemplateResponse:
        stored = await self._store.made_by(request.request_id)
        if stored is None:
            wanted = question_template_from_pb(request.question_template)
            check_template(wanted)
            stored = await self._store.create(wanted, request.request_id)
        return pb.CreateQuestionTemplateResponse(question_template=question_template_to_pb(stored))

    async def GetQuestionTemplate(
        self, request: pb.GetQuestionTemplateRequest, context: Context
    ) -> pb.GetQuestionTemplateResponse:
        template = await self._store.get(request.id)
        return pb.GetQuestionTemplateResponse(question_template=question_template_to_pb(template))

    async def ListQuestionTemplates(
        self, request: pb.ListQuestionTemplatesRequest, context: Context
    ) -> pb.ListQuestionTemplatesResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListQuestionTemplatesResponse(
            question_templates=map(question_template_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateQuestionTemplate(
        self, request: pb.UpdateQuestionTemplateRequest, context: Context
    ) -> pb.UpdateQuestionTemplateResponse:
        paths = check_mask(request.update_mask, *TEMPLATE_FIELDS)

        def change(template: QuestionTemplate) -> NewQuestionTemplate:
            message = merged_question_template(template, request.question_template, paths)
            # The rules of a new template hold for a changed one.
            check_message(pb.CreateQuestionTemplateRequest(question_template=message))
            changed = question_template_from_pb(message)
            check_template(changed)
            return changed

        template = await self._store.update(request.question_template.id, change)
        return pb.UpdateQuestionTemplateResponse(question_template=question_template_to_pb(template))

    async def DeleteQuestionTemplate(
        self, request: pb.DeleteQuestionTemplateRequest, context: Context
    ) -> pb.DeleteQuestionTemplateResponse:
        await self._store.delete(request.id)
        return pb.DeleteQuestionTemplateResponse()
