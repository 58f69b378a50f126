"""Every error a caller can see, each owning its gRPC code and a reason.

    SishuError
    ├── InvalidArgument      the request is wrong; it will never succeed as it is
    ├── NotFound             the named thing does not exist
    ├── AlreadyExists        the thing to be made is there already
    ├── FailedPrecondition   right request, wrong state; the message says what to do first
    ├── Unauthenticated      no token, or a wrong one
    ├── ResourceExhausted    a limit was reached; may succeed later
    ├── Unavailable          a dependency is away; the same request may succeed later
    ├── DeadlineExceeded     it took longer than allowed
    ├── Aborted              lost a race; read again and repeat
    └── Internal             our fault; carries an id that the log has

`code` is the name of a canonical gRPC status code, so that domain modules need no grpc to raise one.
"""

from __future__ import annotations


class SishuError(Exception):
    """An error with a reason for programs and a message for people.

    Args:
        reason: UPPER_SNAKE_CASE, at most 63 characters (https://google.aip.dev/193).
        message: what was wrong, where, and what to do.
        field: path of the request field at fault, or empty.
        metadata: every variable part of the message, for programs.
    """

    code = "UNKNOWN"

    def __init__(self, reason: str, message: str, field: str = "", **metadata: str) -> None:
        """Keep the parts; `str(error)` is the message."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field
        self.metadata = metadata


class InvalidArgument(SishuError):
    """The request is wrong whatever the state of the system."""

    code = "INVALID_ARGUMENT"


class NotFound(SishuError):
    """The named resource does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(SishuError):
    """A resource with this name or content exists."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(SishuError):
    """The system's state forbids the request; the message says what to do first."""

    code = "FAILED_PRECONDITION"


class Unauthenticated(SishuError):
    """The caller showed no valid token."""

    code = "UNAUTHENTICATED"


class ResourceExhausted(SishuError):
    """A quota, queue or size limit was reached."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(SishuError):
    """A dependency cannot be reached; the same request may succeed later."""

    code = "UNAVAILABLE"


class DeadlineExceeded(SishuError):
    """The work took longer than its deadline."""

    code = "DEADLINE_EXCEEDED"


class Aborted(SishuError):
    """A concurrent change won; read again and repeat."""

    code = "ABORTED"


class Internal(SishuError):
    """A defect of ours; the metadata carries the id under which the log has it."""

    code = "INTERNAL"
