"""What every call of the client gets: deadline, token, request id, and another try while no room answers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from sishu.errors import UNREACHABLE, ApiError, api_error

STREAM_SECONDS = 24 * 3600.0
PAUSE_SECONDS = 0.25


def dressed(details: grpc.aio.ClientCallDetails, token: str, seconds: float) -> grpc.aio.ClientCallDetails:
    """Add deadline, token and request id to a call that lacks them."""
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    metadata.add("x-request-id", str(uuid.uuid4()))
    if token:
        metadata.add("authorization", f"Bearer {token}")
    return grpc.aio.ClientCallDetails(
        method=details.method,
        timeout=details.timeout if details.timeout is not None else seconds,
        metadata=metadata,
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )


def repeatable(request: Any) -> Any:
    """A request that may be sent again: its request id, where it has one, is filled in."""
    if "request_id" not in request.DESCRIPTOR.fields_by_name or request.request_id:
        return request
    again = type(request)()
    again.CopyFrom(request)
    again.request_id = str(uuid.uuid4())
    return again


class Patience:
    """Decides whether a room that did not answer is asked again."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    async def bear(self, error: ApiError) -> None:
        """Pause before the next try; raise the error when there is none."""
        if error.reason != UNREACHABLE or time.monotonic() > self._end:
            raise error from None
        await asyncio.sleep(PAUSE_SECONDS)


class UnaryCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """Dresses unary calls, repeats those that no room answered, and turns failures into `ApiError`."""

    def __init__(self, address: str, token: str, seconds: float, patience: float) -> None:
        self._address = address
        self._token = token
        self._seconds = seconds
        self._patience = patience

    async def intercept_unary_unary(  # noqa: D102  # the library's interface
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        details = dressed(client_call_details, self._token, self._seconds)
        request, patience = repeatable(request), Patience(self._patience)
        while True:
            try:
                call = await continuation(details, request)
                return await call
            except grpc.aio.AioRpcError as error:
                await patience.bear(api_error(error, self._address))


class StreamCalls(grpc.aio.UnaryStreamClientInterceptor):
    """Dresses server-streamed calls, repeats those that no room began to answer, turns failures as above."""

    def __init__(self, address: str, token: str, patience: float) -> None:
        self._address = address
        self._token = token
        self._patience = patience

    async def intercept_unary_stream(  # noqa: D102  # the library's interface
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        details = dressed(client_call_details, self._token, STREAM_SECONDS)
        # The library wants to know a call by the time this returns.
        return self._responses(await continuation(details, request), lambda: continuation(details, request))

    async def _responses(self, call: Any, again: Callable[[], Awaitable[Any]]) -> AsyncIterator[Any]:
        patience = Patience(self._patience)
        while True:
            try:
                async for response in call:
                    # What has begun is not begun again: the caller has seen a part of it.
                    patience = Patience(0)
                    yield response
            except grpc.aio.AioRpcError as error:
                failure = api_error(error, self._address)
            else:
                return
            finally:
                call.cancel()
            await patience.bear(failure)
            call = await again()
