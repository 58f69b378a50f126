"""Deployments that share an engine, rest, and are reached over the OpenAI API, with the real engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from google.protobuf.struct_pb2 import Struct
from openai import AsyncOpenAI

from services.runtime.ids import new_id
from sishu.common.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Sampling
from sishu.errors import ApiError
from sishu.inference.v1 import chat_pb2, conversation_pb2, deployment_pb2
from sishu.inference.v1 import chat_service_pb2 as chat
from sishu.inference.v1 import conversation_service_pb2 as conversations
from sishu.inference.v1 import deployment_service_pb2 as deployments
from tests.integration.inference_school import FAILED, READY, School, make_adapter, started_school
from tests.integration.processes import eventually
from tests.unit.inference.engine import conftest as engine_fixtures

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

tokenizer, folder = engine_fixtures.tokenizer, engine_fixtures.folder
school = pytest_asyncio.fixture(scope="module")(started_school)
ASK = [chat_pb2.ChatMessage(role=ROLE_USER, content="Where does the river flow?")]


async def deployed(school: School, model_id: str, **options: Any) -> deployment_pb2.Deployment:
    wanted = deployment_pb2.Deployment(
        project_id=school.project_id,
        model_id=model_id,
        options=deployment_pb2.DeploymentOptions(**options),
    )
    request = deployments.CreateDeploymentRequest(deployment=wanted)
    made = (await school.client.deployments.CreateDeployment(request)).deployment
    return await school.settled(made.id)


async def pieces(school: School, deployment_id: str, **asking: Any) -> list[chat.ChatResponse]:
    request = chat.ChatRequest(deployment_id=deployment_id, messages=ASK, **asking)
    return [piece async for piece in school.client.chat.Chat(request)]


async def test_adapters_share_an_engine_with_their_base_and_are_reached_by_name(
    school: School, tmp_path: Path
) -> None:
    base_model, tuned_model = [(await school.get(each)).model_id for each in (school.base, school.tuned)]
    other_model = await school.models.add_adapter("other", base_model, make_adapter(tmp_path / "adapter"))
    found = [
        await deployed(school, model_id, shared=True) for model_id in (tuned_model, base_model, other_model)
    ]
    assert [each.state for each in found] == [READY] * 3, found
    assert len({each.base_url for each in found}) == 1
    assert found[0].id != school.tuned
    assert [each.served_model_name for each in found] == ["--tiny tuned", "tiny", "other"]
    alone = await school.answer(school.tuned, "Where does the river flow?")
    assert await school.answer(found[0].id, "Where does the river flow?") == alone
    assert await school.answer(found[1].id, "Where does the river flow?") != alone
    await ask_over_http(school, found)
    for each in found[:2]:
        await school.unload(each.id)
    assert await school.answer(found[2].id, "Where does the river flow?") == alone
    await school.unload(found[2].id)


async def ask_over_http(school: School, found: list[deployment_pb2.Deployment]) -> None:
    lines = [line for line in school.room.log().splitlines() if '"openai_listening"' in line]
    port = json.loads(lines[-1])["port"]
    async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
        names = [each.id async for each in client.models.list()]
        assert "other" in names
        # Two deployments of one model: its name means neither.
        assert {school.base, found[1].id} <= set(names)
        with pytest.raises(openai.BadRequestError) as ambiguous:
            await client.chat.completions.create(model="tiny", messages=[])
        assert ambiguous.value.code == "model_ambiguous"
        stream = await client.chat.completions.create(
            model="other",
            messages=[{"role": "user", "content": "Where does the river flow?"}],
            max_tokens=12,
            temperature=0,
            stream=True,
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts) == await school.answer(found[2].id, "Where does the river flow?")


async def test_what_a_chat_can_ask_for_reaches_the_engine(school: School) -> None:
    schema = Struct()
    schema.update({"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]})
    found = await pieces(
        school,
        school.base,
        sampling=Sampling(temperature=1, seed=4, max_tokens=80),
        response_schema=schema,
        top_logprobs=2,
        top_k=20,
        presence_penalty=0.1,
    )
    text = "".join(piece.content for piece in found)
    assert isinstance(json.loads(text)["deep"], bool)
    told = [each for piece in found for each in piece.logprobs]
    assert all(len(each.top) == 2 and each.logprob <= 0 for each in told)
    assert b"".join(each.token for each in told).decode().strip() == text.strip()
    with pytest.raises(ApiError) as refused:
        await pieces(school, school.base, tools=[chat_pb2.Tool(name="weather")])
    assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "CHAT_REFUSED")


async def test_a_kept_conversation_is_gone_on_with(school: School) -> None:
    talks = school.client.conversations
    wanted = conversation_pb2.Conversation(project_id=school.project_id, title="Rivers")
    create = conversations.CreateConversationRequest(conversation=wanted, request_id=new_id())
    made = (await talks.CreateConversation(create)).conversation
    assert (await talks.CreateConversation(create)).conversation.id == made.id
    asking: Any = {"conversation_id": made.id, "sampling": Sampling(temperature=0, max_tokens=8)}
    first = await pieces(school, school.base, **asking)
    second = await pieces(school, school.tuned, **asking)
    assert second[-1].usage.prompt_tokens > first[-1].usage.prompt_tokens + 8
    listing = conversations.ListConversationMessagesRequest(conversation_id=made.id, page_size=3)
    page = await talks.ListConversationMessages(listing)
    listing.page_token = page.next_page_token
    rest = await talks.ListConversationMessages(listing)
    said = [*page.conversation_messages, *rest.conversation_messages]
    assert [each.message.role for each in said] == [ROLE_USER, ROLE_ASSISTANT] * 2
    assert said[1].message.content == "".join(piece.content for piece in first)
    assert [each.deployment_id for each in said] == ["", school.base, "", school.tuned]
    broken = school.client.chat.Chat(
        chat.ChatRequest(
            deployment_id=school.base,
            messages=ASK,
            conversation_id=made.id,
            sampling=Sampling(temperature=1, max_tokens=600),
        )
    )
    await anext(aiter(broken))
    broken.cancel()
    found = await talks.ListConversations(
        conversations.ListConversationsRequest(project_id=school.project_id)
    )
    assert [(each.id, each.message_count) for each in found.conversations] == [(made.id, 4)]
    deleted = await talks.DeleteConversation(conversations.DeleteConversationRequest(id=made.id))
    assert deleted.deleted_messages == 4
    with pytest.raises(ApiError) as gone:
        await pieces(school, school.base, **asking)
    assert gone.value.reason == "CONVERSATION_NOT_FOUND"


async def test_a_model_that_nobody_asks_is_unloaded_and_loaded_for_whoever_asks(school: School) -> None:
    model_id = (await school.get(school.base)).model_id
    resting = await deployed(school, model_id, idle_seconds=2, context_length=256)

    async def idle() -> bool:
        return (await school.get(resting.id)).state == deployment_pb2.DEPLOYMENT_STATE_IDLE

    await eventually(idle)
    assert (await school.get(resting.id)).base_url == ""
    answers = await asyncio.gather(*(school.answer(resting.id, f"Who is number {n}?") for n in range(3)))
    assert all(answers)
    with pytest.raises(ApiError) as long:
        await school.answer(resting.id, "river " * 300)
    assert long.value.reason == "CONTEXT_TOO_LONG"
    await school.unload(resting.id)


async def test_an_accelerator_that_is_not_there_is_said(school: School) -> None:
    model_id = (await school.get(school.base)).model_id
    lost = await deployed(school, model_id, device=deployment_pb2.DEPLOYMENT_DEVICE_CUDA)
    assert (lost.state, lost.failure.reason) == (FAILED, "NO_ACCELERATOR")
    await school.unload(lost.id)
