"""The mock LLM's HTTP handlers, their counts and the shapes of the OpenAI protocol."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
import time
from collections import Counter
from http import HTTPStatus
from typing import Any

from aiohttp import web

from tests.support.llm_answers import Prompt, answer, encode, has_chinese
from tests.support.llm_batches import MockBatches
from tests.support.llm_broken import BROKEN, FINISH_REASONS
from tests.support.llm_faults import Draw, QueueFullError, SettingError, Settings, Slots

MODEL = "mock-model"
STREAM_PIECES = 8
CHARACTERS_PER_TOKEN = 4


class Stats:
    """Counts since the start or the last reset; the table of prompts never grows past its cap."""

    def __init__(self, prompt_cap: int) -> None:
        self.prompt_cap = prompt_cap
        self.calls = self.paid = self.in_flight = self.max_in_flight = self.untracked = self.chinese = 0
        self.statuses: Counter[str] = Counter()
        self.prompt_calls: dict[int, int] = {}
        self.prompt_paid: dict[int, int] = {}

    def begin(self) -> None:
        """Count a call that arrived."""
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def ask(self, prompt: int) -> None:
        """Count a call for this prompt."""
        if prompt in self.prompt_calls or len(self.prompt_calls) < self.prompt_cap:
            self.prompt_calls[prompt] = self.prompt_calls.get(prompt, 0) + 1
        else:
            self.untracked += 1

    def pay(self, prompt: int) -> None:
        """Count a call that is charged."""
        self.paid += 1
        if prompt in self.prompt_calls:
            self.prompt_paid[prompt] = self.prompt_paid.get(prompt, 0) + 1

    def report(self, *, prompts: bool) -> dict[str, Any]:
        """Return the counts as JSON, with one entry for each prompt if asked."""
        report = {
            "calls": self.calls,
            "paid": self.paid,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "statuses": dict(self.statuses),
            "chinese_prompts": self.chinese,
            "distinct_prompts": len(self.prompt_calls),
            "prompts_paid_twice": sum(count > 1 for count in self.prompt_paid.values()),
            "prompts_untracked": self.untracked,
            "cpu_seconds": time.process_time(),
        }
        if prompts:
            paid = self.prompt_paid
            report["prompts"] = {
                f"{k:016x}": [count, paid.get(k, 0)] for k, count in self.prompt_calls.items()
            }
        return report


class RefusalError(Exception):
    """A call is answered with an error in OpenAI's form."""

    def __init__(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers

    def response(self) -> web.Response:
        """Return the HTTP response."""
        kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": None, "code": self.code}
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


class DroppedError(Exception):
    """The connection is to be reset in place of an answer."""


class MockLlm:
    """The server's handlers and state."""

    def __init__(self, settings: Settings, prompt_cap: int) -> None:
        """Start with these settings; needs a running loop."""
        self.settings = settings
        self.stats = Stats(prompt_cap)
        self.draw = Draw(settings)
        self.slots = Slots(settings)
        self.batches = MockBatches(self._batched)
        self.batches.use(settings)

    def app(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=256 << 20)
        app.router.add_routes(self.batches.routes())
        app.router.add_post("/v1/chat/completions", self.complete)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/stats", self.read_stats)
        app.router.add_delete("/stats", self.reset_stats)
        app.router.add_get("/control", self.read_control)
        app.router.add_post("/control", self.control)
        return app

    async def models(self, request: web.Request) -> web.Response:
        """List the models."""
        try:
            self._check_key(request)
        except RefusalError as refusal:
            return refusal.response()
        names = self.settings.models or [MODEL]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "mock"} for name in names]
        return web.json_response({"object": "list", "data": data})

    async def read_stats(self, request: web.Request) -> web.Response:
        """Return the counts."""
        report = self.stats.report(prompts=request.query.get("prompts") == "1")
        return web.json_response(
            report | {"queued": self.slots.queued, "busy": self.slots.busy} | self.batches.report()
        )

    async def reset_stats(self, _: web.Request) -> web.Response:
        """Start counting anew; calls under way stay counted as in flight."""
        in_flight = self.stats.in_flight
        self.stats = Stats(self.stats.prompt_cap)
        self.stats.in_flight = self.stats.max_in_flight = in_flight
        self.batches.reset()
        return web.json_response({})

    async def read_control(self, _: web.Request) -> web.Response:
        """Return the settings."""
        return web.json_response(dataclasses.asdict(self.settings))

    async def control(self, request: web.Request) -> web.Response:
        """Change settings, all or none."""
        try:
            changes = await request.json()
            if not isinstance(changes, dict):
                raise SettingError("the body must be a JSON object of settings")
            self.settings = self.settings.changed(changes)
        except (SettingError, json.JSONDecodeError) as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        self.draw.use(self.settings, changes.keys())
        self.slots.use(self.settings, changes.keys())
        self.batches.use(self.settings)
        return await self.read_control(request)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat-completions call and count how it ended."""
        self.stats.begin()
        status = "left"
        try:
            response = await self._answer(request)
            status = str(response.status)
            return response
        except DroppedError:
            status = "dropped"
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        except RefusalError as refusal:
            status = str(refusal.status)
            return refusal.response()
        finally:
            self.stats.in_flight -= 1
            self.stats.statuses[status] += 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._check_key(request)
        body = _parsed(await request.read())
        self._check_model(str(body.get("model", "")))
        prompt = Prompt.of(body["messages"])
        self._check_text(prompt)
        self.stats.ask(prompt.digest)
        self.stats.chinese += has_chinese(str(body["messages"][0].get("content")))
        fault = self.draw.fault()
        if fault == "429":
            raise self._too_many()
        if fault == "503":
            raise RefusalError(503, "The server is overloaded.", "overloaded")
        if fault == "hang":
            await asyncio.sleep(self.settings.hang_s)
            raise DroppedError
        text = self._text(body, prompt, fault)
        try:
            await self.slots.enter()
        except QueueFullError:
            raise self._too_many() from None
        try:
            return await self._serve(request, body, prompt, text, fault)
        finally:
            self.slots.leave()

    async def _serve(
        self, request: web.Request, body: dict[str, Any], prompt: Prompt, text: str, fault: str
    ) -> web.StreamResponse:
        latency = self.draw.latency_s() * self.slots.slowdown()
        if fault == "500":
            await asyncio.sleep(latency)
            raise RefusalError(500, "The server had an error.", "server_error")
        self.stats.pay(prompt.digest)
        reply = Reply(str(body["model"]), prompt, text, finish_reason(fault))
        if body.get("stream"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return await self._stream(request, reply, latency, usage=usage, drop=fault == "drop")
        await asyncio.sleep(latency)
        if fault == "drop":
            raise DroppedError
        return web.Response(body=encode(reply.whole()).encode(), content_type="application/json")

    def _batched(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        """The answer to a call of a batch."""
        prompt = Prompt.of(body["messages"])
        self.stats.ask(prompt.digest)
        self.stats.pay(prompt.digest)
        return Reply(body["model"], prompt, self._text(body, prompt, fault), "stop").whole()

    async def _stream(
        self, request: web.Request, reply: Reply, latency: float, *, usage: bool, drop: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await asyncio.sleep(latency / 2)
        await response.prepare(request)
        events = reply.events(usage=usage)
        for number, event in enumerate(events):
            if drop and number > len(events) // 2:
                raise DroppedError
            await response.write(f"data: {encode(event)}\n\n".encode())
            await asyncio.sleep(latency / 2 / len(events))
        await response.write(b"data: [DONE]\n\n")
        return response

    def _check_key(self, request: web.Request) -> None:
        wanted = self.settings.api_key
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if wanted and not hmac.compare_digest(given.encode(), wanted.encode()):
            raise RefusalError(401, "Incorrect API key provided.", "invalid_api_key")

    def _check_model(self, model: str) -> None:
        if self.settings.models and model not in self.settings.models:
            raise RefusalError(404, f"The model `{model}` does not exist.", "model_not_found")

    def _check_text(self, prompt: Prompt) -> None:
        if self.settings.refused and self.settings.refused in prompt.exact:
            raise RefusalError(400, "This text is not wanted here.", "invalid_request")

    def _too_many(self) -> RefusalError:
        seconds = f"{self.settings.retry_after_s:g}"
        return RefusalError(429, "Rate limit reached.", "rate_limit_exceeded", {"Retry-After": seconds})

    def _text(self, body: dict[str, Any], prompt: Prompt, fault: str) -> str:
        if fault == "garbage":
            return f"Sure! Here is what you asked for: {{quil {prompt.digest:x}, [["
        try:
            text = answer(body, prompt, self.settings.fixed)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise RefusalError(400, f"Invalid response_format: {error!r}", "invalid_schema") from error
        if fault == "truncated":
            return text[: len(text) // 2]
        if fault.startswith("broken:"):
            return BROKEN[fault.removeprefix("broken:")](text)
        return f"<think>\nLet me look at it {{first}}.\n</think>\n{text}" if fault == "think" else text


def finish_reason(fault: str) -> str:
    """Why a call with this fault ends."""
    return "length" if fault == "truncated" else FINISH_REASONS.get(fault.removeprefix("broken:"), "stop")


@dataclasses.dataclass(frozen=True)
class Reply:
    """One answer, as the protocol writes it."""

    model: str
    prompt: Prompt
    text: str
    finish_reason: str

    def whole(self) -> dict[str, Any]:
        """Return the body of an answer that is not streamed."""
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason, "logprobs": None}
        return self._frame("chat.completion", [choice]) | {"usage": self._usage()}

    def events(self, *, usage: bool) -> list[dict[str, Any]]:
        """Return the chunks of a streamed answer; the usage comes last, with no choice."""
        size = -(-len(self.text) // STREAM_PIECES) or 1
        deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": self.text[at : at + size]} for at in range(0, len(self.text), size)]
        choices: list[dict[str, Any]] = [
            {"index": 0, "delta": each, "finish_reason": None} for each in deltas
        ]
        choices.append({"index": 0, "delta": {}, "finish_reason": self.finish_reason})
        events = [self._frame("chat.completion.chunk", [choice]) for choice in choices]
        if usage:
            events.append(self._frame("chat.completion.chunk", []) | {"usage": self._usage()})
        return events

    def _frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        name = f"chatcmpl-{self.prompt.digest:016x}"
        return {
            "id": name,
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
            "choices": choices,
        }

    def _usage(self) -> dict[str, int]:
        asked = len(self.prompt.exact) // CHARACTERS_PER_TOKEN + 1
        said = len(self.text) // CHARACTERS_PER_TOKEN + 1
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise RefusalError(400, f"The body is not JSON: {error}", "invalid_json") from error
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise RefusalError(400, "`messages` must be a non-empty list of objects.", "invalid_messages")
    if not isinstance(body.get("model"), str):
        raise RefusalError(400, "`model` must be a string.", "invalid_model")
    return dict(body)
