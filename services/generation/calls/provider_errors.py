"""What went wrong at a model's server, in our words."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import openai

from services.generation.calls.chain import filtered
from services.generation.calls.streams import StreamFailed
from services.generation.providers import Endpoint
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    NotFound,
    ResourceExhausted,
    SishuError,
    Unavailable,
)
from services.runtime.retry_after import retry_after

OVERLOADED = {503, 529}
"""HTTP statuses of a server that has too much to do."""
FILTER_WORDS = (
    "content_filter",
    "content exists risk",  # DeepSeek
    "datainspectionfailed",  # Alibaba Bailian
    "data_inspection_failed",
    "sensitivecontentdetected",  # Volcano Ark
    "敏感内容",  # Zhipu
)


def provider_error(error: Exception, endpoint: Endpoint) -> SishuError:
    """What went wrong, never with the key in it.

    Where the server asks to be left alone for a while, the metadata holds `retry_after_seconds`.
    """
    where = f"{endpoint.base_url} (model {endpoint.model})"
    details = {"base_url": endpoint.base_url, "model": endpoint.model}
    match error:
        case TimeoutError() | openai.APITimeoutError() if not is_unreachable(error):
            return DeadlineExceeded("PROVIDER_TIMED_OUT", f"{where} did not answer in time", **details)
        case openai.APIConnectionError():
            return Unavailable(
                "PROVIDER_UNREACHABLE",
                f"{where} cannot be reached; check the address and that it runs",
                **details,
            )
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return FailedPrecondition(
                "PROVIDER_REFUSED_KEY",
                f"{where} refused the API key; check the key and its rights",
                **details,
            )
        case openai.NotFoundError():
            return NotFound(
                "PROVIDER_MODEL_NOT_FOUND",
                f"{where}: there is no such model or address; check both",
                **details,
            )
        case openai.RateLimitError():
            return ResourceExhausted(
                "PROVIDER_RATE_LIMITED",
                f"{where} limits the rate of calls",
                **details,
                **asked_delay(error),
            )
        case openai.APIStatusError() if error.status_code in OVERLOADED:
            return Unavailable(
                "PROVIDER_OVERLOADED", f"{where} is overloaded", **details, **asked_delay(error)
            )
        case openai.APIStatusError() if error.status_code >= 500 or error.status_code in {408, 409, 425}:
            return Unavailable(
                "PROVIDER_FAILED",
                f"{where} answered HTTP {error.status_code}",
                **details,
                **asked_delay(error),
            )
        case openai.APIStatusError() if is_filter(error.message):
            return filtered(endpoint)
        case openai.APIStatusError():
            return FailedPrecondition(
                "PROVIDER_REFUSED",
                f"{where} refused the request: {without_key(error.message, endpoint)[:300]}",
                **details,
            )
        case StreamFailed(status=429):
            return ResourceExhausted("PROVIDER_RATE_LIMITED", f"{where} limits the rate of calls", **details)
        case StreamFailed(message=""):
            return Unavailable(
                "PROVIDER_BROKE_OFF", f"{where} broke off in the middle of its answer", **details
            )
        case StreamFailed():
            told = without_key(error.message, endpoint)[:300]
            return Unavailable("PROVIDER_BROKE_OFF", f"{where} broke off its answer: {told}", **details)
        case _:
            return Unavailable(
                "PROVIDER_FAILED",
                f"{where} gave no usable answer; check that an OpenAI-compatible server answers there",
                **details,
            )


def is_filter(message: str) -> bool:
    """Whether a refusal is that of a content filter, in one of the providers' words."""
    folded = message.lower()
    return any(word in folded for word in FILTER_WORDS)


def asked_delay(error: openai.APIStatusError) -> dict[str, str]:
    """How long the server asks to be left alone, as metadata; nothing where it does not say."""
    return retry_after(error.response.headers.get("retry-after", ""))


def is_unreachable(error: BaseException) -> bool:
    """Whether no connection came about or it broke: the SDK's aiohttp transport calls that a timeout."""
    return any(
        isinstance(cause, aiohttp.ConnectionTimeoutError)
        or (isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, TimeoutError))
        for cause in causes(error)
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__


def without_key(text: str, endpoint: Endpoint) -> str:
    """A server's words without the key, which some servers send back."""
    return text.replace(endpoint.api_key, "***") if endpoint.api_key else text
