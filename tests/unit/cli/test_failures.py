"""What went wrong is said in Chinese where there are words for it, and in the server's English where not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.dataset.imports.faults import Faults, Threshold
from services.dataset.imports.rows import Fault
from services.generation.asking.refusing import refused
from services.generation.calls.gate import busy
from services.generation.calls.provider_errors import provider_error
from services.generation.calls.replies import ErrorTold
from services.generation.gates.gate_list import GATES
from services.generation.prompts.built_in import BUILTIN
from services.generation.prompts.prompt_templates import checked
from services.generation.providers.providers import Endpoint, provider_not_found
from services.runtime.errors import FailedPrecondition, SishuError
from sishu.cli.failures import MODEL, MORE, SENTENCES, in_words, needs
from sishu.cli.learn import then_again
from sishu.common.v1.failure_pb2 import Failure
from sishu.common.v1.job_pb2 import JOB_STATE_PAUSED, Job, JobCounts, JobFailure
from sishu.errors import ApiError
from sishu.learn.jobs import check_not_paused, job_error
from tests.contract.test_tree import SPANS, VARIABLES, variables, words, wrong_in
from tests.support.reasons import ERRORS, reasons_of

ROOT = Path(__file__).parents[3]
MAKERS = {**ERRORS, "Failure": 1, "BadRow": 0}
ENDPOINT = Endpoint("http://h/v1", "m")


def in_chinese(error: SishuError) -> str:
    return in_words(error.reason, error.message, error.metadata, "zh")


def sentences() -> list[str]:
    return [one for many in SENTENCES.values() for one in many] + list(MORE.values())


def code() -> str:
    folders = (ROOT / "services", ROOT / "clients" / "python" / "sishu")
    files = (path for folder in folders for path in folder.rglob("*.py"))
    return "\n".join(path.read_text() for path in files if not path.name.endswith("failures.py"))


def test_a_sentence_is_filled_with_what_the_error_says() -> None:
    told = in_chinese(provider_not_found("p-1"))
    assert told == "没有语言模型 p-1"
    assert in_chinese(busy(ENDPOINT, 15, pause=0)).startswith("http://h/v1（模型 m）一直没有空位")
    assert "还剩 40 秒" in in_chinese(busy(ENDPOINT, 15, pause=40))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("Ask.\n=====\n{{ passage }}", "请在合适的位置写上 {{ facts }}"),
        ("Ask.\n=====\n\n{{ facts", "模板第 4 行有语法错误"),
        ("Ask.\n=====\n{{ facts }}{{ forms() }}", "模板第 3 行：不能使用 a call"),
        ("Ask.\n=====\n{{ fcats }}", "模板第 3 行：没有变量 fcats；可用的有 facts, forms, passage"),
        ("{{ facts }}", "模板有 1 条消息"),
        ("\n=====\n{{ facts }}", "模板第 1 行的消息是空的"),
        ("Ask.\n=====\n{{ facts[9] }}", "模板第 3 行无法填充"),
        ("Ask.\n=====\n{{ facts }}" + "x" * 100_000, "模板有 100022 个字符"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_in_chinese(template: str, told: str) -> None:
    with pytest.raises(SishuError) as raised:
        checked(template, BUILTIN["questions"].variables, "template")
    assert told in in_chinese(raised.value)


def test_in_english_the_servers_words_are_shown() -> None:
    error = busy(ENDPOINT, 15, pause=0)
    assert in_words(error.reason, error.message, error.metadata, "en") == error.message


@pytest.mark.parametrize("reason", ["PROVIDER_BUSY", "NOBODY_KNOWS_THIS"])
def test_where_there_are_no_words_or_nothing_to_fill_them_the_servers_are_shown(reason: str) -> None:
    assert in_words(reason, "all is {lost}", {}, "zh") == "all is {lost}"
    error = FailedPrecondition("NOBODY_KNOWS_THIS", "nobody knows", provider_id="p")
    assert in_chinese(error) == error.message


def test_what_a_command_adds_to_an_error_is_said_too() -> None:
    metadata = {"project_id": "p", "again": "sishu project delete p"}
    assert in_words("PROJECT_NOT_FOUND", "", metadata, "zh").endswith(
        "；可用 `sishu project delete p` 再次尝试"
    )
    failures = [
        JobFailure(failure=Failure(reason=reason, message=reason, metadata={"model": "m"}))
        for reason in ("LLM_OUTPUT_INVALID", "LLM_OUTPUT_CUT_OFF", "LLM_OUTPUT_CUT_OFF")
    ]
    job = Job(id="j", counts=JobCounts(total=173, done=170, failed=3))
    error = job_error(job, failures)
    assert error.message.startswith(
        "LLM_OUTPUT_INVALID; 3 of 173 items failed (2 LLM_OUTPUT_CUT_OFF, 1 LLM_OUTPUT_INVALID), 170 are done"
    )
    assert "`sishu job get j`" in error.message and "`sishu job retry j`" in error.message
    told = in_words(error.reason, error.message, error.metadata, "zh")
    assert "173 项中有 3 项失败（2 LLM_OUTPUT_CUT_OFF, 1 LLM_OUTPUT_INVALID），170 项已完成并保存" in told
    alone = Job(id="j", counts=JobCounts(total=1, failed=1))
    assert job_error(alone, failures[:1]).message == "LLM_OUTPUT_INVALID"


def test_of_a_paused_job_it_is_said_once_how_it_goes_on() -> None:
    resume = "`sishu job resume j`"
    for reason, message in (("", ""), ("BUDGET_REACHED", f"spent; {resume} goes on"), ("LLM_REFUSED", "no")):
        job = Job(
            id="j", kind="generate", state=JOB_STATE_PAUSED, failure=Failure(reason=reason, message=message)
        )
        with pytest.raises(ApiError) as caught:
            check_not_paused(job)
        error = caught.value
        assert error.message.count(resume) == 1
        assert "same command" not in error.message
        metadata = {**error.metadata, "model": "m", "generation_id": "g"}
        assert in_words(error.reason, error.message, metadata, "zh").count(resume) == 1


def test_of_the_main_job_it_is_said_that_the_same_command_goes_on() -> None:
    with pytest.raises(ApiError) as caught:
        check_not_paused(Job(id="j", state=JOB_STATE_PAUSED))
    error = then_again(caught.value)
    assert error.message.endswith("then give the same command again")
    assert in_words(error.reason, error.message, error.metadata, "zh").endswith("然后再次执行同一命令")
    other = ApiError("INTERNAL", "JOB_FAILED", "no")
    assert then_again(other) is other


def test_every_sentence_is_for_an_error_that_there_is_and_needs_what_errors_have() -> None:
    written = code()
    assert [
        reason for reason in SENTENCES if f'"{reason}"' not in written and reason != "PDF_UNREADABLE"
    ] == []
    wanted = {name for many in SENTENCES.values() for one in many for name in needs(one)}
    known = wanted - {"message"} - needs(MODEL)
    assert [name for name in known if not re.search(rf'{name}=|"{name}":', written)] == []
    assert set(MORE) == {"reasons", "paused_job", "same_command", "pilot_job", "again"}
    named = [word for many in SENTENCES.values() for one in many for word in VARIABLES.findall(one)]
    assert set(named) <= variables()


def test_every_reason_of_three_rooms_has_a_sentence() -> None:
    """Gates have theirs in `gate_list.py`; some reasons are put together, or are of what runs in the background."""
    raised = {
        reason
        for room in ("dataset", "generation", "ingest")
        for path in (ROOT / "services" / room).rglob("*.py")
        for reason in reasons_of(path, MAKERS)
    }
    assert {"TURNS_INVALID", "PARSE_CRASHED", "ADVICE_MISSING"} < raised
    assert {reason for reason in raised - SENTENCES.keys() if "{" not in reason} - GATES.keys() == set()


def test_what_the_command_itself_refuses_is_said_in_chinese() -> None:
    raised = {
        reason
        for path in (ROOT / "clients" / "python" / "sishu").rglob("*.py")
        if "v1" not in path.parts
        for reason in reasons_of(path, {"ApiError": 1})
    }
    assert {"WORD_UNKNOWN", "HUB_UNREACHABLE"} < raised
    # Their message is in the language already.
    said = {"ANSWER_MISSING", "EXAMPLES_MISSING", "NOTHING_CHANGES", "PROJECT_MISSING", "TIME_INVALID"}
    assert {reason for reason in raised - SENTENCES.keys() if "{" not in reason} - said == set()


def test_a_fault_of_a_row_is_said_with_its_field_where_it_is_of_one() -> None:
    assert in_words("LIST_EXPECTED", "m", {"field": "x"}, "zh") == "字段 x：应为列表；请改成列表"
    assert in_words("LIST_EXPECTED", "m", {}, "zh") == "应为列表；请改成列表"
    faults = Faults(Threshold(most_share=0.1))
    faults.add(Fault("a.csv", 3, "", "TEXT_NUL", "a NUL"))
    with pytest.raises(SishuError) as raised:
        faults.check(4)
    assert "4 行中有 1 行不能使用（TEXT_NUL (1)），" in in_chinese(raised.value)


def test_every_command_that_a_sentence_names_exists() -> None:
    spans = [span for one in sentences() for span in SPANS.findall(one)]
    calls = [words(re.sub(r"\{\w+\}", "x", span), "sishu") for span in spans]
    assert any(calls)
    assert [problem for call in calls for problem in wrong_in(call)] == []


def test_the_command_speaks_chinese_where_it_is_asked_to(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sishu.cli.main",
        "--home",
        str(tmp_path),
        "--lang",
        "zh",
        "project",
        "list",
    ]
    environment = {**os.environ, "SISHU_INGEST_ADDRESS": ""}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # our own command
    assert ended.returncode == 1
    assert ended.stderr.strip() == "错误: 服务未运行；请用 `sishu up` 启动 [STACK_NOT_RUNNING]"


def test_of_a_job_that_is_paused_for_a_refusal_is_said_how_it_goes_on() -> None:
    error = provider_error(ErrorTold("Insufficient Balance", 402), ENDPOINT)
    assert in_chinese(error).endswith("拒绝服务：Insufficient Balance；请充值或提高额度")
    failure = refused(error, "j-1")
    told = in_words(failure.reason, failure.message, failure.metadata, "zh")
    assert told.endswith(
        "作业 j-1 已暂停，已完成的部分都已保存。请充值或提高额度，再用 `sishu job resume j-1` 继续"
    )
    assert failure.message.endswith(
        "add credit or quota there. Then let it go on with `sishu job resume j-1`"
    )
