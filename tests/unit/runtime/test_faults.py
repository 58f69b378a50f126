from __future__ import annotations

import asyncpg
import pytest

from services.runtime import errors
from services.runtime.errors import InvalidArgument, SishuError
from services.runtime.faults import RETRYABLE, as_sishu_error
from sishu.errors import ApiError


def test_our_own_errors_stay_what_they_are() -> None:
    error = InvalidArgument("FIELD_INVALID", "the name is empty", "project.name")
    assert as_sishu_error(error) is error


@pytest.mark.parametrize(
    "kind", [kind for kind in SishuError.__subclasses__() if kind.__module__ == errors.__name__]
)
def test_what_another_room_said_keeps_code_reason_field_and_metadata(kind: type[SishuError]) -> None:
    said = as_sishu_error(ApiError(kind.code, "SOME_REASON", "what was wrong", "a.b", {"id": "7"}))
    assert type(said) is kind
    assert (said.reason, said.message, said.field, said.metadata) == (
        "SOME_REASON",
        "what was wrong",
        "a.b",
        {"id": "7"},
    )


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.InterfaceError("the connection is closed"),
        ConnectionRefusedError(),
        TimeoutError(),
        TimeoutError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
    ],
)
def test_what_passes_by_itself_may_be_tried_again(error: Exception) -> None:
    assert as_sishu_error(error).code in RETRYABLE


def test_an_unforeseen_error_becomes_internal_with_an_id_and_without_its_text(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = as_sishu_error(KeyError("secret detail"))
    assert seen.code == "INTERNAL"
    assert "secret detail" not in seen.message
    assert seen.metadata["error_id"] in seen.message
    printed = capsys.readouterr()
    logged = printed.out + printed.err + caplog.text
    assert seen.metadata["error_id"] in logged
