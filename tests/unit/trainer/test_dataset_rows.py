from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.runtime.errors import FailedPrecondition, Unavailable
from services.trainer.artifacts import local_files
from services.trainer.dataset_rows import download, first_rows
from sishu.common.v1 import object_pb2

ROWS = b'{"id": "row-1"}\n' * 100_000


class Bucket(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the library's interface
        self.send_response(403 if "expired" in self.path else 200)
        self.send_header("Content-Length", str(len(ROWS)))
        self.end_headers()
        self.wfile.write(ROWS[: len(ROWS) // 2] if "cut" in self.path else ROWS)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def stored(url: str, sha256: str = hashlib.sha256(ROWS).hexdigest()) -> object_pb2.StoredObject:
    return object_pb2.StoredObject(name="train.jsonl", url=url, sha256=sha256)


async def test_rows_arrive_whole(address: str, tmp_path: Path) -> None:
    await download(stored(f"{address}/rows"), tmp_path / "train.jsonl")
    assert os.listdir(tmp_path) == ["train.jsonl"]  # noqa: PTH208  # the test has no loop to hold up
    assert (tmp_path / "train.jsonl").read_bytes() == ROWS


@pytest.mark.parametrize(
    ("path", "sha256", "message"),
    [
        ("expired", hashlib.sha256(ROWS).hexdigest(), "403"),
        ("cut", hashlib.sha256(ROWS).hexdigest(), "cannot be reached"),
        ("rows", hashlib.sha256(b"other").hexdigest(), "other bytes"),
    ],
)
async def test_rows_that_are_not_right_do_not_appear(
    address: str, tmp_path: Path, path: str, sha256: str, message: str
) -> None:
    with pytest.raises(Unavailable, match=message):
        await download(stored(f"{address}/{path}", sha256), tmp_path / "train.jsonl")
    assert not (tmp_path / "train.jsonl").exists()


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    work = tmp_path / "runs" / "1"
    with pytest.raises(FailedPrecondition, match=r"runs/1: .*SISHU_HOME"), local_files(work):
        work.mkdir()


def test_the_first_rows_are_chosen_and_all_are_left_where_they_are(tmp_path: Path) -> None:
    rows, target = tmp_path / "train.jsonl", tmp_path / "train.first.jsonl"
    rows.write_bytes(b'{"id": 1}\n\n{"id": 2}\n{"id": 3}\n')
    assert first_rows(rows, 0, target) == rows
    assert not target.exists()
    assert first_rows(rows, 2, target).read_bytes() == b'{"id": 1}\n{"id": 2}\n'
    assert first_rows(rows, 9, target).read_bytes() == b'{"id": 1}\n{"id": 2}\n{"id": 3}\n'
    assert sorted(each.name for each in tmp_path.iterdir()) == ["train.first.jsonl", "train.jsonl"]
