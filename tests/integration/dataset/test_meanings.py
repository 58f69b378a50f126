"""Examples that mean the same in other words: found by embeddings, which are paid for once."""

from __future__ import annotations

import json

from services.runtime.ids import new_id
from sishu.client import Client
from sishu.dataset.v1 import (
    deduplication_pb2,
    example_pb2,
    example_service_pb2,
    leak_check_pb2,
    leak_check_service_pb2,
)
from sishu.dataset.v1 import deduplication_service_pb2 as pb
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter
from sishu.generation.v1 import provider_pb2
from sishu.generation.v1.embedding_service_pb2 import EmbedTextsRequest
from sishu.learn.jobs import wait_for_success
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import turns
from tests.integration.documents import failure, new_project
from tests.integration.generations import new_provider
from tests.integration.stores import Rooms
from tests.support.flawed_llm import ScriptedLlm, served

ASKED = "For how many years does the warranty of the pump last that was sold in Kiel?"
IN_OTHER_ORDER = "The pump that was sold in Kiel: how many years does the warranty of it last for?"
SHUFFLED = "Sold in Kiel that was, last how many years of warranty does for the pump {} the?"
PRICE = provider_pb2.ProviderPrice(prompt_per_million=1_000_000, currency="EUR")


async def asked(client: Client, project: str, text: str) -> str:
    example = example_pb2.Example(
        project_id=project, kind=example_pb2.EXAMPLE_KIND_SFT, messages=turns(text, "Two.")
    )
    request = example_service_pb2.CreateExampleRequest(example=example)
    return (await client.examples.CreateExample(request)).example.id


async def test_each_text_is_embedded_once_and_in_its_place(client: Client) -> None:
    server = ScriptedLlm(embeds=True)
    async with served(server) as base_url:
        provider = await new_provider(client, await new_project(client), base_url, price=PRICE)
        texts = [f"the pump number {number} of {number % 20}" for number in range(24)]
        request = EmbedTextsRequest(provider_id=provider, texts=[*texts, texts[0]])
        first = await client.embeddings.EmbedTexts(request)
        assert (first.calls, first.remembered, first.currency) == (3, 0, "EUR")
        assert first.tokens > 0
        assert first.cost == first.tokens
        values = [tuple(one.values) for one in first.embeddings]
        assert len(values) == 25
        assert values[0] == values[24]
        assert len(set(values)) == 24
        again = await client.embeddings.EmbedTexts(
            EmbedTextsRequest(provider_id=provider, texts=[*reversed(texts), "another pump"])
        )
        assert (again.calls, again.remembered) == (1, 24)
        assert [tuple(one.values) for one in again.embeddings][:24] == values[23::-1]
        assert server.calls["embeddings"] == 4


async def test_examples_that_mean_the_same_are_found_and_rejected(client: Client, rooms: Rooms) -> None:
    server = ScriptedLlm(embeds=True)
    async with served(server) as base_url:
        project = await new_project(client)
        provider = await new_provider(client, project, base_url, price=PRICE)
        keeper = await asked(client, project, ASKED)
        nearly = await asked(client, project, ASKED + " Tell me.")
        meant = await asked(client, project, IN_OTHER_ORDER)
        await asked(client, project, ASKED.upper())
        alone = await asked(client, project, "Who was the first to see the heron?")
        cli = CommandLine(rooms, project)
        create = ["--json", "dedupe", "create", "--project", project, "--embedding-provider", provider]
        code, printed = await cli.run(*create, "--meaning-similarity", "0.8", "--wait")
        assert code == 0, printed
        search = json.loads(printed.splitlines()[-1])
        counts = search["counts"]
        assert {name: counts[name] for name in ("duplicates", "near_copies", "meaning_copies")} == {
            "duplicates": "1",
            "near_copies": "1",
            "meaning_copies": "1",
        }
        # Equal wordings share an embedding.
        assert counts["embedded"] == "4"
        assert counts["embedding_cost"] == int(counts["embedding_tokens"]) > 0
        calls = server.calls["embeddings"]
        (cluster,) = (
            await client.deduplications.ListDuplicateClusters(
                pb.ListDuplicateClustersRequest(deduplication_id=search["id"])
            )
        ).duplicate_clusters
        assert cluster.keeper_id == keeper
        kinds = {one.example_id: (one.kind, one.similarity) for one in cluster.duplicates}
        assert kinds[nearly][0] == deduplication_pb2.DUPLICATE_KIND_NEAR_COPY
        assert kinds[meant][0] == deduplication_pb2.DUPLICATE_KIND_MEANING_COPY
        assert 0.8 <= kinds[meant][1] < 1

        begun = (
            await client.deduplications.ApplyDeduplication(pb.ApplyDeduplicationRequest(id=search["id"]))
        ).deduplication
        await wait_for_success(client, "dataset", begun.apply_job)
        request = example_service_pb2.ListExamplesRequest(
            project_id=project, filter=ExampleFilter(states=[example_pb2.EXAMPLE_STATE_REJECTED])
        )
        rejected = {one.id: one for one in (await client.examples.ListExamples(request)).examples}
        assert rejected[meant].rejection.reason == "MEANING_COPY"
        assert alone not in rejected
        assert len(rejected) == 3
        # Strictly, other words are no copies; and nothing is paid anew.
        code, printed = await cli.run(*create, "--meaning-similarity", "0.999", "--wait")
        assert json.loads(printed.splitlines()[-1])["counts"]["embedded"] == "0"
        assert json.loads(printed.splitlines()[-1])["counts"]["meaning_copies"] == "0"
        assert server.calls["embeddings"] == calls


