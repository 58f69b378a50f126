"""Errors as OpenAI's API writes them (https://platform.openai.com/docs/guides/error-codes)."""

from __future__ import annotations

from typing import Any

from services.runtime.errors import SishuError

STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP status by the code of an error; 500 for all others."""
REASONS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "REQUEST_TOO_LARGE"}
"""Reasons of refusals that the HTTP library makes itself."""
_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


def status_of(error: SishuError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.code, 500)


def error_body(error: SishuError, status: int = 500) -> dict[str, Any]:
    """OpenAI's error object."""
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": error.field or None,
            "code": error.reason.lower(),
        }
    }
