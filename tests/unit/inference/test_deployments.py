from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.inference.config import InferenceConfig
from services.inference.deployments import (
    Deployment,
    ModelFolders,
    Verdict,
    delay_seconds,
    engine_failure,
    not_ready,
    verdict,
)
from services.inference.engine_process import engine_command
from services.runtime.config import read
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    SishuError,
    Unavailable,
)
from services.runtime.failures import Failure


def make_deployment(
    state: str = "loading", failure: Failure | None = None, name: str = "tuned"
) -> Deployment:
    now = datetime.now(UTC)
    return Deployment("d1", "p1", "m1", state, failure, "builtin", "", name, 0, now, now)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable("SERVICE_UNREACHABLE", "the trainer room is away"), Verdict.WAIT),
        (Unavailable("STORAGE_UNAVAILABLE", "the bucket is away"), Verdict.WAIT),
        (Unavailable("MODEL_PREPARING", "not yet"), Verdict.WAIT),
        (Unavailable("HUB_UNREACHABLE", "offline"), Verdict.RETRY),
        (DeadlineExceeded("LOAD_TIMED_OUT", "too slow"), Verdict.RETRY),
        (engine_failure(1, "boom", "x.log"), Verdict.RETRY),
        (engine_failure(-9, "", "x.log"), Verdict.RETRY),
        (NotFound("MODEL_NOT_FOUND", "gone"), Verdict.GIVE_UP),
        (InvalidArgument("BASE_MODEL_INVALID", "no config.json"), Verdict.GIVE_UP),
        (FailedPrecondition("BASE_MODEL_CHANGED", "another base"), Verdict.GIVE_UP),
    ],
)
def test_what_an_error_at_loading_means(error: SishuError, expected: Verdict) -> None:
    assert verdict(error) is expected


def test_waits_between_starts_double_up_to_half_a_minute() -> None:
    assert [delay_seconds(n) for n in (1, 2, 3, 6, 100)] == [1, 2, 4, 30, 30]
    assert 0 < delay_seconds(0) <= 5


@pytest.mark.parametrize(
    ("code", "log"),
    [
        (-9, "loading weights"),
        (1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        (1, "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        (1, "Traceback\nMemoryError"),
    ],
)
def test_a_lack_of_memory_is_called_so(code: int, log: str) -> None:
    error = engine_failure(code, log, "/x/d.log")
    assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "OUT_OF_MEMORY")
    assert "/x/d.log" in error.message


def test_an_engine_failure_says_what_the_log_said_last() -> None:
    error = engine_failure(3, "Loading\n\nKeyError: 'rope'\n\n", "/x/d.log")
    assert error.reason == "ENGINE_ENDED"
    assert "with code 3" in error.message
    assert "KeyError: 'rope'" in error.message
    assert "by signal 11" in engine_failure(-11, "", "/x/d.log").message


def test_an_engine_that_refuses_its_model_is_not_asked_again() -> None:
    log = "Loading\nADAPTER_INVALID: Cannot apply the adapter in /a:\n\tsize mismatch\n"
    error = engine_failure(1, log, "/x/d.log")
    assert error.reason == "ADAPTER_INVALID"
    assert "Cannot apply the adapter in /a: size mismatch" in error.message
    assert verdict(error) is Verdict.GIVE_UP
    taken = engine_failure(1, "CANNOT_LISTEN: Cannot listen on 127.0.0.1:80", "/x/d.log")
    assert verdict(taken) is Verdict.RETRY


def test_a_deployment_that_does_not_answer_says_why() -> None:
    assert "being loaded" in not_ready(make_deployment()).message
    failure = Failure("INVALID_ARGUMENT", "BASE_MODEL_INVALID", "it has no config.json")
    error = not_ready(make_deployment("failed", failure))
    assert "it has no config.json" in error.message
    assert error.metadata == {"deployment_id": "d1", "state": "FAILED"}


def test_a_model_name_with_a_dash_is_no_flag(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("model")
    config = InferenceConfig(engine_python=Path("python3"))
    plain = engine_command(config, make_deployment(name="--help me"), ModelFolders(folder))
    assert plain[:3] == ["python3", "-m", "services.inference.engine"]
    assert "--name=--help me" in plain
    assert "--adapter" not in plain
    adapted = engine_command(config, make_deployment(), ModelFolders(folder, folder / "a"))
    assert adapted[adapted.index("--adapter") + 1] == str(folder / "a")


def test_the_python_of_engines_may_be_named_from_the_home_folder(tmp_path: Path) -> None:
    config = read(InferenceConfig, {"SISHU_ENGINE_PYTHON": "~/dtk/bin/python"})
    command = engine_command(config, make_deployment(), ModelFolders(tmp_path))
    assert command[0] == str(Path.home() / "dtk/bin/python")