async def test_who_cannot_embed_is_told_of_before_a_search_begins(client: Client) -> None:
    async with served(ScriptedLlm()) as base_url:
        project = await new_project(client)
        mute = await new_provider(client, project, base_url)
        strange = await new_provider(client, await new_project(client), base_url)
        for provider, reason in (
            (mute, "PROVIDER_MODEL_NOT_FOUND"),
            (strange, "PROVIDER_OF_OTHER_PROJECT"),
            (new_id(), "PROVIDER_NOT_FOUND"),
        ):
            options = deduplication_pb2.DeduplicationOptions(embedding_provider_id=provider)
            search = deduplication_pb2.Deduplication(project_id=project, options=options)
            request = pb.CreateDeduplicationRequest(deduplication=search)
            error = await failure(client.deduplications.CreateDeduplication(request))
            assert error.reason == reason


async def exam_item(client: Client, project: str, text: str) -> str:
    example = example_pb2.Example(
        project_id=project, kind=example_pb2.EXAMPLE_KIND_EXAM_ITEM, messages=turns(text, "Two.")
    )
    request = example_service_pb2.CreateExampleRequest(example=example)
    return (await client.examples.CreateExample(request)).example.id


async def test_leaks_are_found_by_what_they_mean_but_not_where_numbers_differ(
    client: Client, rooms: Rooms
) -> None:
    server = ScriptedLlm(embeds=True)
    async with served(server) as base_url:
        project = await new_project(client)
        provider = await new_provider(client, project, base_url, price=PRICE)
        exam = await exam_item(client, project, ASKED.replace("pump", "pump 12"))
        meant = await asked(client, project, SHUFFLED.format(12))
        await asked(client, project, SHUFFLED.format(13))
        await asked(client, project, "Who was the first to see the heron?")
        cli = CommandLine(rooms, project)
        embedding = ["--embedding-provider", provider, "--meaning-similarity", "0.8"]
        create = ["--json", "leak-check", "create", "--project", project, "--exam", "--wait"]
        code, printed = await cli.run(*create)
        assert json.loads(printed.splitlines()[-1])["counts"]["examples"] == "3"
        assert json.loads(printed.splitlines()[-1])["counts"]["leaking_examples"] == "0"
        code, printed = await cli.run(*create, *embedding)
        assert code == 0, printed
        check = json.loads(printed.splitlines()[-1])
        counts = check["counts"]
        assert (counts["leaking_examples"], counts["meaning"], counts["embedded"]) == ("1", "1", "4")
        assert counts["embedding_cost"] == int(counts["embedding_tokens"]) > 0
        request = leak_check_service_pb2.ListLeaksRequest(leak_check_id=check["id"])
        (leak,) = (await client.leak_checks.ListLeaks(request)).leaks
        assert (leak.example_id, leak.exam_example_id) == (meant, exam)
        assert list(leak.ways) == [leak_check_pb2.LEAK_WAY_MEANING]
        assert 0.8 <= leak.meaning_similarity <= 1
        assert leak.similarity == 0

        version = ["--json", "dataset", "create", "--project", project, "--exam-share", "0", "--wait"]
        code, printed = await cli.run(*version, "--exam-leaks", "drop", *embedding)
        assert code == 0, printed
        made = json.loads(printed.splitlines()[-1])
        assert made["dropped_counts"] == {"EXAM_LEAK": "1"}
        assert (made["leak_counts"], made["split_counts"]["train"]) == ({"exam": "1"}, "2")
        # What was embedded once is not paid for again.
        assert made["leak_embedding_cost"].get("embedded", "0") == "0"
        code, printed = await cli.run(*version, *embedding)
        assert (code, "LEAK_SOURCE_MISSING" in printed) == (1, True)
