"""Prompts over their rpcs: one thin method each."""

from __future__ import annotations

from services.generation.prompts.convert import preview_request, preview_to_pb, prompt_to_pb
from services.generation.prompts.previews import Previewer
from services.generation.prompts.prompt_templates import checked, normalised
from services.generation.prompts.prompt_versions import prompt_named
from services.generation.prompts.store import PromptStore
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from sishu.generation.v1 import prompt_service_pb2 as pb
from sishu.generation.v1.prompt_service_pb2_grpc import PromptServiceServicer


class PromptServicer(PromptServiceServicer):
    """Prompts."""

    def __init__(self, store: PromptStore, previewer: Previewer) -> None:
        self._store = store
        self._previewer = previewer

    async def ListPrompts(self, request: pb.ListPromptsRequest, context: Context) -> pb.ListPromptsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_current(wanted, request.project_id)
        return pb.ListPromptsResponse(prompts=map(prompt_to_pb, page.rows), next_page_token=page.next_token)

    async def ListPromptVersions(
        self, request: pb.ListPromptVersionsRequest, context: Context
    ) -> pb.ListPromptVersionsResponse:
        prompt = prompt_named(request.name, request.language)
        wanted = page_request(request.page_size, request.page_token, request.project_id, prompt)
        page = await self._store.list_versions(wanted, request.project_id, prompt)
        return pb.ListPromptVersionsResponse(
            prompts=map(prompt_to_pb, page.rows), next_page_token=page.next_token
        )

    async def GetPrompt(self, request: pb.GetPromptRequest, context: Context) -> pb.GetPromptResponse:
        return pb.GetPromptResponse(
            prompt=prompt_to_pb(await self._store.get(request.project_id, request.version))
        )

    async def CreatePromptVersion(
        self, request: pb.CreatePromptVersionRequest, context: Context
    ) -> pb.CreatePromptVersionResponse:
        stored = await self._store.made_by(request.request_id)
        if stored is None:
            prompt = prompt_named(request.prompt.name, request.prompt.language)
            template = normalised(request.prompt.template)
            checked(template, prompt.variables, "prompt.template")
            stored = await self._store.create(request.prompt.project_id, prompt, template, request.request_id)
        return pb.CreatePromptVersionResponse(prompt=prompt_to_pb(stored))

    async def RestorePrompt(
        self, request: pb.RestorePromptRequest, context: Context
    ) -> pb.RestorePromptResponse:
        return pb.RestorePromptResponse(
            prompt=prompt_to_pb(await self._store.restore(request.project_id, request.version))
        )

    async def PreviewPrompt(
        self, request: pb.PreviewPromptRequest, context: Context
    ) -> pb.PreviewPromptResponse:
        return preview_to_pb(await self._previewer.preview(preview_request(request)))
