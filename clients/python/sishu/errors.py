"""What a caller sees when an rpc fails."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from sishu.common.v1.failure_pb2 import Failure

UNREACHABLE = "SERVICE_UNREACHABLE"
"""Reason of a call that no service answered: it does not run, or starts again this moment."""


class ApiError(Exception):
    """A failed rpc, with the reason and the field that the server named.

    Args:
        code: name of the gRPC status code, such as `NOT_FOUND`.
        reason: stable reason, UPPER_SNAKE_CASE.
        message: what was wrong, where, and what to do.
        field: path of the request field at fault, or empty.
        metadata: every variable part of the message.
    """

    def __init__(
        self, code: str, reason: str, message: str, field: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field
        self.metadata = dict(metadata or {})


def error_of(failure: Failure) -> ApiError:
    """A failure that a service stored, as an error."""
    return ApiError(failure.code, failure.reason, failure.message, metadata=failure.metadata)


def api_error(error: grpc.aio.AioRpcError, address: str) -> ApiError:
    """Read `google.rpc.ErrorInfo` and `BadRequest` out of a failed call (https://google.aip.dev/193)."""
    code, message = error.code().name, error.details() or ""
    info, field = error_details_pb2.ErrorInfo(), ""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # AioRpcError has all that is read
    for detail in status.details if status else ():
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest()
            detail.Unpack(request)
            field = request.field_violations[0].field if request.field_violations else ""
    if not info.reason and code == "UNAVAILABLE":
        return ApiError(
            code,
            UNREACHABLE,
            f"nothing answers at {address}; is it running? ({message})",
            metadata={"address": address},
        )
    return ApiError(code, info.reason or code, message, field, info.metadata)
