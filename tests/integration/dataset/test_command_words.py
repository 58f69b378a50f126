"""What commands of the dataset room take by name, and what they tell."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from services.runtime.ids import new_id
from sishu.dataset.v1 import example_pb2
from sishu.dataset.v1.deduplication_service_pb2 import GetDeduplicationRequest
from sishu.dataset.v1.example_change_service_pb2 import UndoExampleChangeRequest
from sishu.inference.v1 import exam_pb2
from sishu.trainer.v1 import training_run_pb2
from tests.integration.command_line import CommandLine
from tests.integration.dataset.test_commands import command_line, ran, read
from tests.integration.dataset.test_imports import lines
from tests.integration.dataset_school import REJECTED, School, about_herons, turns
from tests.support.hub_server import HubServer, serving

LONG = "How many litres of water does the spare pump of the harbour move in forty minutes, {}?"


async def refused(cli: CommandLine, *arguments: str, **env: str) -> str:
    """What a command that fails prints."""
    code, printed = await cli.run(*arguments, env=env)
    assert code == 1, printed
    return " ".join(printed.split())


async def test_a_list_tells_what_examples_say(school: School) -> None:
    cli = command_line(school)
    sft = await school.create(project_id=cli.project, messages=turns(LONG.format("sir"), "苍鹭。\n" * 60))
    text = await school.create(
        project_id=cli.project,
        kind=example_pb2.EXAMPLE_KIND_PRETRAINING,
        messages=turns("", "The heron weighs 1.4 kg.")[1:],
    )
    listed = ("example", "list", "--project", cli.project)
    narrow, chinese = await asyncio.gather(
        ran(cli, *listed, COLUMNS="80"), ran(cli, "--lang", "zh", *listed, COLUMNS="80")
    )
    assert narrow == chinese
    head, rows = narrow.splitlines()[:2], narrow.splitlines()[2:]
    assert head[1].split()[:3] == ["id", "kind", "state"]
    assert rows[0].split()[:3] == [sft.id, "sft", "kept"]
    assert rows[1].startswith("  question: How many litres of water does the spare pump of the harbour ")
    assert rows[2].startswith("  answer: 苍鹭。 苍鹭。")
    assert (rows[2][-1], len(rows)) == ("…", 5)
    assert rows[3].split()[0] == text.id
    assert rows[4] == "  answer: The heron weighs 1.4 kg."


async def test_documents_and_tags_are_named_as_people_call_them(school: School) -> None:
    cli = command_line(school)
    one, other = (school.documents.add(cli.project, f"{name}/birds.md", 0) for name in "ab")
    shop, office = (school.tags.add(cli.project, name, "Returns") for name in ("Shop", "Office"))
    both = await asyncio.gather(
        *(school.create(project_id=cli.project, messages=turns(LONG.format(name), "No.")) for name in "xy")
    )
    in_project = ("--project", cli.project)
    await ran(cli, "example", "label", both[0].id, "--add-tag", "Shop > Returns")
    found, version, several, chinese = await asyncio.gather(
        read(cli, "example", "list", *in_project, "--tag", "Shop > Returns"),
        read(cli, "dataset", "create", *in_project, "--tag", shop, "--tag", "Office > Returns"),
        refused(cli, "example", "count", *in_project, "--document", "a/birds.md", "--tag", "Returns"),
        refused(cli, "--lang", "zh", "example", "count", *in_project, "--document", "birds.md"),
    )
    assert [row["id"] for row in found] == [both[0].id]
    assert found[0]["tag_ids"] == [shop]
    assert version[0]["options"]["filter"]["tag_ids"] == sorted([shop, office])
    assert (
        f"several tags are called 'Returns': Shop > Returns ({shop}), Office > Returns ({office});" in several
    )
    assert "TAG_NOT_UNIQUE" in several
    assert f"有几个文档名为 birds.md：a/birds.md ({one}), b/birds.md ({other})；" in chinese


async def test_clusters_tell_what_examples_say_and_applying_how_it_is_undone(school: School) -> None:
    cli = command_line(school)
    kept, copy = [
        await school.create(project_id=cli.project, messages=turns(LONG.format(name), "No."), score=score)
        for name, score in (("sir", 2), ("Sir", 1))
    ]
    (search,) = await read(cli, "dedupe", "create", "--project", cli.project, "--wait")
    shown = await ran(cli, "dedupe", "clusters", search["id"], COLUMNS="60")
    assert [line.strip() for line in shown.splitlines()] == [
        f"1  2 examples, kept: {kept.id}",
        "How many litres of water does the spare pump of the harb…",
        f"{copy.id}  1.000  exact",
        "How many litres of water does the spare pump of the h…",
    ]
    printed = await ran(cli, "dedupe", "apply", search["id"], "--wait", "--author", "Bea")
    told = re.search(r"1 rejected, 0 as they were; change (\S+) \(`sishu example undo \1`", printed)
    assert told, printed
    change = told[1]
    assert (await school.listed(cli.project, states=[REJECTED]))[0].id == copy.id
    undo = UndoExampleChangeRequest(change_id=change)
    undone = (await school.client.example_changes.UndoExampleChange(undo)).example_change
    await school.ended(undone.job)
    assert await school.listed(cli.project, states=[REJECTED]) == []
    request = GetDeduplicationRequest(id=search["id"])
    assert (await school.client.deduplications.GetDeduplication(request)).deduplication.change_id == change


async def test_an_import_names_what_it_did_not_read_and_counts_tokens(school: School, tmp_path: Path) -> None:
    cli = command_line(school)
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines([{"question": "Who was it?", "answer": "Ada.", "topic": "x", "page": 3}] * 2))
    create = ("import", "create", str(path), "--project", cli.project)
    (code, printed), preview, wrong = await asyncio.gather(
        cli.run("--json", "--lang", "zh", *create, "--wait", "--tokenizer", "words"),
        ran(cli, "import", "preview", str(path), "--project", cli.project),
        refused(cli, *create, "--tokenizer", "../words"),
    )
    assert code == 0, printed
    assert "未用于样例的列：page (2), topic (2)；" in printed
    assert "columns that no example was made of: topic, page; --column" in preview
    profile = next(json.loads(line) for line in printed.splitlines() if line[0] == "{")["profile"]
    assert profile["unread_columns"] == {"topic": "2", "page": "2"}
    # Who was it ? Ada .
    assert (profile["tokens"]["min"], profile["tokens"]["total"]) == ("6", "12")
    assert "TOKENIZER_NOT_ALLOWED" in wrong


@pytest.mark.full  # the same without the command line is in `test_options.py`
async def test_a_version_that_is_used_is_not_deleted(school: School) -> None:
    cli = command_line(school)
    await school.create(project_id=cli.project, messages=turns("Who?", "Ada."))
    version = await school.made(cli.project, exam_share=0)
    run = training_run_pb2.TrainingRun(id=new_id(), dataset_version_id=version.id)
    exam = exam_pb2.Exam(id=new_id(), dataset_version_id=version.id)
    delete = ("dataset", "delete", f"{cli.project}/1")
    for runs, exams, user in (([run], [], f"training run {run.id}"), ([], [exam], f"exam {exam.id}")):
        school.later.runs, school.later.exams = runs, exams
        told, chinese = await asyncio.gather(refused(cli, *delete), refused(cli, "--lang", "zh", *delete))
        assert f"is used by {user}; delete that first" in told
        assert "DATASET_VERSION_IN_USE" in told
        assert {"training": "正被训练任务", "exam": "正被考试"}[user.split()[0]] in chinese
    school.later.exams = []
    (deleted,) = await read(cli, *delete)
    assert int(deleted["deleted_objects"]) > 0


@pytest.mark.full  # reading the library of the hub takes seconds
async def test_an_export_goes_onto_a_hub(school: School, tmp_path: Path) -> None:
    cli = command_line(school)
    await school.imported(cli.project, about_herons(2))
    version = await school.made(cli.project, exam_share=0.3)
    out = tmp_path / "out"
    export = ("dataset", "export", version.id, "--out", str(out), "--format", "hugging_face")
    with serving(HubServer("secret")) as hub:
        env = {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "wrong",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(tmp_path / "home"),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        told = await refused(cli, *export, "--push-to", "ours/data", **env)
        assert "HUB_REFUSED" in told
        assert hub.files == {}
        printed = await ran(
            cli, *export, "--push-to", "ours/data", "--public", **{**env, "HF_TOKEN": "secret"}
        )
    assert printed.splitlines()[-1] == f"{hub.url}/datasets/ours/data/commit/{'1' * 40}"
    here = {str(path.relative_to(out)): path for path in out.rglob("*") if path.is_file()}
    there = {name for name in here if not name.startswith("left_out")}
    assert hub.files == {name: here[name].read_bytes() for name in there}
    assert "README.md" in there
    assert any(name.endswith(".parquet") for name in there)
    assert [(one["name"], one["visibility"]) for one in hub.created][-1] == ("data", "public")
    assert os.environ.get("HF_TOKEN", "") not in {"secret", "wrong"}
