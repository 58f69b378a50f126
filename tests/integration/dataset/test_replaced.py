"""Examples of questions that were written anew."""

from __future__ import annotations

from sishu.client import Client
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1.example_service_pb2 import ListExamplesRequest
from sishu.generation.v1 import generation_pb2
from sishu.generation.v1.question_options_pb2 import RegenerationOptions
from sishu.learn.jobs import start_import
from tests.integration.documents import end_of, parsed_project
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    questions_of,
    start_generation,
)
from tests.support.mock_llm import MockServer


async def written(
    client: Client, project: str, provider: str, **options: object
) -> generation_pb2.Generation:
    wanted = generation_pb2.GenerationOptions(context_chars=ONLY_THE_FACT, **options)  # type: ignore[arg-type]
    done = await generated(client, await start_generation(client, project, provider, wanted))
    await end_of(client, "dataset", (await start_import(client, project, [done.id])).job.id)
    return done


async def test_the_example_of_a_question_that_was_replaced_goes_and_that_of_the_new_one_stays(
    client: Client, mock: MockServer
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, min_size=1, max_size=100)
    provider = await new_provider(client, project, mock.base_url)
    old = (await questions_of(client, await written(client, project, provider, forms_per_fact=1)))[0]
    anew = RegenerationOptions(question_ids=[old.id.upper()], instruction="Ask in other words.")
    (new,) = await questions_of(client, await written(client, project, provider, regeneration=anew))
    assert (new.replaces_id, new.text == old.text) == (old.id, False)
    examples = (await client.examples.ListExamples(ListExamplesRequest(project_id=project))).examples
    found = {one.lineage.question_ids[0]: one for one in examples}
    assert len(found) == 3
    assert found[old.id].state == example_pb2.EXAMPLE_STATE_REJECTED
    assert found[old.id].rejection.reason == "REPLACED"
    assert found[new.id].state == example_pb2.EXAMPLE_STATE_KEPT
