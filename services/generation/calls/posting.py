"""Requests to one server as the SDK sends them, by its connections, and with its errors.

The SDK's own `post` puts headers, address and options together anew for each request, which takes twice the
time that aiohttp needs to send it and to hear the answer. Here that is done once.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import orjson
from openai import AsyncOpenAI

COMPLETIONS = "/chat/completions"
STATUS_ERRORS: Mapping[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
"""What the SDK makes of an HTTP status; of those from 500 on an `InternalServerError`."""


@dataclass(frozen=True)
class Beginning:
    """What all requests to a path with the same limits of time begin with."""

    url: httpx2.URL
    headers: httpx2.Headers
    extensions: Mapping[str, Any]


class Poster:
    """Sends to one server.

    Args:
        sdk: knows its address, and what goes into the headers.
        http: the connections that the SDK has.
    """

    def __init__(self, sdk: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        self._sdk = sdk
        self._http = http
        self._beginnings: dict[tuple[object, ...], Beginning] = {}

    async def post(
        self, body: Mapping[str, Any], limits: openai.Timeout, path: str = COMPLETIONS
    ) -> httpx2.Response:
        """Send a request; the body of the answer is not read.

        Raises:
            openai.APITimeoutError, openai.APIConnectionError: no answer came.
            openai.APIStatusError: it is an error; its body is read.
            ValueError: the request is no JSON, or its headers are none.
        """
        request = self._request(body, limits, path)
        try:
            response = await self._http.send(request, stream=True)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except (httpx2.RequestError, ssl.SSLError) as error:
            raise openai.APIConnectionError(request=request) from error
        if not response.is_success:
            await response.aread()
            raise status_error(response)
        return response

    def _request(self, body: Mapping[str, Any], limits: openai.Timeout, path: str) -> httpx2.Request:
        key = (path, *limits.as_dict().values())
        begin = self._beginnings.get(key)
        if begin is None:
            begin = self._beginnings[key] = self._beginning(path, limits)
        return httpx2.Request(
            "POST",
            begin.url,
            headers=begin.headers,
            content=json_bytes(body),
            # Some gateways set one to have the next calls at the same server.
            cookies=self._http.cookies or None,
            extensions=begin.extensions,
        )

    def _beginning(self, path: str, limits: openai.Timeout) -> Beginning:
        base = self._sdk.base_url
        headers = {**self._sdk.auth_headers, **self._sdk.default_headers, "x-stainless-retry-count": "0"}
        if limits.read is not None:
            headers["x-stainless-read-timeout"] = str(limits.read)
        request = self._http.build_request(
            "POST",
            base.copy_with(raw_path=base.raw_path + path.lstrip("/").encode()),
            # Others are those that the SDK leaves out.
            headers={name: value for name, value in headers.items() if isinstance(value, str)},
            timeout=limits,
        )
        for name in ("content-length", "cookie"):
            request.headers.pop(name, None)
        return Beginning(request.url, request.headers, request.extensions)


def status_error(response: httpx2.Response) -> openai.APIStatusError:
    """The SDK's error for an answer that was read; its body is the server's error, where there is one."""
    status, body = response.status_code, body_of(response.text.strip())
    kind = openai.InternalServerError if status >= 500 else openai.APIStatusError
    told = body.get("error", body) if isinstance(body, Mapping) else body
    return STATUS_ERRORS.get(status, kind)(f"Error code: {status}", response=response, body=told)


def body_of(text: str) -> object:
    """The decoded body of an error; as it is where it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """A request as JSON.

    Raises:
        ValueError: it holds what JSON does not: half of a sign, or what is no number.
    """
    try:
        found = orjson.dumps(value)
    except TypeError:
        # Also for whole numbers of more than 64 bits.
        found = b""
    # By the same word orjson writes what is no number.
    if found and b"null" not in found:
        return found
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
