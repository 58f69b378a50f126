"""The dataset room: imports of generations, of questions and of candidates of every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.common.v1 import exam_item_pb2, failure_pb2, job_pb2, message_pb2, origin_pb2, text_span_pb2
from sishu.dataset.v1 import example_pb2, import_pb2
from sishu.dataset.v1 import import_service_pb2 as pb
from sishu.dataset.v1.example_service_pb2 import MarkSourcesRequest
from sishu.errors import ApiError
from sishu.generation.v1 import candidate_pb2, judgement_pb2, question_pb2
from sishu.learn.jobs import import_in
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import KEPT, REJECTED, School, question, rejected, turns
from tests.integration.stores import Rooms

GATE = failure_pb2.Failure(code="INVALID_ARGUMENT", reason="QUOTE_NOT_FOUND", message="no such quote")


def candidate(**content: Any) -> candidate_pb2.Candidate:
    """A kept candidate, with all that is known of one."""
    chunk_id, document_id = new_id(), new_id()
    quote = text_span_pb2.Quote(
        text="The heron weighs 1.4 kg.",
        chunk_id=chunk_id,
        document_id=document_id,
        document_version=3,
        span=text_span_pb2.TextSpan(start=7, end=31),
    )
    return candidate_pb2.Candidate(
        id=new_id(),
        chunk_ids=[chunk_id],
        document_ids=[document_id],
        fact_ids=[new_id()],
        quotes=[quote],
        heading_path=["Birds", "Herons"],
        state=candidate_pb2.CANDIDATE_STATE_KEPT,
        origin=origin_pb2.Origin(
            prompt_version="written.en@1", model="mock", usage=message_pb2.TokenUsage(calls=1)
        ),
        judgement=judgement_pb2.Judgement(score=4.5),
        tag_ids=[new_id()],
        **content,
    )


def exam(**item: Any) -> candidate_pb2.Candidate:
    return candidate(exam_item=exam_item_pb2.ExamItem(**item))


def pair_of(asked: question_pb2.Question) -> candidate_pb2.Candidate:
    pair = candidate_pb2.PreferencePair(
        prompt=asked.text, chosen="1.4 kg.", rejected="9 kg.", flaw=candidate_pb2.PREFERENCE_FLAW_WRONG
    )
    return candidate(preference_pair=pair, question_id=asked.id)


def added(
    school: School,
    project_id: str,
    questions: list[question_pb2.Question],
    candidates: list[candidate_pb2.Candidate],
) -> str:
    """A generation with both."""
    generation_id = school.generations.add(project_id, questions)
    school.generations.candidates[generation_id] = candidates
    for one in candidates:
        one.project_id, one.generation_id = project_id, generation_id
    return generation_id


async def imported(
    school: School,
    project_id: str,
    *generation_ids: str,
    with_rejected: bool = False,
    **options: Any,
) -> import_pb2.Import:
    source = import_pb2.ImportGenerations(generation_ids=generation_ids, with_rejected=with_rejected)
    wanted: dict[str, Any] = {
        "import": import_pb2.Import(
            project_id=project_id, generations=source, options=import_pb2.ImportOptions(**options)
        )
    }
    made = import_in(await school.client.imports.CreateImport(pb.CreateImportRequest(**wanted)))
    assert (await school.ended(made.job)).state == job_pb2.JOB_STATE_SUCCEEDED
    return import_in(await school.client.imports.GetImport(pb.GetImportRequest(id=made.id)))


async def test_candidates_of_every_kind_become_examples_with_all_that_is_known(school: School) -> None:
    project_id, asked = new_id(), question("How heavy is it?")
    asked.type = question_pb2.QUESTION_TYPE_REASON
    single = exam(type=2, text="Which is heaviest?", choices=["Stork", "Heron", "Wren", "Tit"], correct=[0])
    several = exam(type=3, text="哪些是鸟？", choices=["鹭", "鲸", "鹳", "石"], correct=[0, 2])
    made = [
        candidate(conversation=candidate_pb2.Conversation(messages=turns("Hi.", "Hello.", "And?", "So."))),
        pair_of(asked),
        candidate(
            passage=candidate_pb2.Passage(
                form=candidate_pb2.PASSAGE_FORM_OUTLINE, text="Herons weigh 1.4 kg."
            )
        ),
        exam(type=1, text="A heron weighs 1.4 kg.", is_true=True),
        single,
        several,
        exam(type=4, text="What does it weigh?", answer="1.4 kg"),
    ]
    generation_id = added(school, project_id, [asked], made)
    done = await imported(school, project_id, generation_id, labels=["mine"])
    counts = done.counts
    assert (counts.rows, counts.kept, counts.known, counts.left_out) == (8, 8, 0, 0)
    assert dict(done.profile.kinds) == {
        "sft": 1,
        "conversation": 1,
        "preference": 1,
        "pretraining": 1,
        "exam_item": 4,
    }
    found = {one.lineage.candidate_id: one for one in await school.listed(project_id)}
    assert all(one.state == KEPT and list(one.labels) == ["mine"] for one in found.values())
    for one in made:
        example, lineage = found[one.id], found[one.id].lineage
        assert (lineage.generation_id, lineage.import_id, lineage.import_row) == (generation_id, done.id, 0)
        assert (list(lineage.chunk_ids), lineage.fact_id) == (list(one.chunk_ids), one.fact_ids[0])
        assert (lineage.document_id, lineage.document_version) == (one.document_ids[0], 3)
        assert (list(lineage.heading_path), lineage.answer_origin) == (["Birds", "Herons"], one.origin)
        assert (list(example.quotes), example.score) == (list(one.quotes), 4.5)
        assert list(example.tag_ids) == list(one.tag_ids)
    talk, preferred, text, claim, choice, choices, short = (found[one.id] for one in made)
    assert [one.content for one in talk.messages] == ["Hi.", "Hello.", "And?", "So."]
    assert (preferred.preference.chosen.content, preferred.preference.rejected.content) == (
        "1.4 kg.",
        "9 kg.",
    )
    assert (preferred.preference.flaw, preferred.lineage.question_type) == ("wrong", "reason")
    assert list(preferred.lineage.question_ids) == [asked.id]
    assert preferred.lineage.question_origin == asked.origin
    assert (text.messages[0].role, text.lineage.question_type) == (message_pb2.ROLE_ASSISTANT, "outline")
    assert [one.content for one in claim.messages] == ["True or false? A heron weighs 1.4 kg.", "True"]
    assert [one.content for one in choice.messages] == [
        "Which is heaviest?\n\nA. Stork\nB. Heron\nC. Wren\nD. Tit",
        "A. Stork",
    ]
    assert choices.messages[1].content == "A. 鹭\nC. 鹳"
    assert [one.content for one in short.messages] == ["What does it weigh?", "1.4 kg"]
    assert choice.exam_item == single.exam_item
    # A preference is no duplicate of the question that it was made from.
    assert {one.kind for one in await school.listed(project_id, import_ids=[done.id.upper()])} == set(
        range(1, 6)
    )
    assert not await school.listed(project_id, import_ids=[new_id()])


async def test_what_is_rejected_comes_when_it_is_asked_for_and_nothing_comes_twice(school: School) -> None:
    project_id = new_id()
    bad = candidate(passage=candidate_pb2.Passage(text="Herons weigh 9 kg."))
    bad.state = candidate_pb2.CANDIDATE_STATE_REJECTED
    bad.rejection.CopyFrom(GATE)
    waits = candidate(passage=candidate_pb2.Passage(text="Herons wait."))
    waits.state = candidate_pb2.CANDIDATE_STATE_JUDGING
    good = candidate(passage=candidate_pb2.Passage(text="Herons weigh 1.4 kg."))
    twin = candidate(passage=candidate_pb2.Passage(text="Herons weigh  1.4 kg."))
    first = added(school, project_id, [question("Who?"), rejected("Where?")], [bad, waits, good, twin])
    second = added(school, project_id, [question("When?")], [])
    done = await imported(school, project_id, first, second)
    counts = done.counts
    assert (counts.rows, counts.kept, counts.duplicates, counts.left_out) == (6, 3, 1, 2)
    assert len(await school.listed(project_id)) == 4
    before = await school.listed(project_id)
    again = (await imported(school, project_id, first, second)).counts
    assert (again.rows, again.kept, again.known, again.left_out) == (6, 0, 4, 2)
    assert await school.listed(project_id) == before
    more = (await imported(school, project_id, first, with_rejected=True)).counts
    assert (more.rows, more.kept, more.known, more.rejected, more.left_out) == (5, 0, 3, 2, 0)
    reasons = [one.rejection.reason for one in await school.listed(project_id, states=[REJECTED])]
    assert sorted(reasons) == ["DUPLICATE", "QUOTE_NOT_FOUND", "QUOTE_NOT_FOUND"]


async def test_a_regenerated_candidate_takes_the_place_of_the_old_one(school: School) -> None:
    project_id = new_id()
    old = candidate(passage=candidate_pb2.Passage(text="Herons weigh 9 kg."))
    by_hand = candidate(passage=candidate_pb2.Passage(text="Storks weigh 9 kg."))
    await imported(school, project_id, added(school, project_id, [], [old, by_hand]))
    kept = next(one for one in await school.listed(project_id) if one.lineage.candidate_id == by_hand.id)
    kept.score = 5
    await school.update(kept, "score")
    new = candidate(passage=candidate_pb2.Passage(text="Herons weigh 1.4 kg."), replaces_id=old.id)
    other = candidate(passage=candidate_pb2.Passage(text="Storks weigh 4 kg."), replaces_id=by_hand.id)
    await imported(school, project_id, added(school, project_id, [], [new, other]))
    found = {one.lineage.candidate_id: one for one in await school.listed(project_id)}
    assert (found[old.id].state, found[old.id].rejection.reason) == (REJECTED, "REPLACED")
    assert {found[one.id].state for one in (by_hand, new, other)} == {KEPT}


async def test_examples_are_marked_as_their_candidates_are(school: School) -> None:
    project_id = new_id()
    made = [candidate(passage=candidate_pb2.Passage(text=f"Heron {n} is there.")) for n in range(3)]
    made[0].source_gone_time.GetCurrentTime()
    await imported(school, project_id, added(school, project_id, [], made))

    async def marked() -> set[str]:
        found = await school.listed(project_id, source_gone=True)
        return {one.lineage.candidate_id for one in found}

    assert await marked() == {made[0].id}
    made[0].ClearField("source_gone_time")
    made[2].source_gone_time.GetCurrentTime()
    answer = await school.client.examples.MarkSources(MarkSourcesRequest(project_id=project_id))
    await school.ended(answer.job)
    assert await marked() == {made[2].id}


async def test_options_of_files_are_refused(school: School) -> None:
    project_id = new_id()
    generation_id = added(school, project_id, [], [])
    cases: list[tuple[dict[str, Any], str]] = [
        ({"shape": "alpaca"}, "shape"),
        ({"kind": example_pb2.EXAMPLE_KIND_EXAM_ITEM}, "kind"),
        ({"max_bad_rows": 3}, "max_bad_rows"),
    ]
    for options, field in cases:
        with pytest.raises(ApiError) as error:
            await imported(school, project_id, generation_id, **options)
        assert (error.value.reason, error.value.field) == ("FIELD_INVALID", f"import.options.{field}")
    with pytest.raises(ApiError) as error:
        await imported(school, project_id, generation_id, tokenizer="../secret")
    assert (error.value.reason, error.value.field) == ("TOKENIZER_NOT_ALLOWED", "import.options.tokenizer")


async def test_generations_are_imported_from_the_command_line(school: School) -> None:
    project_id = new_id()
    cli = CommandLine(Rooms(school.stores, school.client, {}), project_id)
    ids = [added(school, project_id, [question(f"What is {n}?"), rejected(f"Is {n}?")], []) for n in range(2)]
    arguments = ("--project", project_id, "--with-rejected", "--label", "mine", "--wait")
    code, printed = await cli.run("--json", "import", "generations", *ids, *arguments)
    assert code == 0, printed
    done = json.loads(printed.splitlines()[-1])
    assert (done["counts"]["kept"], done["counts"]["rejected"]) == ("2", "2")
    assert done["generations"] == {"generation_ids": ids, "with_rejected": True}
    code, printed = await cli.run(
        "--json", "example", "list", "--project", project_id, "--import", done["id"]
    )
    assert (code, len(printed.splitlines())) == (0, 4), printed
    code, printed = await cli.run("import", "list", "--project", project_id)
    assert (code, done["id"] in printed) == (0, True), printed
