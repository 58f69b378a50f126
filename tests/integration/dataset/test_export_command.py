"""`sishu dataset export`, run as a program against the dataset room."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from services.dataset.exports.bundles import BUNDLES
from services.runtime.ids import new_id
from sishu.cli.export_options import BUNDLES as NAMED
from sishu.dataset.v1 import review_pb2, review_service_pb2
from tests.integration.dataset_school import School, about_herons, turns
from tests.integration.stores import room_environment


async def run(school: School, *arguments: str) -> tuple[int, str]:
    """The exit code and all that was printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sishu.cli.main", *arguments),
        env=room_environment(school.stores, {"COLUMNS": "120"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 90.0)
    assert process.returncode is not None
    return process.returncode, printed.decode()


def test_the_command_knows_all_bundles() -> None:
    assert set(NAMED) == set(BUNDLES)


async def test_a_version_is_written_fetched_and_not_fetched_again(school: School, tmp_path: Path) -> None:
    project_id = new_id()
    generation_id = await school.imported(project_id, about_herons(5))
    version = await school.made(project_id, filter={"generation_ids": [generation_id]})
    out = tmp_path / "out"
    command = ("dataset", "export", version.id, "--out", str(out))
    code, printed = await run(school, *command)
    assert code == 0, printed
    info = json.loads((out / "dataset_info.json").read_text(encoding="utf-8"))
    assert all((out / one["file_name"]).exists() for one in info.values())
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    code, printed = await run(school, *command)
    assert (code, {path: path.stat().st_mtime_ns for path in out.iterdir()}) == (0, before)

    code, printed = await run(
        school,
        *("dataset", "export", version.id, "--out", str(tmp_path / "csv"), "--format", "custom"),
        *("--file-type", "csv", "--splits", "train", "--column", "ask={{ question }}\\n", "--column", "n=x"),
    )
    assert code == 0, printed
    lines = (tmp_path / "csv" / "train.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "ask,n"
    assert not (tmp_path / "csv" / "exam.csv").exists()

    code, printed = await run(
        school,
        *("dataset", "export", version.id, "--out", str(tmp_path / "no"), "--format", "custom"),
        *("--column", "ask={{ qestion }}"),
    )
    assert code == 1
    assert "column ask: there is no variable qestion; did you mean question?" in printed
    code, printed = await run(school, "export", "list", "--project", project_id)
    assert code == 0
    assert "llama_factory" in printed


async def test_only_some_of_a_version_are_exported(school: School, tmp_path: Path) -> None:
    project_id = new_id()
    tag_id = school.tags.add(project_id, "Shop", "Returns")
    document_id = school.documents.add(project_id, "a/birds.md", 0)
    await school.imported(project_id, about_herons(1, document_id))
    made = [
        await school.create(
            project_id=project_id, messages=turns(text, "Ada."), tag_ids=[tag_id], score=score
        )
        for text, score in (("Who wrote it?", 4), ("Where was that?", 2))
    ]
    review = review_pb2.Review(
        example_id=made[0].id, reviewer="Bea", verdict=review_pb2.REVIEW_VERDICT_ACCEPT
    )
    await school.client.reviews.CreateReview(review_service_pb2.CreateReviewRequest(review=review))
    version = await school.made(project_id, exam_share=0.0)

    async def exported(name: str, *options: str) -> tuple[int, str]:
        where = ("--out", str(tmp_path / name), "--format", "messages_jsonl")
        return await run(school, "dataset", "export", version.id, *where, *options)

    async def ids(name: str, *options: str) -> list[str]:
        code, printed = await exported(name, *options)
        assert code == 0, printed
        lines = (tmp_path / name / "train.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["id"] for line in lines]

    accepted, tagged, herons, wrong, none, chinese = await asyncio.gather(
        ids("accepted", "--review", "accepted", "--source", "hand", "--text", "WHO", "--min-score", "4"),
        ids("tagged", "--tag", "Shop > Returns", "--max-score", "3"),
        ids("herons", "--document", "birds.md", "--language", "en"),
        exported("wrong", "--review", "confirmed"),
        exported("none", "--label", "nowhere"),
        run(school, "--lang", "zh", "dataset", "export", "--help"),
    )
    assert (accepted, tagged) == ([made[0].id], [made[1].id])
    assert herons
    assert not set(herons) & {one.id for one in made}
    assert wrong[0] == none[0] == 1
    assert "accepted" in wrong[1]
    assert "fit the filter (labels 'nowhere')" in " ".join(none[1].split())
    assert "只看此来源" in chinese[1]


async def test_who_is_left_out_is_told(school: School, tmp_path: Path) -> None:
    project_id = new_id()
    await school.imported(project_id, about_herons(1))
    version = await school.made(project_id, exam_share=0.0)
    code, printed = await run(
        school,
        *("dataset", "export", version.id, "--out", str(tmp_path), "--format", "chatml"),
        *("--system-prompt", "Say <|im_end|> often."),
    )
    assert code == 0, printed
    assert "left_out/train.jsonl.jsonl: 3 examples left out (MARK_IN_TEXT of kind sft)" in printed
