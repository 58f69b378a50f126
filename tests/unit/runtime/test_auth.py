from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from services.runtime.auth import TokenCheck, is_loopback, read_token
from services.runtime.errors import FailedPrecondition, Unauthenticated

TOKEN = "a-token-of-some-length"  # noqa: S105  # made up here
METHOD = "/sishu.ingest.v1.ProjectService/ListProjects"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert is_loopback(host)
    assert read_token(None, host) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "my-host"])  # noqa: S104  # never bound
def test_another_address_demands_a_token_and_says_so(host: str) -> None:
    with pytest.raises(FailedPrecondition, match="SISHU_TOKEN_FILE") as raised:
        read_token(None, host)
    assert raised.value.reason == "TOKEN_REQUIRED"
    assert host in raised.value.message


def test_a_token_is_read_without_the_line_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert read_token(path, "0.0.0.0") == TOKEN  # noqa: S104  # never bound


def test_a_short_token_is_refused_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("short-secret")
    with pytest.raises(FailedPrecondition) as raised:
        read_token(path, "127.0.0.1")
    assert raised.value.reason == "TOKEN_TOO_SHORT"
    assert "short-secret" not in raised.value.message


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="No such file") as raised:
        read_token(tmp_path / "nowhere", "127.0.0.1")
    assert raised.value.reason == "TOKEN_FILE_UNREADABLE"


def test_the_right_token_passes() -> None:
    TokenCheck(TOKEN).check(METHOD, [("user-agent", "x"), ("authorization", f"Bearer {TOKEN}")])


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer another-token-of-some-length")],
        [("authorization", f"Bearer {TOKEN[:-1]}")],
        [("x-token", TOKEN)],
    ],
)
def test_a_wrong_or_missing_token_is_refused(metadata: list[tuple[str, str | bytes]]) -> None:
    with pytest.raises(Unauthenticated) as raised:
        TokenCheck(TOKEN).check(METHOD, metadata)
    assert raised.value.reason == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "method", ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/X"]
)
def test_probes_need_no_token(method: str) -> None:
    TokenCheck(TOKEN).check(method, [])


def test_without_a_token_everyone_passes() -> None:
    TokenCheck("").check(METHOD, [])


def test_tokens_are_compared_in_constant_time_over_digests_of_one_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def spy(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return compare(left, right)

    check = TokenCheck(TOKEN)
    monkeypatch.setattr(hmac, "compare_digest", spy)
    for shown in ("", "x", TOKEN, "x" * 5000):
        try:
            check.check(METHOD, [("authorization", f"Bearer {shown}")])
        except Unauthenticated:
            continue
    assert compared == [(32, 32)] * 4
