"""Start generations against a model server as a client does, and read what they made."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence

from services.runtime.db import Pool
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.generation.v1 import generation_pb2, provider_pb2, question_pb2, question_service_pb2
from sishu.generation.v1 import generation_service_pb2 as generation_pb
from sishu.generation.v1 import provider_service_pb2 as provider_pb
from tests.integration.documents import JOB_SECONDS, end_of

PRICE = provider_pb2.ProviderPrice(prompt_per_million=2, completion_per_million=8, currency="EUR")

ONLY_THE_FACT = 1
"""`context_chars` with which a model sees one sentence, so that a model that quotes at random quotes that."""


def handbook(facts: int) -> bytes:
    """A document of so many sentences, each in a chunk of its own when chunks hold 100 characters."""
    return "".join(
        f"# Part {number}\n\nThe part number {number} of the Kestrel weighs {number} grams.\n\n"
        for number in range(1, facts + 1)
    ).encode()


async def priced_provider(client: Client, project_id: str, base_url: str) -> str:
    """A provider of the project whose calls cost `PRICE`; its id."""
    return await new_provider(client, project_id, base_url, price=PRICE)


async def new_pool(client: Client, project_id: str, members: Sequence[str]) -> str:
    """A pool of providers of the project; its id."""
    wanted = provider_pb2.Provider(
        project_id=project_id, name="pool", pool=provider_pb2.ProviderPool(provider_ids=members)
    )
    request = provider_pb.CreateProviderRequest(provider=wanted)
    return (await client.providers.CreateProvider(request)).provider.id


async def new_provider(
    client: Client,
    project_id: str,
    base_url: str,
    key: str = "",
    price: provider_pb2.ProviderPrice | None = None,
    limits: provider_pb2.ProviderLimits | None = None,
    model: str = "mock-model",
) -> str:
    """A provider of the project; its id."""
    wanted = provider_pb2.Provider(
        project_id=project_id,
        name=f"provider {secrets.token_hex(4)}",
        base_url=base_url,
        model=model,
        api_key=key,
        price=price,
        limits=limits,
    )
    request = provider_pb.CreateProviderRequest(provider=wanted)
    return (await client.providers.CreateProvider(request)).provider.id


async def start_generation(
    client: Client,
    project_id: str,
    provider_id: str,
    options: generation_pb2.GenerationOptions | None = None,
    request_id: str = "",
) -> generation_pb2.Generation:
    """Start a generation in which a model sees only the facts."""
    made = options or generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT)
    wanted = generation_pb2.Generation(project_id=project_id, provider_id=provider_id, options=made)
    request = generation_pb.CreateGenerationRequest(generation=wanted, request_id=request_id or new_id())
    return (await client.generations.CreateGeneration(request)).generation


async def generated(
    client: Client, generation: generation_pb2.Generation, seconds: float = JOB_SECONDS
) -> generation_pb2.Generation:
    """The generation when its job has ended, which takes at most so many seconds."""
    await end_of(client, "generation", generation.job.id, seconds)
    return await view(client, generation.id)


async def view(client: Client, generation_id: str) -> generation_pb2.Generation:
    """The generation as it is now."""
    request = generation_pb.GetGenerationRequest(id=generation_id)
    return (await client.generations.GetGeneration(request)).generation


async def questions_of(client: Client, generation: generation_pb2.Generation) -> list[question_pb2.Question]:
    """All questions of a generation, page by page."""
    questions: list[question_pb2.Question] = []
    token = ""
    while True:
        page = await client.questions.ListQuestions(
            question_service_pb2.ListQuestionsRequest(
                project_id=generation.project_id,
                generation_id=generation.id,
                page_size=100,
                page_token=token,
            )
        )
        questions += page.questions
        token = page.next_page_token
        if not token:
            return questions


def states(questions: list[question_pb2.Question]) -> Counter[str]:
    """How many questions are in which state."""
    return Counter(
        question_pb2.QuestionState.Name(question.state).removeprefix("QUESTION_STATE_")
        for question in questions
    )


async def is_waited_for(pool: Pool) -> bool:
    """Whether a transaction waits for another one's lock."""
    found = await pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(found)
