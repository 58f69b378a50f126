"""A server of files that breaks off where a test wants it to, and goes on from where it is asked to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class RangeServer:
    """Serves one content at every path.

    Args:
        content: what it serves.
        lengths: how many bytes an answer has before it breaks off, one for each request; then whole answers.
        ranges: whether it goes on from where it is asked to.
    """

    content: bytes
    lengths: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(server: RangeServer) -> Iterator[RangeServer]:
    """Serve until the end of the context."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            server.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
            rest = server.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: server.lengths.pop(0)] if server.lengths else rest)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{web.server_address[1]}/file"
    try:
        yield server
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
