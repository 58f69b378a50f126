"""The dataset room: how versions are made, and what changed between them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.runtime.ids import new_id
from sishu.dataset.v1 import dataset_diff_pb2 as diffs
from sishu.dataset.v1 import dataset_service_pb2 as datasets
from sishu.dataset.v1 import dataset_version_pb2 as versions
from sishu.dataset.v1 import example_change_service_pb2 as change_service
from sishu.dataset.v1 import example_filter_pb2, example_pb2
from sishu.dataset.v1 import example_service_pb2 as examples
from sishu.errors import ApiError
from sishu.inference.v1 import exam_pb2
from sishu.trainer.v1 import training_run_pb2
from tests.integration.command_line import CommandLine
from tests.integration.dataset_school import (
    READY,
    School,
    about_herons,
    name_of,
    turns,
)
from tests.integration.stores import Rooms

TRAIN, EXAM = versions.DATASET_SPLIT_TRAIN, versions.DATASET_SPLIT_EXAM
VALIDATION = versions.DATASET_SPLIT_VALIDATION


async def test_a_version_is_made_as_its_options_say(school: School) -> None:
    project_id = new_id()
    generation_id = await school.imported(project_id, about_herons(20))
    for number in range(9):
        await school.create(
            project_id=project_id,
            messages=turns(f"What is {name_of(900 + number)}?", "No bird."),
            labels=["general"],
        )
    version = await school.made(
        project_id,
        exam_count=6,
        validation_count=5,
        balance=[versions.BalanceCap(facet=versions.BALANCE_FACET_SOURCE, most=40)],
        replay=versions.Replay(label="general", share=0.2),
        group_by=versions.DATASET_GROUPING_CHUNK,
        stratify_by=versions.DATASET_STRATA_DOCUMENT_AND_TAG,
        filter=example_filter_pb2.ExampleFilter(kinds=[example_pb2.EXAMPLE_KIND_SFT]),
        system_prompt="Be brief.",
    )
    assert version.split_counts == {"train": 36, "validation": 5, "exam": 6}
    assert version.dropped_counts == {"BALANCE": 20, "REPLAY": 2}
    sources = {one.source: dict(one.split_counts) for one in version.source_counts}
    assert sources == {
        f"generation:{generation_id}": {"train": 29, "validation": 5, "exam": 6},
        "hand": {"train": 7},
    }
    coverage = {one.facet: (one.total, dict(one.split_counts)) for one in version.coverage}
    assert coverage["document"] == (1, {"train": 1, "validation": 1, "exam": 1})
    assert coverage["fact"][0] == 20
    held = await school.held(version.id, split=VALIDATION)
    assert [one.messages[0].content for one in held] == ["Be brief."] * 5
    assert len(await school.rows(version.id, "validation")) == 5

    manifest = await school.manifest(version.id)
    assert manifest["options"]["balance"] == [{"facet": "source", "most": 40}]
    assert manifest["options"]["replay"] == {"share": 0.2, "label": "general", "import_id": ""}
    assert manifest["source_counts"] == sources
    assert manifest["coverage"]["fact"]["total"] == 20
    shown = (await school.version(version.id)).options
    assert (shown.exam_count, shown.group_by) == (6, versions.DATASET_GROUPING_CHUNK)
    assert list(shown.filter.kinds) == [example_pb2.EXAMPLE_KIND_SFT]


async def test_a_filter_by_text_is_refused(school: School) -> None:
    wanted = example_filter_pb2.ExampleFilter(text="heron")
    with pytest.raises(ApiError) as error:
        await school.start_version(new_id(), filter=wanted)
    assert (error.value.reason, error.value.code) == ("FIELD_INVALID", "INVALID_ARGUMENT")


async def diff_of(school: School, base_id: str, version_id: str) -> diffs.DatasetDiff:
    request = datasets.DiffDatasetVersionsRequest(base_version_id=base_id, dataset_version_id=version_id)
    started = (await school.client.datasets.DiffDatasetVersions(request)).dataset_diff
    await school.ended(started.job)
    found = await school.client.datasets.GetDatasetDiff(datasets.GetDatasetDiffRequest(id=started.id))
    assert found.dataset_diff.ready
    return found.dataset_diff


async def changes(school: School, diff_id: str, **filters: Any) -> list[diffs.DatasetChange]:
    found: list[diffs.DatasetChange] = []
    request = datasets.ListDatasetChangesRequest(dataset_diff_id=diff_id, page_size=2, **filters)
    while True:
        page = await school.client.datasets.ListDatasetChanges(request)
        found += page.dataset_changes
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_a_diff_says_what_became_of_every_example(school: School) -> None:
    project_id = new_id()
    made = [
        await school.create(project_id=project_id, messages=turns(f"Who is {name_of(number)}?", "Ada."))
        for number in range(8)
    ]
    base = await school.made(project_id, exam_share=0)
    made[0].messages[1].content = "Grace."
    await school.update(made[0], "messages")
    await school.client.examples.DeleteExample(examples.DeleteExampleRequest(id=made[1].id))
    new = await school.create(project_id=project_id, messages=turns(f"Who is {name_of(99)}?", "Ada."))
    version = await school.made(project_id, exam_share=0)
    diff = await diff_of(school, base.id, version.id)
    assert dict(diff.change_counts) == {"added": 1, "removed": 1, "changed": 1, "moved": 0}
    found = [(one.example_id, one.kind, one.base_split, one.split) for one in await changes(school, diff.id)]
    assert found == [
        (new.id, diffs.DATASET_CHANGE_KIND_ADDED, 0, TRAIN),
        (made[1].id, diffs.DATASET_CHANGE_KIND_REMOVED, TRAIN, 0),
        (made[0].id, diffs.DATASET_CHANGE_KIND_CHANGED, TRAIN, TRAIN),
    ]
    only = await changes(school, diff.id, kind=diffs.DATASET_CHANGE_KIND_REMOVED)
    assert [one.example_id for one in only] == [made[1].id]

    examined = await school.made(project_id, exam_count=3)
    moved = await diff_of(school, version.id, examined.id)
    assert dict(moved.change_counts) == {"added": 0, "removed": 0, "changed": 0, "moved": 3}
    assert {one.split for one in await changes(school, moved.id)} == {EXAM}

    await school.client.datasets.DeleteDatasetVersion(datasets.DeleteDatasetVersionRequest(id=version.id))
    with pytest.raises(ApiError) as error:
        await changes(school, moved.id)
    assert error.value.reason == "DATASET_DIFF_NOT_FOUND"
    with pytest.raises(ApiError) as error:
        await diff_of(school, base.id, version.id)
    assert error.value.reason == "DATASET_VERSION_NOT_FOUND"
    assert (await school.version(examined.id)).state == READY


async def test_a_version_in_use_is_not_deleted(school: School) -> None:
    project_id = new_id()
    await school.create(project_id=project_id, messages=turns("Who?", "Ada."))
    version = await school.made(project_id, exam_share=0)
    other: dict[str, Any] = {"dataset_version_id": new_id()}
    run: dict[str, Any] = {"id": new_id(), "dataset_version_id": version.id}
    exam: dict[str, Any] = {"id": new_id(), "dataset_version_id": version.id}
    request = datasets.DeleteDatasetVersionRequest(id=version.id)
    for runs, exams in (([other, run], []), ([], [other, exam])):
        school.later.runs = [training_run_pb2.TrainingRun(**one) for one in runs]
        school.later.exams = [exam_pb2.Exam(**one) for one in exams]
        with pytest.raises(ApiError) as error:
            await school.client.datasets.DeleteDatasetVersion(request)
        assert (error.value.code, error.value.reason) == ("FAILED_PRECONDITION", "DATASET_VERSION_IN_USE")
        assert error.value.metadata["used_by"] in {f"training run {run['id']}", f"exam {exam['id']}"}
        assert (await school.version(version.id)).state == READY
    school.later.runs, school.later.exams = [training_run_pb2.TrainingRun(**other)], []
    await school.client.datasets.DeleteDatasetVersion(request)


async def test_general_data_of_another_version_is_mixed_into_train(school: School) -> None:
    general_id, project_id = new_id(), new_id()
    for number in range(12):
        asked = f"Tell me of {name_of(500 + number)}."
        await school.create(project_id=general_id, messages=turns(asked, "Gladly."), labels=["chat"])
    general = await school.made(general_id, exam_count=2, system_prompt="Be kind.")
    own = [
        await school.create(project_id=project_id, messages=turns(f"Who is {name_of(number)}?", "Ada."))
        for number in range(20)
    ]
    wanted: dict[str, Any] = {"exam_count": 2, "replay": versions.Replay(dataset_version_id=general.id)}
    cli = CommandLine(Rooms(school.stores, school.client, {}), project_id)
    create = ["--json", "dataset", "create", "--project", project_id, "--exam-count", "2", "--wait"]
    code, printed = await cli.run(*create, "--replay-version", f"{general_id}/1")
    assert code == 0, printed
    version = await school.version(json.loads(printed)["id"])
    assert version.split_counts == {"train": 20, "exam": 2}
    assert version.dropped_counts == {}
    assert (version.replayed.available, version.replayed.wanted, version.replayed.taken) == (10, 2, 2)
    assert dict(version.replayed.source_counts) == {"hand": 2}
    assert version.options.replay.share == 0.1
    sources = {one.source: dict(one.split_counts) for one in version.source_counts}
    assert sources == {"hand": {"train": 18, "exam": 2}, f"version:{general.id}": {"train": 2}}
    manifest = await school.manifest(version.id)
    assert manifest["replayed"]["content_sha256"] == general.content_sha256
    assert manifest["options"]["replay"]["dataset_version_id"] == general.id

    theirs = {one.position: one for one in await school.held(general.id, split=TRAIN)}
    mixed = [one for one in await school.held(version.id) if one.lineage.dataset_version_id]
    assert len(mixed) == 2
    for one in mixed:
        there = theirs[one.lineage.dataset_version_position]
        assert (one.split, one.lineage.dataset_version_id) == (TRAIN, general.id)
        assert (one.example_id, list(one.messages)) == (there.example_id, list(there.messages)[1:])
    again = await school.made(project_id, **wanted)
    assert again.content_sha256 == version.content_sha256

    # A restore leaves alone what is not the project's own, and the version outlives where it took it from.
    await school.client.datasets.DeleteDatasetVersion(datasets.DeleteDatasetVersionRequest(id=general.id))
    assert len(await school.held(version.id)) == 22
    restore = datasets.RestoreDatasetVersionRequest(dataset_version_id=version.id)
    change = (await school.client.datasets.RestoreDatasetVersion(restore)).example_change
    await school.ended(change.job)
    found = change_service.GetExampleChangeRequest(id=change.id)
    change = (await school.client.example_changes.GetExampleChange(found)).example_change
    assert dict(change.counts) == {}
    assert len(await school.listed(project_id)) == len(own)
    with pytest.raises(ApiError) as error:
        await school.start_version(project_id, **wanted)
    assert error.value.reason == "DATASET_VERSION_NOT_FOUND"
