"""Between the contracts of prompts and their domain."""

from __future__ import annotations

from services.generation.generations.option_convert import options
from services.generation.prompts.previews import Preview, PreviewRequest, PromptDraft
from services.generation.prompts.prompt_versions import PromptVersion, prompt_named
from services.runtime.convert import timestamp
from sishu.common.v1 import message_pb2
from sishu.generation.v1 import prompt_pb2, prompt_service_pb2


def prompt_to_pb(version: PromptVersion) -> prompt_pb2.Prompt:
    """A version of a prompt."""
    prompt = version.prompt
    return prompt_pb2.Prompt(
        project_id=version.project_id,
        name=prompt.name,
        language=prompt.language,
        version=version.version,
        template=version.template,
        variables=[
            prompt_pb2.PromptVariable(name=one.name, description=one.description, required=one.required)
            for one in prompt.variables
        ],
        own=version.own,
        current=version.current,
        create_time=timestamp(version.create_time),
    )


def preview_request(message: prompt_service_pb2.PreviewPromptRequest) -> PreviewRequest:
    """What is to be filled with what."""
    draft = message.draft
    source = (
        PromptDraft(prompt_named(draft.name, draft.language), draft.template)
        if message.HasField("draft")
        else message.version
    )
    return PreviewRequest(
        message.project_id, source, message.chunk_id, message.question, options(message.options)
    )


def preview_to_pb(preview: Preview) -> prompt_service_pb2.PreviewPromptResponse:
    """A filled prompt."""
    return prompt_service_pb2.PreviewPromptResponse(
        version=preview.version,
        chunk_id=preview.chunk_id,
        messages=[
            message_pb2.Message(
                role=message_pb2.Role.Value(f"ROLE_{one['role'].upper()}"), content=one["content"]
            )
            for one in preview.messages
        ],
    )
