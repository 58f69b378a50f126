"""Uploads to a hub, by the real library, in a process of its own: it reads the hub's address when it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sishu.errors import ApiError
from sishu.learn import hub
from tests.support.hub_server import HubServer, serving

PUSH = (
    "import sys; from pathlib import Path; from sishu.errors import ApiError; from sishu.learn.hub import Hub\n"
    "try: print(Hub.of('ours/data').push(Path(sys.argv[1])))\n"
    "except ApiError as error: sys.exit(f'{error.reason}: {error}')"
)


def push(folder: Path, url: str, token: str) -> subprocess.CompletedProcess[str]:
    proxies = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    env = {**os.environ, "HF_ENDPOINT": url, "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1", **proxies}
    return subprocess.run(
        [sys.executable, "-c", PUSH, str(folder)],
        env=env | {"HF_HOME": str(folder.parent / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_folder_goes_onto_a_hub_but_for_what_is_ours(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for name in ("README.md", "data/train-00000-of-00001.parquet", "left_out/x.jsonl", "data/.a.part"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    with serving(HubServer("secret")) as server:
        done = push(folder, server.url, "secret")
        refused = push(folder, server.url, "wrong")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{server.url}/datasets/ours/data/commit/{'1' * 40}"
    assert {name: data.decode() for name, data in server.files.items()} == {
        "README.md": "README.md",
        "data/train-00000-of-00001.parquet": "data/train-00000-of-00001.parquet",
    }
    assert [(one["name"], one["visibility"]) for one in server.created] == [("data", "private")]
    assert refused.returncode == 1
    assert refused.stderr.startswith("HUB_REFUSED: the hub did not take ours/data: ")
    assert "secret" not in done.stdout + done.stderr


def test_an_upload_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ApiError) as raised:
        hub.Hub.of("ours/data")
    assert raised.value.reason == "HUB_TOKEN_MISSING"


def test_an_upload_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ApiError) as raised:
        hub.Hub.of("ours/data")
    assert raised.value.reason == "HUB_LIBRARY_MISSING"


def test_an_upload_needs_a_name_of_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    with pytest.raises(ApiError, match="NAME/DATA") as raised:
        hub.Hub.of("ours//data")
    assert raised.value.reason == "HUB_NAME_INVALID"


def test_a_hub_that_does_not_answer_is_told_of_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    found = hub.Hub.of("ours/data")
    monkeypatch.setattr(found.library, "HfApi", Away)
    with pytest.raises(ApiError, match="same command again") as raised:
        found.push(tmp_path)
    assert raised.value.reason == "HUB_UNREACHABLE"


class Away:
    """A hub that is away."""

    def __init__(self, token: str) -> None:
        self.token = token

    def create_repo(self, *_: object, **__: object) -> None:
        """Fail as the library does."""
        raise httpx.ConnectError("[Errno 111] Connection refused")
