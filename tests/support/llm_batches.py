"""Files and batches of the mock LLM: https://platform.openai.com/docs/guides/batch, with faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.llm_faults import Settings

HELD_LOOK_SECONDS = 0.02

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[dict[str, Any], str], dict[str, Any]]
"""The body of the answer to a request, with a fault or "ok"."""


@dataclass
class Batch:
    """A batch."""

    id: str
    input_file_id: str
    metadata: dict[str, str]
    created_at: int
    status: str = "in_progress"
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: dict[str, Any] | None = None
    calls: int = field(default=0, repr=False)
    work: asyncio.Task[None] | None = field(default=None, repr=False)

    def fail(self, code: str, message: str) -> None:
        """End it without an answer."""
        self.status = "failed"
        self.errors = {"object": "list", "data": [{"code": code, "message": message}]}

    def shown(self) -> dict[str, Any]:
        """As the protocol writes it."""
        values = {key: value for key, value in vars(self).items() if key not in {"work", "calls"}}
        return values | {
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }


class MockBatches:
    """The handlers of files and batches."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.files: dict[str, tuple[str, bytes]] = {}
        self.batches: dict[str, Batch] = {}
        self.lines = self.reads = self.cancels = self.refused = 0
        self._faults: deque[str] = deque()
        self.settings = Settings()

    def use(self, settings: Settings) -> None:
        """Apply the settings; the script of faults starts over."""
        self.settings = settings
        self._faults = deque(settings.batch_line_faults)

    def report(self) -> dict[str, int]:
        """What was handed in and is still there."""
        return {
            "batches": len(self.batches),
            "batches_too_large": self.refused,
            "batch_cancels": self.cancels,
            "batches_in_work": len(self._in_work()),
            "batch_lines": self.lines,
            "files": len(self.files),
            "file_reads": self.reads,
        }

    def reset(self) -> None:
        """Start counting anew."""
        self.batches.clear()
        self.files.clear()
        self.lines = self.reads = self.cancels = self.refused = 0

    def routes(self) -> list[web.RouteDef]:
        """The routes."""
        return [
            web.post("/v1/files", self._guarded(self.upload)),
            web.get("/v1/files", self._guarded(self.list_files)),
            web.get("/v1/files/{id}/content", self._guarded(self.content)),
            web.delete("/v1/files/{id}", self._guarded(self.delete)),
            web.post("/v1/batches", self._guarded(self.create)),
            web.get("/v1/batches", self._guarded(self.list_batches)),
            web.get("/v1/batches/{id}", self._guarded(self.get)),
            web.post("/v1/batches/{id}/cancel", self._guarded(self.cancel)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        """The handler, which wants to see the key."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            key = self.settings.api_key
            if key and request.headers.get("Authorization") != f"Bearer {key}":
                return error(401, "Incorrect API key provided.")
            return await handler(request)

        return guarded

    async def upload(self, request: web.Request) -> web.Response:
        """Take a file."""
        if self.settings.batches == "unknown":
            return not_found()
        form = await request.post()
        file = form["file"]
        if form.get("purpose") != "batch" or not isinstance(file, web.FileField):
            return error(400, "a file for a batch is wanted")
        data = file.file.read()
        if self._is_over("file", calls_in(data)):
            return error(413, "Request Entity Too Large")
        shown = self._file_shown(self._keep(file.filename, data))
        await self._dawdle("upload")
        return web.json_response(shown)

    async def list_files(self, _: web.Request) -> web.Response:
        """All files."""
        if self.settings.batches == "unknown":
            return not_found()
        return listed([self._file_shown(name) for name in self.files])

    async def content(self, request: web.Request) -> web.Response:
        """What is in a file."""
        known = self.files.get(request.match_info["id"])
        self.reads += 1
        await self._dawdle("read")
        return web.Response(body=known[1]) if known else not_found()

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a file."""
        name = request.match_info["id"]
        if self.files.pop(name, None) is None:
            return not_found()
        return web.json_response({"id": name, "object": "file", "deleted": True})

    async def create(self, request: web.Request) -> web.Response:
        """Begin a batch."""
        body = await request.json()
        name = body["input_file_id"]
        if name not in self.files or body["endpoint"] != "/v1/chat/completions":
            return error(400, "no such file or endpoint")
        calls = calls_in(self.files[name][1])
        if self._is_over("calls", calls):
            return error(400, f"a batch of {calls} calls exceeds the limit of {self.settings.batch_most}")
        batch = Batch(f"batch_{secrets.token_hex(8)}", name, body.get("metadata") or {}, int(time.time()))
        self.batches[batch.id] = batch
        if self._is_over("tokens", calls + sum(one.calls for one in self._in_work())):
            batch.fail("token_limit_exceeded", "Enqueued token limit reached. Please try again later.")
        else:
            batch.calls = calls
            batch.work = asyncio.create_task(self._work(batch))
        await self._dawdle("create")
        return web.json_response(batch.shown())

    async def list_batches(self, _: web.Request) -> web.Response:
        """All batches."""
        return listed([batch.shown() for batch in self.batches.values()])

    async def get(self, request: web.Request) -> web.Response:
        """One batch."""
        batch = self.batches.get(request.match_info["id"])
        if self.settings.batches == "hidden":
            return not_found()
        if self.settings.batches == "odd":
            return web.json_response({"message": "hello"})
        return web.json_response(batch.shown()) if batch else not_found()

    async def cancel(self, request: web.Request) -> web.Response:
        """End a batch early."""
        self.cancels += 1
        await self._dawdle("cancel")
        batch = self.batches[request.match_info["id"]]
        if batch.work:
            batch.work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await batch.work
        batch.status = "cancelling" if self.settings.batches == "stuck" else "cancelled"
        return web.json_response(batch.shown())

    async def _work(self, batch: Batch) -> None:
        await asyncio.sleep(self.settings.batch_ms / 1000)
        while self.settings.batches == "held":
            await asyncio.sleep(HELD_LOOK_SECONDS)
        if self.settings.batches == "failed":
            batch.fail("invalid", "a bad file")
            return
        requests = [json.loads(line) for line in self.files[batch.input_file_id][1].splitlines()]
        if self.settings.batches in {"expired", "stuck"}:
            requests = requests[::2]
        outputs: list[Any] = []
        errors: list[Any] = []
        for request in requests:
            self._serve(request, outputs, errors)
        # A server promises no order.
        outputs.reverse()
        batch.output_file_id = self._keep("output.jsonl", lines_of(outputs))
        batch.error_file_id = self._keep("errors.jsonl", lines_of(errors)) if errors else None
        ends = {"expired": "expired", "stuck": "in_progress"}
        batch.status = ends.get(self.settings.batches, "completed")

    def _serve(self, request: dict[str, Any], outputs: list[Any], errors: list[Any]) -> None:
        self.lines += 1
        fault = self._faults.popleft() if self._faults else "ok"
        said = {"id": f"batch_req_{self.lines}", "custom_id": request["custom_id"]}
        if fault == "error":
            body = {"error": {"message": "no luck"}}
            errors.append({**said, "response": {"status_code": 500, "body": body}, "error": None})
        elif fault != "lost":
            body = self._answer(request["body"], fault)
            line = {**said, "response": {"status_code": 200, "body": body}, "error": None}
            outputs.extend([line, line] if fault == "double" else [line])

    def _in_work(self) -> list[Batch]:
        return [batch for batch in self.batches.values() if batch.status == "in_progress"]

    def _is_over(self, limit: str, calls: int) -> bool:
        """Whether so many calls are more than the settings allow; counts such refusals."""
        over = self.settings.batch_limit == limit and 0 < self.settings.batch_most < calls
        over = over or (self.settings.batch_limit, limit) == ("nothing", "file")
        self.refused += over
        return over

    async def _dawdle(self, step: str) -> None:
        """Do not tell what was done, where the settings want that."""
        if self.settings.batches == f"slow_{step}":
            await asyncio.sleep(self.settings.hang_s)

    def _keep(self, filename: str, data: bytes) -> str:
        name = f"file-{secrets.token_hex(8)}"
        self.files[name] = (filename, data)
        return name

    def _file_shown(self, name: str) -> dict[str, Any]:
        filename, data = self.files[name]
        return {"id": name, "object": "file", "filename": filename, "bytes": len(data), "purpose": "batch"}


def calls_in(data: bytes) -> int:
    """The lines of a file."""
    return len(data.splitlines())


def lines_of(values: list[Any]) -> bytes:
    """JSON, one value a line, after a line that is none."""
    return "\n".join(["no JSON", *map(json.dumps, values)]).encode()


def listed(data: list[Any]) -> web.Response:
    """A list, the newest first."""
    return web.json_response({"object": "list", "data": data[::-1], "has_more": False})


def not_found() -> web.Response:
    """The answer of a server that has no such thing."""
    return error(404, "Not Found")


def error(status: int, message: str) -> web.Response:
    """An error in OpenAI's form."""
    return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=status)
