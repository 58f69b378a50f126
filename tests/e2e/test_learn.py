"""`sishu learn`: the main job, its report, stops in the middle, and wrong input."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command
from tests.support.mock_llm import MockServer, mock_llm

# Minutes of real processes: `make test-full`.
pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

GENERATION_SLOTS = 32

REPORT_KEYS = {
    "documents",
    "chunks",
    "questions",
    "examples",
    "dataset_version",
    "train",
    "exam",
    "artifacts",
}


def learn_arguments(docs: Path, tiny: Path, out: Path, base_url: str, name: str) -> list[str | Path]:
    options: list[str | Path] = ["--llm-base-url", base_url, "--llm-model", "mock", "--base-model", tiny]
    return ["learn", docs, *options, "--name", name, "--out", out, "--epochs", "1", "--chars-per-fact", "90"]


def source_texts(docs: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in docs.iterdir()]


def read_report(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


@pytest.mark.gate
async def test_documents_become_a_tuned_model_and_a_report(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path
) -> None:
    async with mock_llm() as llm:
        arguments = learn_arguments(docs, tiny, tmp_path, llm.base_url, "whole")
        first = sishu.run(*arguments)
        assert first.returncode == 0, first.stderr
        paid = (await llm.stats())["paid"]
        again = sishu.run(*arguments)
        assert again.returncode == 0, again.stderr
        # Two calls try the provider; nothing else is paid twice.
        assert (await llm.stats())["paid"] <= paid + 2

    report = read_report(tmp_path)
    assert report.keys() >= REPORT_KEYS
    assert report["documents"] == 2
    assert report["examples"]["kept"] > 0
    assert report["examples"]["made"] == report["examples"]["kept"] + report["examples"]["rejected"]
    assert report["train"]["steps"] > 0
    assert report["train"]["tokens_per_second"] > 0
    assert report["exam"]["items"] > 0
    for arm in ("base", "tuned"):
        assert report["exam"][arm]["low"] <= report["exam"][arm]["score"] <= report["exam"][arm]["high"]
    texts = source_texts(docs)
    assert all(any(row["quote"] in text for text in texts) for row in report["exam_table"])
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<svg" in html
    assert "http://" not in html
    assert "https://" not in html


async def test_the_output_holds_llama_factory_files_and_a_peft_adapter(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path
) -> None:
    async with mock_llm() as llm:
        result = sishu.run(*learn_arguments(docs, tiny, tmp_path, llm.base_url, "whole"))
    assert result.returncode == 0, result.stderr
    info = json.loads((tmp_path / "dataset" / "dataset_info.json").read_text(encoding="utf-8"))
    assert {entry["file_name"] for entry in info.values()} == {"alpaca.json", "sharegpt.json"}
    alpaca = json.loads((tmp_path / "dataset" / "alpaca.json").read_text(encoding="utf-8"))
    assert all(row["instruction"] and row["output"] for row in alpaca)
    exam_questions = {row["question"] for row in read_report(tmp_path)["exam_table"]}
    assert exam_questions.isdisjoint(row["instruction"] for row in alpaca)
    adapter = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert adapter["peft_type"] == "LORA"
    assert (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size > 0


async def until_paid(llm: MockServer, calls: int) -> None:
    """Wait until so many calls were answered."""
    async with asyncio.timeout(180):
        while (await llm.stats())["paid"] < calls:
            await asyncio.sleep(0.1)


async def test_a_killed_command_goes_on_where_it_was(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path
) -> None:
    async with mock_llm(latency_ms=300) as llm:
        arguments = learn_arguments(docs, tiny, tmp_path, llm.base_url, "killed")
        process = sishu.start(*arguments)
        await until_paid(llm, 5)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        result = sishu.run(*arguments)
        stats = await llm.stats()
    assert result.returncode == 0, result.stderr
    # Each command tries the provider by the same two calls; no other prompt is paid twice.
    assert stats["prompts_paid_twice"] <= 2
    report = read_report(tmp_path)
    assert report["examples"]["made"] == report["questions"]


async def test_the_command_outlasts_the_death_of_the_services_it_watches(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path
) -> None:
    async with mock_llm(latency_ms=300) as llm:
        arguments = learn_arguments(docs, tiny, tmp_path, llm.base_url, "outlasting")
        process = sishu.start(*arguments)
        await until_paid(llm, 5)
        sishu.kill("generation")
        # Calls in flight may be paid again, what was stored may not.
        assert await asyncio.to_thread(process.wait, 600) == 0
        stats = await llm.stats()
    report = read_report(tmp_path)
    assert report["examples"]["made"] == report["questions"]
    assert stats["prompts_paid_twice"] <= GENERATION_SLOTS


async def test_a_model_loaded_anew_does_not_examine_anew(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path
) -> None:
    async with mock_llm() as llm:
        arguments = learn_arguments(docs, tiny, tmp_path, llm.base_url, "whole")
        assert sishu.run(*arguments).returncode == 0
        exam, paid = read_report(tmp_path)["lineage"]["exam"], (await llm.stats())["paid"]
        for line in sishu.run("--json", "deployment", "list").stdout.splitlines():
            assert sishu.run("deployment", "delete", json.loads(line)["id"]).returncode == 0
        again = sishu.run(*arguments)
        assert again.returncode == 0, again.stderr
        assert read_report(tmp_path)["lineage"]["exam"] == exam
        assert (await llm.stats())["paid"] <= paid + 2


async def test_a_cancelled_job_is_begun_anew(sishu: Command, docs: Path, tiny: Path, tmp_path: Path) -> None:
    # Slow enough for the job to be there when it is to be cancelled.
    async with mock_llm(latency_ms=5000) as llm:
        arguments = learn_arguments(docs, tiny, tmp_path, llm.base_url, "cancelled")
        process = sishu.start(*arguments)
        await until_paid(llm, 3)
        jobs = [json.loads(line) for line in sishu.run("--json", "job", "list").stdout.splitlines()]
        (job,) = [one for one in jobs if one["kind"] == "generate" and one["state"] == "JOB_STATE_RUNNING"]
        assert sishu.run("job", "cancel", job["id"]).returncode == 0
        assert await asyncio.to_thread(process.wait, 60) == 1
        await llm.control(latency_ms=10)
        again = sishu.run(*arguments)
        assert again.returncode == 0, again.stderr


async def test_base_and_tuned_model_talk(sishu: Command, docs: Path, tiny: Path, tmp_path: Path) -> None:
    async with mock_llm() as llm:
        assert sishu.run(*learn_arguments(docs, tiny, tmp_path, llm.base_url, "whole")).returncode == 0
    for options in ((), ("--base",)):
        answer = sishu.run("chat", "whole", "-m", "How many sacks?", *options)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.endswith("\n")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (["learn", "/nowhere/at/all"], "PATH_NOT_FOUND"),
        (
            ["learn", "{docs}", "--llm-base-url", "http://127.0.0.1:9/v1", "--llm-model", "x"],
            "PROVIDER_UNREACHABLE",
        ),
        (["learn", "{docs}", "--llm-base-url", "nonsense", "--llm-model", "x"], "BASE_URL_INVALID"),
        (["learn", "{docs}", "--base-model", "/no/such/model", "--name", "nomodel"], "BASE_MODEL_NOT_FOUND"),
        (["learn", "{empty}", "--name", "bad"], "FILE_EMPTY"),
        (["learn", "{unknown}", "--name", "bad"], "FORMAT_UNSUPPORTED"),
        (["learn", "{damaged}", "--name", "bad"], "FORMAT_MISMATCH"),
        (["learn", "{docs}", "--llm-base-url", "http://127.0.0.1:9/v1"], "MODEL_MISSING"),
        (["learn", "{docs}", "--llm-model", "x"], "BASE_URL_MISSING"),
        (["learn", "{docs}", "--out", "{unknown}/below"], "OUTPUT_UNWRITABLE"),
        (["--lang", "xx", "learn", "{docs}"], "LANG_UNKNOWN"),
        (["chat", "nothing"], "PROJECT_NOT_FOUND"),
        (["document", "get", "00000000-0000-7000-8000-000000000000"], "DOCUMENT_NOT_FOUND"),
    ],
)
def test_wrong_input_gives_one_clear_message(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path, change: list[str], reason: str
) -> None:
    files = {"empty": "empty.md", "unknown": "movie.avi", "damaged": "damaged.pdf"}
    for name in files.values():
        (tmp_path / name).write_bytes(b"" if name == "empty.md" else b"not what the name says")
    values = {"docs": str(docs), **{key: str(tmp_path / name) for key, name in files.items()}}
    arguments = [part.format(**values) for part in change]
    if arguments[0] == "learn" and "--base-model" not in arguments:
        arguments += ["--base-model", str(tiny)]
    result = sishu.run(*arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert result.stderr.count("error: ") == 1
    assert result.stderr.strip().splitlines()[-1].endswith(f"[{reason}]")


async def test_a_wrong_key_is_said_and_the_right_one_goes_on(
    sishu: Command, docs: Path, tiny: Path, tmp_path: Path
) -> None:
    async with mock_llm(api_key="the-right-key") as llm:
        arguments = learn_arguments(docs, tiny, tmp_path, llm.base_url, "key")
        wrong = Command(sishu.home, {"MY_KEY": "the-wrong-key"}).run(
            *arguments, "--llm-api-key-env", "MY_KEY"
        )
        assert wrong.returncode == 1
        assert "PROVIDER_REFUSED_KEY" in wrong.stderr
        assert "the-wrong-key" not in wrong.stderr
        right = Command(sishu.home, {"MY_KEY": "the-right-key"}).run(
            *arguments, "--llm-api-key-env", "MY_KEY"
        )
    assert right.returncode == 0, right.stderr
    logs = "".join(path.read_text(encoding="utf-8") for path in (sishu.home / "logs").iterdir())
    assert "the-right-key" not in logs


def test_a_project_is_deleted_in_every_room(sishu: Command, docs: Path) -> None:
    created = sishu.run("--json", "project", "create", "doomed")
    assert created.returncode == 0, created.stderr
    project_id = json.loads(created.stdout)["id"]
    assert sishu.run("document", "add", docs, "--project", "doomed").returncode == 0
    assert sishu.run("project", "create", "idle").returncode == 0
    assert sishu.run("job", "list", "--project", "idle").stdout.count("parse") == 0
    jobs = sishu.run("--json", "job", "list", "--project", "doomed").stdout.splitlines()
    assert {json.loads(job)["project_id"] for job in jobs} == {project_id}
    deleted = sishu.run("--json", "project", "delete", "doomed")
    assert deleted.returncode == 0, deleted.stderr
    assert '"ingest.documents": "2"' in deleted.stdout
    assert project_id not in sishu.run("--json", "project", "list").stdout
