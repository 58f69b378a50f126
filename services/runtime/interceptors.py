"""What happens around every rpc: logs, metrics, errors, token, validation.

Each concern is an async context manager around the call (`Around`); `AroundInterceptor` puts it around
unary and server-streamed handlers alike.
"""

from __future__ import annotations

import time
import typing
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import protovalidate
import structlog
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.runtime.auth import OPEN_PREFIXES, TokenCheck
from services.runtime.errors import InvalidArgument, SishuError
from services.runtime.faults import as_sishu_error
from services.runtime.metrics import RuntimeMetrics

DOMAIN = "sishu"

log = structlog.get_logger()

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class Call:
    """One rpc in progress."""

    method: str
    request: Message
    context: Context


Around = Callable[[Call], AbstractAsyncContextManager[None]]


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """Puts one concern around every unary and server-streamed call."""

    def __init__(self, around: Around) -> None:
        self._around = around

    async def intercept_service(  # noqa: D102  # the library's interface
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler: Any = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return None
        if handler.request_streaming:
            # Nothing would check the token of ours: they are not served until this class can.
            passes = method.startswith(OPEN_PREFIXES)
            return typing.cast("grpc.RpcMethodHandler[Any, Any]", handler) if passes else None
        codecs = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streamed(method, handler.unary_stream), **codecs
            )
        return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **codecs)

    def _unary(self, method: str, handler: Any) -> Any:
        async def handle(request: Message, context: Context) -> Any:
            async with self._around(Call(method, request, context)):
                return await handler(request, context)

        return handle

    def _streamed(self, method: str, handler: Any) -> Any:
        async def handle(request: Message, context: Context) -> AsyncIterator[Any]:
            async with self._around(Call(method, request, context)):
                async for response in handler(request, context):
                    yield response

        return handle


@asynccontextmanager
async def logged(call: Call) -> AsyncIterator[None]:
    """Bind the request id, give it back to the caller, and write one line at the end."""
    request_id = metadata_value(call.context, "x-request-id") or str(uuid.uuid4())
    await call.context.send_initial_metadata((("x-request-id", request_id),))
    started = time.monotonic()
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        try:
            yield
        finally:
            seconds = round(time.monotonic() - started, 4)
            log.info("rpc", method=call.method, code=code_name(call.context), seconds=seconds)


def measured(metrics: RuntimeMetrics) -> Around:
    """Count and time calls."""

    @asynccontextmanager
    async def around(call: Call) -> AsyncIterator[None]:
        started = time.monotonic()
        with metrics.in_flight.track_inprogress():
            try:
                yield
            finally:
                metrics.requests.labels(call.method, code_name(call.context)).inc()
                metrics.request_seconds.labels(call.method).observe(time.monotonic() - started)

    return around


@asynccontextmanager
async def translated(call: Call) -> AsyncIterator[None]:
    """Turn whatever is raised into a `google.rpc.Status`; an abort of the library passes through."""
    try:
        yield
    except grpc.aio.AbortError:
        raise
    except Exception as error:
        await call.context.abort_with_status(rpc_status.to_status(status_of(as_sishu_error(error))))


def authenticated(check: TokenCheck) -> Around:
    """Demand the token."""

    @asynccontextmanager
    async def around(call: Call) -> AsyncIterator[None]:
        check.check(call.method, call.context.invocation_metadata() or ())
        yield

    return around


@asynccontextmanager
async def validated(call: Call) -> AsyncIterator[None]:
    """Check the request against the rules in the protos."""
    if call.request.DESCRIPTOR.full_name.startswith("sishu."):
        check_message(call.request)
    yield


def check_message(message: Message) -> None:
    """Check a message against its rules.

    Raises:
        InvalidArgument: a rule is broken; the message names the field.
    """
    try:
        protovalidate.validate(message)
    except protovalidate.ValidationError as error:
        violation = error.violations[0].proto
        path = field_path(violation.field)
        raise InvalidArgument("FIELD_INVALID", f"{path}: {violation.message}", path) from None


def field_path(path: Any) -> str:
    """`project.name`, `arms[1].name`."""
    names = []
    for element in path.elements if path else ():
        index = getattr(element.subscript, "value", None) if element.subscript else None
        names.append(element.field_name if index is None else f"{element.field_name}[{index}]")
    return ".".join(names) or "request"


def status_of(error: SishuError) -> status_pb2.Status:
    """`google.rpc.Status` with ErrorInfo, and BadRequest where a field is at fault (https://google.aip.dev/193)."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.message)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    return status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message, details=packed)


def metadata_value(context: Context, key: str) -> str:
    """A metadata value of the call, at most 64 printable characters; empty when there is none."""
    found = next((str(value) for name, value in context.invocation_metadata() or () if name == key), "")
    return "".join(char for char in found[:64] if char.isprintable())


def code_name(context: Context) -> str:
    """Name of the call's status code so far; OK when none was set."""
    code = context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((known.name for known in grpc.StatusCode if known.value[0] == code), "OK")
