"""What becomes of work whose original or source is deleted, replaced or still in work when its turn comes."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask

from sishu.client import Client
from sishu.generation.v1 import provider_pb2
from sishu.generation.v1.provider_service_pb2 import UpdateProviderRequest
from sishu.generation.v1.question_service_pb2 import DeleteQuestionRequest
from tests.integration.generations import (
    generated,
    new_provider,
    questions_of,
    start_generation,
    view,
)
from tests.integration.processes import eventually
from tests.integration.test_generation_regeneration import (
    ANSWERED,
    anew,
    asked,
)
from tests.support.mock_llm import MockServer

NOWHERE = "http://127.0.0.1:9/v1"


async def moved(client: Client, provider: str, base_url: str) -> None:
    """Let a provider be found under another address."""
    wanted = provider_pb2.Provider(id=provider, base_url=base_url)
    request = UpdateProviderRequest(provider=wanted, update_mask=FieldMask(paths=["base_url"]))
    await client.providers.UpdateProvider(request)


async def in_trouble(client: Client, generation_id: str) -> bool:
    """Whether an item of a generation waits for its server."""
    return bool((await view(client, generation_id)).job.progress)


async def test_an_original_that_was_deleted_meanwhile_is_not_taken_for_a_text_that_never_came(
    client: Client, mock: MockServer
) -> None:
    project, _, _, (first, second, *_) = await asked(client, mock)
    provider = await new_provider(client, project, NOWHERE)
    made = await start_generation(client, project, provider, anew(first.id, second.id, instruction="Else."))
    await eventually(lambda: in_trouble(client, made.id))
    await client.questions.DeleteQuestion(DeleteQuestionRequest(id=first.id))
    await moved(client, provider, mock.base_url)
    made = await generated(client, made)
    (new,) = await questions_of(client, made)
    assert (new.state, new.replaces_id, new.form) == (ANSWERED, second.id, second.form)
    assert dict(made.stats.missing_by_reason) == {"ORIGINAL_GONE": 1}
    assert (made.stats.missing, made.stats.questions) == (1, 1)
