"""What is asked of Postgres and SeaweedFS; that they do it is for the integration tests."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from services.local import postgres, s3
from services.local.postgres import Postgres, check_data
from services.local.s3 import S3Server
from services.local.secrets import StackSecrets
from services.runtime.errors import FailedPrecondition, InvalidArgument, Unavailable

SECRETS = StackSecrets("pg-hidden", "ak-hidden", "sk-hidden")
ENVIRON = {"PATH": "/bin", "PGHOST": "elsewhere", "AWS_ACCESS_KEY_ID": "mine", "WEED_X": "1", "LANG": "zh_CN"}


def a_postgres(home: Path) -> Postgres:
    return Postgres(home, 5555, SECRETS.postgres_password, "python", ENVIRON)


def an_s3_server(home: Path) -> S3Server:
    ports = {name: 21000 + number for number, name in enumerate(s3.PORTS)}
    return S3Server(home, ports, SECRETS, "sishu", ENVIRON)


def test_postgres_listens_on_loopback_only_and_keeps_fsync(tmp_path: Path) -> None:
    argv = a_postgres(tmp_path).command().argv
    assert "listen_addresses=127.0.0.1" in argv
    assert "unix_socket_directories=" in argv
    assert "port=5555" in argv
    assert not any("fsync" in part or "full_page_writes" in part for part in argv)


def test_s3_listens_on_loopback_only_with_every_port_given(tmp_path: Path) -> None:
    argv = an_s3_server(tmp_path).command().argv
    assert "-ip.bind=127.0.0.1" in argv
    assert "-master.telemetry=false" in argv
    given = {part.rpartition("=")[2] for part in argv if ".port" in part}
    assert given >= {str(21000 + number) for number in range(8)}


def test_no_secret_is_on_a_command_line_or_in_an_environment(tmp_path: Path) -> None:
    for command in (a_postgres(tmp_path).command(), an_s3_server(tmp_path).command()):
        assert "hidden" not in f"{command.argv} {command.env}"


def test_variables_of_the_user_do_not_reach_the_servers(tmp_path: Path) -> None:
    for command in (a_postgres(tmp_path).command(), an_s3_server(tmp_path).command()):
        assert not {"PGHOST", "AWS_ACCESS_KEY_ID", "WEED_X", "LANG"} & set(command.env)
        assert command.env["PATH"] == "/bin"


async def test_the_s3_keys_are_in_a_private_file(tmp_path: Path) -> None:
    await an_s3_server(tmp_path).prepare(lambda _: None)
    path = tmp_path / "s3" / "config.json"
    assert "sk-hidden" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_data_of_another_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("16\n")
    with pytest.raises(FailedPrecondition, match=r"written by Postgres 16, and Postgres 18 is installed"):
        check_data(tmp_path, "18")
    assert check_data(tmp_path, "16")


def test_a_folder_with_other_files_is_refused_and_an_empty_one_is_used(tmp_path: Path) -> None:
    data = tmp_path / "postgres"
    assert not check_data(data, "18")
    data.mkdir()
    assert not check_data(data, "18")
    data.mkdir()
    (data / "notes.txt").touch()
    with pytest.raises(FailedPrecondition, match="holds files that are no database"):
        check_data(data, "18")


def test_the_binaries_are_those_of_the_wheels() -> None:
    assert os.access(postgres.binaries() / "postgres", os.X_OK)
    assert os.access(s3.binary(), os.X_OK)
    assert postgres.server_version().isdigit()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hidden@db.example:6543/x", "db.example:6543"),
        ("postgresql://u:hidden@db.example/x", "db.example:5432"),
        ("postgresql:///x?host=/run", "the given address"),
        ("postgresql://u:hidden@db:port/x", "the given address"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert postgres.address(url) == shown


def test_the_address_of_an_s3_server_has_a_port() -> None:
    assert s3.address("https://s3.example") == "s3.example:443"
    assert s3.address("http://s3.example") == "s3.example:80"
    assert s3.address("http://127.0.0.1:9000") == "127.0.0.1:9000"


async def test_a_database_that_refuses_is_named_without_its_password() -> None:
    with pytest.raises(Unavailable, match=r"Postgres at 127.0.0.1:1 \(SISHU_DATABASE_URL\)") as refused:
        await postgres.check_external("postgresql://u:hidden@127.0.0.1:1/x")
    assert "hidden" not in str(refused.value)


async def test_what_is_no_connection_string_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="must look like postgresql://"):
        await postgres.check_external("mysql://127.0.0.1/x")


async def test_an_s3_server_that_refuses_is_named() -> None:
    with pytest.raises(Unavailable, match=r"the S3 server at 127.0.0.1:1"):
        await s3.check_external("http://127.0.0.1:1", "key", "secret", "sishu")
