"""Question templates through their rpcs and commands, and their questions about each chunk, up to examples."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask

from services.generation.question_templates.json_schemas import faults
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.common.v1 import job_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.dataset.v1 import dataset_service_pb2 as dataset_pb
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1 import example_service_pb2 as example_pb
from sishu.dataset.v1.dataset_version_pb2 import DatasetOptions, DatasetVersion
from sishu.generation.v1 import gates_pb2, generation_pb2, question_pb2
from sishu.generation.v1 import question_template_pb2 as template_pb
from sishu.generation.v1 import question_template_service_pb2 as pb
from sishu.generation.v1.question_options_pb2 import ANSWER_REASONING_ASKED, AnswerOptions
from sishu.ingest.v1 import chunk_pb2
from sishu.ingest.v1.document_service_pb2 import DeleteDocumentRequest
from sishu.learn.jobs import start_import
from tests.integration.command_line import CommandLine
from tests.integration.documents import (
    chunks_of,
    documents_of,
    end_of,
    failure,
    new_project,
    parsed_project,
)
from tests.integration.generations import (
    ONLY_THE_FACT,
    generated,
    handbook,
    new_provider,
    questions_of,
    start_generation,
    states,
)
from tests.integration.stores import Rooms, shared_rooms
from tests.support.mock_llm import MockServer

SMALL = {"min_size": 1, "max_size": 100}
CHINESE = (
    "# 红隼\n\n北辰公司成立于2015年，总部设在上海。\n\n# 价格\n\n红隼的价格是 $$5，{{x}} 和 $& 都是型号。\n"
)
ENGLISH = "# Prices\n\nThe part {{ labels }} of the Kestrel costs $$5, and $& costs {% raw %} more.\n"
LABELS = ["a part", "$& {{x}}", "价格"]
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"name": {"type": "string"}, "grams": {"type": "integer"}, "a": {"type": "boolean"}},
        "required": ["name", "grams"],
        "additionalProperties": False,
    }
)
WANTED: dict[str, dict[str, Any]] = {
    "gist": {"text": "What is this text about? $$ {{x}} $&", "description": "in one sentence"},
    "kind": {"text": "它属于哪一类", "answer": template_pb.TEMPLATE_ANSWER_LABEL, "labels": LABELS},
    "kinds": {
        "text": "Of which kinds is it?",
        "answer": template_pb.TEMPLATE_ANSWER_LABEL,
        "labels": LABELS,
        "several_labels": True,
    },
    "data": {"text": "Which part?", "answer": template_pb.TEMPLATE_ANSWER_JSON, "json_schema": SCHEMA},
}
TEMPLATE = question_pb2.QUESTION_TYPE_TEMPLATE

rooms = pytest_asyncio.fixture(scope="module")(
    shared_rooms("ingest", "generation", "dataset", SISHU_GENERATION_BATCH_SECONDS=0.4)
)


async def create(client: Client, project: str, name: str, **fields: Any) -> template_pb.QuestionTemplate:
    wanted = template_pb.QuestionTemplate(project_id=project, name=name, **fields)
    request = pb.CreateQuestionTemplateRequest(question_template=wanted)
    return (await client.question_templates.CreateQuestionTemplate(request)).question_template


async def update(client: Client, template_id: str, **fields: Any) -> template_pb.QuestionTemplate:
    request = pb.UpdateQuestionTemplateRequest(
        question_template=template_pb.QuestionTemplate(id=template_id, **fields),
        update_mask=FieldMask(paths=list(fields)),
    )
    return (await client.question_templates.UpdateQuestionTemplate(request)).question_template


async def delete(client: Client, template_id: str) -> None:
    await client.question_templates.DeleteQuestionTemplate(pb.DeleteQuestionTemplateRequest(id=template_id))


async def templates_of(
    client: Client, project: str, page_size: int = 0
) -> dict[str, template_pb.QuestionTemplate]:
    request = pb.ListQuestionTemplatesRequest(project_id=project, page_size=page_size)
    found: dict[str, template_pb.QuestionTemplate] = {}
    while True:
        page = await client.question_templates.ListQuestionTemplates(request)
        found |= {one.name: one for one in page.question_templates}
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def start(
    client: Client, project: str, provider: str, templates: list[str], **options: Any
) -> generation_pb2.Generation:
    wanted = generation_pb2.GenerationOptions(
        context_chars=ONLY_THE_FACT, forms_per_fact=1, question_template_ids=templates, **options
    )
    return await start_generation(client, project, provider, wanted)


async def run(
    client: Client, project: str, provider: str, templates: list[str], **options: Any
) -> generation_pb2.Generation:
    return await generated(client, await start(client, project, provider, templates, **options))


async def prepared(client: Client, mock: MockServer, files: dict[str, bytes]) -> tuple[str, str, list[str]]:
    """A project, a provider, and the ids of its templates."""
    project = await parsed_project(client, files, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    return (
        project,
        provider,
        [(await create(client, project, name, **one)).id for name, one in WANTED.items()],
    )


def check_answer(question: question_pb2.Question, chunk: chunk_pb2.Chunk) -> None:
    """The answer is as the template wants it, with a quote out of the chunk."""
    text = question.answer.text
    assert len(question.answer.quotes) == 1
    assert question.answer.quotes[0].text in chunk.text
    assert question.origin == question.answer.origin
    if question.text == WANTED["kind"]["text"]:
        assert text in LABELS
    elif question.text == WANTED["kinds"]["text"]:
        found = json.loads(text)
        assert found
        assert found == [label for label in LABELS if label in found]
    elif question.text == WANTED["data"]["text"]:
        assert not list(faults(json.loads(text), json.loads(SCHEMA)))
        assert text.startswith('{"name":"')
    else:
        assert text


async def test_each_template_is_asked_once_about_each_chunk_beside_the_facts(
    client: Client, mock: MockServer
) -> None:
    files = {"a.md": handbook(3), "b.md": ENGLISH.encode(), "c.md": CHINESE.encode()}
    project, provider, templates = await prepared(client, mock, files)
    chunks = {chunk.id: chunk for chunk in await chunks_of(client, project)}
    plain = await run(client, project, provider, [])
    done = await run(client, project, provider, templates)
    assert done.job.state == job_pb2.JOB_STATE_SUCCEEDED, done
    assert list(done.options.question_template_ids) == templates
    assert done.stats.cached == plain.stats.questions + plain.stats.answered + plain.stats.rejected
    assert done.stats.usage.calls == len(chunks) * len(templates)
    assert done.stats.missing == 0
    questions = await questions_of(client, done)
    own = [one for one in questions if one.type == TEMPLATE]
    assert len(questions) == plain.stats.questions + len(own)
    expected = Counter({(chunk, template): 1 for chunk in chunks for template in templates})
    assert Counter((*one.chunk_ids, one.question_template_id) for one in own) == expected
    assert {one.text for one in own} == {one["text"] for one in WANTED.values()}
    assert not any(one.HasField("fact") or one.fact_id or one.form for one in own)
    assert states(own) == {"ANSWERED": len(own)}, [one.rejection for one in own if one.rejection.reason]
    for one in own:
        chunk = chunks[one.chunk_ids[0]]
        assert one.document_ids == [chunk.document_id]
        assert one.heading_path == chunk.heading_path
        check_answer(one, chunk)
    versions = {one.origin.prompt_version.partition(".")[0] for one in own}
    assert versions == {"template_text", "template_label", "template_json"}
    assert {one.origin.prompt_version.partition(".")[2] for one in own} == {"en@1", "zh@1"}
    again = await run(client, project, provider, templates, templates_only=True)
    assert (again.stats.usage.calls, again.stats.cached) == (0, len(own))
    assert states(await questions_of(client, again)) == {"ANSWERED": len(own)}
    # Nothing was asked twice.
    asked = (await mock.stats(prompts=True))["prompts"]
    assert len(asked) == plain.stats.usage.calls + done.stats.usage.calls


async def test_new_chunks_are_known_of_facts_and_of_templates_by_themselves(
    client: Client, mock: MockServer
) -> None:
    project, provider, (gist, *_) = await prepared(client, mock, {"a.md": handbook(3)})
    only_templates = await run(client, project, provider, [gist], templates_only=True, new_chunks_only=True)
    assert only_templates.stats.questions == 3
    # Templates have asked about these chunks; about their facts nobody has.
    both = await run(client, project, provider, [gist], new_chunks_only=True)
    written = await questions_of(client, both)
    assert {one.type for one in written} == {question_pb2.QUESTION_TYPE_FACT}
    assert len({one.chunk_ids[0] for one in written}) == 3
    for options in ({}, {"templates_only": True}):
        again = await run(client, project, provider, [gist], new_chunks_only=True, **options)
        assert (again.stats.questions, again.job.counts.failed) == (0, 0)
    other = await parsed_project(client, {"a.md": handbook(3)}, **SMALL)
    template = (await create(client, other, "gist", **WANTED["gist"])).id
    provider = await new_provider(client, other, mock.base_url)
    await run(client, other, provider, [])
    then = await run(client, other, provider, [template], new_chunks_only=True)
    assert {one.type for one in await questions_of(client, then)} == {TEMPLATE}


async def test_a_generation_goes_by_templates_as_they_were(client: Client, mock: MockServer) -> None:
    await mock.control(latency_ms=300)
    project, provider, (gist, kind, *_) = await prepared(client, mock, {"a.md": handbook(2)})
    started = await start(client, project, provider, [gist, kind], templates_only=True)
    await update(client, gist, text="Something else?")
    await delete(client, kind)
    done = await generated(client, started)
    found = Counter((one.text, one.question_template_id) for one in await questions_of(client, done))
    assert found == {(WANTED["gist"]["text"], gist): 2, (WANTED["kind"]["text"], ""): 2}
    asked = AnswerOptions(reasoning=ANSWER_REASONING_ASKED)
    later = await run(client, project, provider, [gist], templates_only=True, answers=asked)
    assert {one.text for one in await questions_of(client, later)} == {"Something else?"}
    assert all(one.answer.reasoning for one in await questions_of(client, later))


async def test_what_is_no_answer_is_rejected_or_missing_and_a_judge_does_not_mind_that_it_points(
    client: Client, mock: MockServer
) -> None:
    project, provider, templates = await prepared(client, mock, {"a.md": handbook(2)})
    gist, kind, _, data = templates
    await mock.control(fixed={"answer": "angry"})
    done = await run(client, project, provider, [kind, data], templates_only=True)
    assert done.stats.rejected_by_reason == {"LABEL_UNKNOWN": 2}
    assert {one.answer.text for one in await questions_of(client, done)} == {"angry"}
    assert done.stats.missing_by_reason == {"LLM_OUTPUT_INVALID": 2}
    assert (done.stats.questions, done.stats.missing, done.stats.usage.calls) == (2, 2, 12)
    # What was asked for again in vain is kept, too.
    again = await run(client, project, provider, [kind], templates_only=True)
    assert (again.stats.usage.calls, again.stats.rejected_by_reason["LABEL_UNKNOWN"]) == (0, 2)

    verdict = {"answerable": True, "faithful": True, "self_contained": False, "score": 4}
    await mock.control(fixed=verdict)
    gates = gates_pb2.Gates(judge=gates_pb2.Judge())
    judged = await run(client, project, provider, [gist, data], templates_only=True, gates=gates)
    assert states(await questions_of(client, judged)) == {"ANSWERED": 4}
    assert {one.judgement.score for one in await questions_of(client, judged)} == {4}
    assert {one.judgement.origin.prompt_version for one in await questions_of(client, judged)} == {
        "judge_template.en@1"
    }


async def test_pilots_batches_and_voices_count_a_call_for_each_template(
    client: Client, mock: MockServer
) -> None:
    project, provider, templates = await prepared(client, mock, {"a.md": handbook(6)})
    pilot = await run(client, project, provider, templates, templates_only=True, pilot_chunks=5, batch=True)
    assert (pilot.stats.questions, pilot.forecast.chunks, pilot.forecast.chunks_seen) == (20, 6, 5)
    assert 20 <= pilot.forecast.calls.low <= 24 <= pilot.forecast.calls.high
    # Nothing waits for questions to be written.
    assert pilot.forecast.promised_seconds == 24 * 3600
    whole = await run(
        client, project, provider, templates, templates_only=True, batch=True, genre_audiences=True
    )
    assert (whole.stats.questions, whole.stats.usage.calls, whole.stats.cached) == (24, 4, 20)
    assert (await mock.stats())["batches"] == 1


async def test_examples_of_templates_hold_the_chunk_and_are_no_duplicates(
    client: Client, mock: MockServer
) -> None:
    project, provider, templates = await prepared(client, mock, {"a.md": handbook(2), "b.md": handbook(3)})
    done = await run(client, project, provider, templates, templates_only=True)
    gone = (await documents_of(client, project))["b.md"].id
    await client.documents.DeleteDocument(DeleteDocumentRequest(id=gone))
    job = (await start_import(client, project, [done.id])).job
    assert (await end_of(client, "dataset", job.id)).state == job_pb2.JOB_STATE_SUCCEEDED
    listed = await client.examples.ListExamples(
        example_pb.ListExamplesRequest(project_id=project, page_size=1000)
    )
    questions = {one.id: one for one in await questions_of(client, done)}
    chunks = {chunk.id: chunk.text.strip() for chunk in await chunks_of(client, project)}
    reasons = Counter(one.rejection.reason for one in listed.examples)
    assert reasons == {"": 8, "PASSAGE_GONE": 12}
    for one in listed.examples:
        question = questions[one.lineage.question_ids[0]]
        if one.state == example_pb2.EXAMPLE_STATE_KEPT:
            asked = f"{chunks[question.chunk_ids[0]]}\n\n{question.text}"
            assert [message.content for message in one.messages] == [asked, question.answer.text]
            assert (one.lineage.document_version, len(one.quotes)) == (1, 1)
    made = dataset_pb.CreateDatasetVersionRequest(
        dataset_version=DatasetVersion(project_id=project, options=DatasetOptions(exam_share=0))
    )
    version = (await client.datasets.CreateDatasetVersion(made)).dataset_version
    await end_of(client, "dataset", version.job.id)
    found = dataset_pb.GetDatasetVersionRequest(id=version.id)
    version = (await client.datasets.GetDatasetVersion(found)).dataset_version
    assert (version.split_counts["train"], sum(version.dropped_counts.values())) == (8, 0)


async def test_templates_are_kept_by_hand_and_what_cannot_be_is_refused(
    client: Client, mock: MockServer
) -> None:
    project, provider, templates = await prepared(client, mock, {"a.md": handbook(1)})
    other = await new_project(client)
    foreign = await create(client, other, "gist", **WANTED["gist"])
    assert list(await templates_of(client, project, page_size=1)) == list(WANTED)
    stored = (await templates_of(client, project))["data"]
    assert stored.json_schema == SCHEMA
    changed = await update(client, templates[3], answer=0, json_schema="", description="short")
    assert (changed.answer, changed.description) == (template_pb.TEMPLATE_ANSWER_TEXT, "short")
    assert changed.text == WANTED["data"]["text"]
    missing = new_id()
    refused: list[tuple[Any, str, str, str]] = [
        (create(client, project, "gist", text="?"), "ALREADY_EXISTS", "QUESTION_TEMPLATE_EXISTS", "name"),
        (
            update(client, templates[1], name="gist"),
            "ALREADY_EXISTS",
            "QUESTION_TEMPLATE_EXISTS",
            "name",
        ),
        (
            create(client, project, "x", text="?", labels=["a", "b"]),
            "INVALID_ARGUMENT",
            "LABELS_MISPLACED",
            "labels",
        ),
        (update(client, templates[1], labels=["a"]), "INVALID_ARGUMENT", "LABELS_MISPLACED", "labels"),
        (
            create(client, project, "x", text="?", answer=3, json_schema='{"type":"array"}'),
            "INVALID_ARGUMENT",
            "JSON_SCHEMA_INVALID",
            "json_schema",
        ),
        (update(client, templates[0], text=""), "INVALID_ARGUMENT", "FIELD_INVALID", "text"),
        (update(client, "", text="?"), "INVALID_ARGUMENT", "FIELD_INVALID", ""),
        (update(client, missing, text="?"), "NOT_FOUND", "QUESTION_TEMPLATE_NOT_FOUND", ""),
        (delete(client, missing), "NOT_FOUND", "QUESTION_TEMPLATE_NOT_FOUND", ""),
        (start(client, project, provider, [missing]), "NOT_FOUND", "QUESTION_TEMPLATE_NOT_FOUND", "[0]"),
        (
            start(client, project, provider, [templates[0], foreign.id]),
            "INVALID_ARGUMENT",
            "QUESTION_TEMPLATE_OF_OTHER_PROJECT",
            "[1]",
        ),
        (
            start(client, project, provider, [], templates_only=True),
            "INVALID_ARGUMENT",
            "QUESTION_TEMPLATES_MISSING",
            "question_template_ids",
        ),
    ]
    for call, code, reason, field in refused:
        error = await failure(call)
        assert (error.code, error.reason) == (code, reason), error
        assert error.field.endswith(field), error.field
    request = pb.CreateQuestionTemplateRequest(
        question_template=template_pb.QuestionTemplate(project_id=project, name="once", text="Once?"),
        request_id=new_id(),
    )
    once = [(await client.question_templates.CreateQuestionTemplate(request)) for _ in range(2)]
    assert once[0] == once[1]
    gone = DeleteProjectDataRequest(project_id=project)
    deleted = await client.project_data("generation").DeleteProjectData(gone)
    assert deleted.deleted_rows["generation.question_templates"] == 5
    assert await templates_of(client, project) == {}
    assert len(await templates_of(client, other)) == 1


@pytest.mark.full
async def test_templates_are_kept_and_asked_at_the_command_line(
    rooms: Rooms, client: Client, mock: MockServer, tmp_path: Path
) -> None:
    project = await parsed_project(client, {"a.md": handbook(2)}, **SMALL)
    provider = await new_provider(client, project, mock.base_url)
    cli = CommandLine(rooms, project)

    async def read(*arguments: str) -> list[dict[str, Any]]:
        code, printed = await cli.run("--json", *arguments)
        assert code == 0, printed
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    async def template(*arguments: str) -> list[dict[str, Any]]:
        return await read("question-template", *arguments, "--project", project)

    file = tmp_path / "parts.json"
    file.write_text(f"{SCHEMA}\n", encoding="utf-8")
    (made,) = await template("add", "parts", "--text", "Which parts?", "--json-schema", str(file))
    assert (made["answer"], made["json_schema"]) == ("TEMPLATE_ANSWER_JSON", SCHEMA)
    labels = ("--label", "good", "--label", "bad", "--several-labels")
    (changed,) = await template("update", "parts", *labels, "--name", "mood")
    assert (changed["answer"], changed["labels"]) == ("TEMPLATE_ANSWER_LABEL", ["good", "bad"])
    assert [one["name"] for one in await template("list")] == ["mood"]
    wanted = ("--project", project, "--provider", provider, "--wait")
    (done,) = await read("generation", "create", *wanted, "--question-template", "mood", "--templates-only")
    assert done["stats"]["answered"] == "2"
    await template("add", "gist", "--text", "What is it about?")
    listed_of = (await read("question", "list", "--project", project, "--state", "answered"))[0]
    for name, state, count in (
        ("mood", "answered", 2),
        (made["id"], "answered", 2),
        ("mood", "rejected", 0),
        ("gist", "answered", 0),
    ):
        filters = ("--template", name, "--state", state)
        listed = await read("question", "list", "--project", project, *filters)
        assert [one["question_template_id"] for one in listed] == [made["id"]] * count
    document, chunk = listed_of["document_ids"][0], listed_of["chunk_ids"][0]
    for narrow in (("--generation", done["id"]), ("--document", document), ("--chunk", chunk)):
        listed = await read("question", "list", "--project", project, *narrow)
        assert listed_of["id"] in {one["id"] for one in listed}
    code, printed = await cli.run("question", "list", "--project", project, "--tag", "Nothing")
    assert (code, "TAG_NOT_FOUND" in printed) == (1, True)
    code, printed = await cli.run("question", "list", "--project", project, "--template", "parts")
    assert (code, "QUESTION_TEMPLATE_NOT_FOUND" in printed) == (1, True)
    await template("delete", "mood")
