"""A hub of data sets that takes what `huggingface_hub` uploads."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class HubServer:
    """What a hub was told.

    Args:
        token: the one that may write.
    """

    token: str
    created: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    """Serve until the end of the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, {"sha": "0" * 40, "id": "ours/data", "siblings": []})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {hub.token}":
                self.answer(401, {"error": "no such token"})
            elif self.path == "/api/repos/create":
                hub.created.append(json.loads(body))
                self.answer(200, {"url": f"{hub.url}/datasets/ours/data"})
            elif "/preupload/" in self.path:
                asked = json.loads(body)["files"]
                told = [
                    {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked
                ]
                self.answer(200, {"files": told})
            elif "/commit/" in self.path:
                for line in body.splitlines():
                    told_line = json.loads(line)
                    if told_line["key"] == "file":
                        value = told_line["value"]
                        hub.files[value["path"]] = base64.b64decode(value["content"])
                commit = {
                    "commitOid": "1" * 40,
                    "commitUrl": f"{hub.url}/datasets/ours/data/commit/{'1' * 40}",
                    "hookOutput": "",
                }
                self.answer(200, commit)
            else:
                self.answer(200, {})

        def answer(self, status: int, value: object) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    hub.url = f"http://127.0.0.1:{web.server_address[1]}"
    try:
        yield hub
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
