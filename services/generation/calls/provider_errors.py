"""What went wrong at a model's server, in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
PASSING = {408, 409, 425}
"""HTTP statuses below 500 of what may pass."""
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
        case openai.APIStatusError():
            return refusal(error, endpoint, where, details)
        case StreamFailed():
            return broken_off(error, endpoint, where, details)
        case _:
            return Unavailable(
                "PROVIDER_FAILED",
                f"{where} gave no usable answer; check that an OpenAI-compatible server answers there",
                **details,
            )


def refusal(
    error: openai.APIStatusError, endpoint: Endpoint, where: str, details: Mapping[str, str]
) -> SishuError:
    """An HTTP status that is no answer."""
    status, delay = error.status_code, asked_delay(error)
    if status in {401, 403}:
        message = f"{where} refused the API key; check the key and its rights"
        return FailedPrecondition("PROVIDER_REFUSED_KEY", message, **details)
    if status == 404:
        message = f"{where}: there is no such model or address; check both"
        return NotFound("PROVIDER_MODEL_NOT_FOUND", message, **details)
    if status == 429:
        message = f"{where} limits the rate of calls"
        return ResourceExhausted("PROVIDER_RATE_LIMITED", message, **details, **delay)
    if status in OVERLOADED:
        return Unavailable("PROVIDER_OVERLOADED", f"{where} is overloaded", **details, **delay)
    if status >= 500 or status in PASSING:
        return Unavailable("PROVIDER_FAILED", f"{where} answered HTTP {status}", **details, **delay)
    if is_filter(error.message):
        return filtered(endpoint)
    told = without_key(error.message, endpoint)[:300]
    return FailedPrecondition("PROVIDER_REFUSED", f"{where} refused the request: {told}", **details)


def broken_off(error: StreamFailed, endpoint: Endpoint, where: str, details: Mapping[str, str]) -> SishuError:
    """A stream that is no whole answer."""
    if error.status == 429:
        return ResourceExhausted("PROVIDER_RATE_LIMITED", f"{where} limits the rate of calls", **details)
    if not error.message:
        message = f"{where} broke off in the middle of its answer"
    else:
        message = f"{where} broke off its answer: {without_key(error.message, endpoint)[:300]}"
    return Unavailable("PROVIDER_BROKE_OFF", message, **details)


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
