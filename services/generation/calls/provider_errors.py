"""What went wrong at a model's server, in our words."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator

import aiohttp
import httpx2
import openai

from services.generation.calls.chain import filtered
from services.generation.calls.hiding import without_key
from services.generation.calls.replies import ErrorTold, WebPage, error_told, mapping
from services.generation.calls.streams import StreamFailed
from services.generation.providers.providers import Endpoint
from services.runtime.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    NotFound,
    ResourceExhausted,
    SishuError,
    Unavailable,
)
from services.runtime.retry_after import retry_after, time_in

OVERLOADED = {503, 529}
"""HTTP statuses of a server that has too much to do."""
PASSING = {408, 409, 425}
"""HTTP statuses below 500 of what may pass."""
SPEAKS_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
"""What OpenSSL makes of an answer that is no TLS."""
HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""A handshake that the server left, as it may while it starts."""
GAVE_UP = {408, 502, 504, 520, 524}
"""HTTP statuses by which a gateway says that nothing came of what it may have handed on."""
NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
"""What fails before a request goes out: name, connection, TLS handshake."""
LONG_SECONDS = 60.0
"""Of a pause that is shorter nobody needs to know until when it lasts."""
MOST_WORDS = 300
"""Characters of a server's words that are shown."""
ACCOUNT_REFUSED = frozenset({"PROVIDER_REFUSED_KEY", "PROVIDER_NO_CREDIT"})
"""Reasons for which a server does nothing at all for a caller."""
NOT_SECURE = frozenset({"PROVIDER_CERTIFICATE_REFUSED", "PROVIDER_TLS_FAILED"})
"""Reasons for which no secure connection comes about until somebody changes something."""
TURNED_AWAY = ACCOUNT_REFUSED | NOT_SECURE | {"PROVIDER_MODEL_NOT_FOUND"}
"""Reasons for which a server serves no call, whatever it asks."""
PLAIN_WORDS = re.compile(r"http request (?:was sent )?to (?:an )?https (?:port|server)", re.IGNORECASE)
"""By which servers say that a request should have come by TLS."""
TLS_ALERT = r"b'\x15\x03"
"""How aiohttp shows an answer that is TLS in place of HTTP."""
MONEY_CODES = re.compile(
    r"insufficient_(?:quota|balance|credit|fund)|exceeded_current_quota|arrear|overdue|billing|freetieronly",
    re.IGNORECASE,
)
"""Names of errors by which servers say that an account has no money left."""
MONEY_WORDS = re.compile(
    r"insufficient (?:\w+ )?(?:quota|balance|credit|fund)|balance is|credit balance|out of credit"
    r"|billing|arrear|overdue|payment|top[ -]?up|recharge|余额|欠费|充值|账单",
    re.IGNORECASE,
)
RATE_WORDS = re.compile(
    r"rate.?limit|(?:try again|retry) (?:in|after)|per (?:minute|min|day|second)|速率|频率|并发",
    re.IGNORECASE,
)
"""That it is a rate after all: servers advise to pay for a higher one."""
KEY_WORDS = re.compile(
    r"key|token|auth|credential|permission|access|denied|forbidden|not allowed|account|region|country"
    r"|密钥|令牌|权限|鉴权|认证|账号|账户",
    re.IGNORECASE,
)
FILTER_WORDS = (
    "content_filter",
    "content exists risk",  # DeepSeek
    "datainspectionfailed",  # Alibaba Bailian
    "data_inspection_failed",
    "sensitivecontentdetected",  # Volcano Ark
    "敏感内容",  # Zhipu
    "input was flagged",  # OpenRouter
)


def provider_error(error: Exception, endpoint: Endpoint) -> SishuError:
    """What went wrong, never with the key in it.

    Where the server asks to be left alone for a while, the metadata holds `retry_after_seconds`.
    """
    where, details = place_of(endpoint)
    match error:
        case TimeoutError() | openai.APITimeoutError() if not is_unreachable(error):
            return DeadlineExceeded("PROVIDER_TIMED_OUT", f"{where} did not answer in time", **details)
        case openai.APIConnectionError():
            return unreachable(error, endpoint)
        case openai.APIStatusError():
            return refusal(told_by_http(error), endpoint)
        case ErrorTold():
            return refusal(error, endpoint)
        case StreamFailed():
            return broken_off(error, endpoint)
        case httpx2.TransportError():
            return broken_off(StreamFailed(), endpoint)
        case aiohttp.ClientResponseError() if TLS_ALERT in error.message:
            return tls_failed("it wants TLS; begin the address with https://", endpoint)
        case _:
            return Unavailable(
                "PROVIDER_FAILED",
                f"{where} gave no usable answer; check that an OpenAI-compatible server answers there",
                **details,
            )


def unreachable(error: Exception, endpoint: Endpoint) -> SishuError:
    """No connection came about, or it broke before an answer came."""
    where, details = place_of(endpoint)
    for cause in causes(error):
        # aiohttp's own errors are of these classes, too, and say less.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, (aiohttp.ClientError, *HUNG_UP)):
            return not_secure(cause, endpoint)
        if isinstance(cause, aiohttp.ClientConnectorDNSError):
            return Unavailable(
                "PROVIDER_HOST_UNKNOWN",
                f"{where} cannot be reached: the name {cause.host} cannot be looked up; check the address, "
                "and the look-up of names where the generation room runs",
                **details,
                host=cause.host,
            )
    what = (
        "broke the connection before it answered; look at the server, and at proxies before it"
        if may_be_paid(error)
        else "cannot be reached; check the address and that it runs"
    )
    return Unavailable("PROVIDER_UNREACHABLE", f"{where} {what}", **details)


def not_secure(error: ssl.SSLError, endpoint: Endpoint) -> FailedPrecondition:
    """A TLS handshake failed for a reason that stays."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        if error.reason in SPEAKS_NO_TLS:
            return tls_failed("it speaks no TLS; begin the address with http://", endpoint)
        return tls_failed(f"{error.reason or error}; look at the server, and its TLS", endpoint)
    where, details = place_of(endpoint)
    why = error.verify_message.rstrip(". ")
    return FailedPrecondition(
        "PROVIDER_CERTIFICATE_REFUSED",
        f"{where} shows a certificate that is not trusted ({why}); have it mended there, or name a file with "
        "the certificate of its authority in SSL_CERT_FILE where the generation room runs, and restart that",
        **details,
        told=why,
    )


def tls_failed(why: str, endpoint: Endpoint) -> FailedPrecondition:
    """No secure connection comes about."""
    where, details = place_of(endpoint)
    message = f"no secure connection to {where} comes about: {why}"
    return FailedPrecondition("PROVIDER_TLS_FAILED", message, **details, told=why)


def refusal(told: ErrorTold, endpoint: Endpoint) -> SishuError:
    """An error that a server tells of in place of an answer, in its words as far as it has some."""
    where, details = place_of(endpoint)
    status, words = told.status, shown(told.message, endpoint)
    said = f": {words}" if words else ""
    details |= {"told": words} if words else {}
    if PLAIN_WORDS.search(told.message):
        return tls_failed("it wants TLS; begin the address with https://", endpoint)
    if wants_money(told):
        message = f"{where} serves the account no more until it is paid for{said}; add credit or quota there"
        return FailedPrecondition("PROVIDER_NO_CREDIT", message, **details)
    if status != 401 and is_filter(f"{told.code} {told.message}"):
        return filtered(endpoint)
    if is_about_key(told):
        message = f"{where} refused the API key{said}; check the key and its rights"
        return FailedPrecondition("PROVIDER_REFUSED_KEY", message, **details)
    if status == 404:
        message = f"{where}: there is no such model or address{said}; check both"
        return NotFound("PROVIDER_MODEL_NOT_FOUND", message, **details)
    if status == 429:
        message = f"{where} limits the rate of calls{said}{pause_told(told)}"
        return ResourceExhausted("PROVIDER_RATE_LIMITED", message, **details, **told.delay)
    if status in OVERLOADED:
        message = f"{where} is overloaded{said}{pause_told(told)}"
        return Unavailable("PROVIDER_OVERLOADED", message, **details, **told.delay)
    if status >= 500 or status in PASSING or not status:
        answered = f"HTTP {status}" if status else "with an error"
        message = f"{where} answered {answered}{said}"
        return Unavailable("PROVIDER_FAILED", message, **details, **told.delay)
    return FailedPrecondition("PROVIDER_REFUSED", f"{where} refused the request{said}", **details)


def wants_money(told: ErrorTold) -> bool:
    """Whether a server refuses all calls of an account that has no money or quota left."""
    if told.status == 402 or (told.status and told.status < 500 and MONEY_CODES.search(told.code)):
        return True
    is_rate = told.status == 429 and (told.delay or RATE_WORDS.search(f"{told.code} {told.message}"))
    return told.status in {403, 429} and not is_rate and bool(MONEY_WORDS.search(told.message))


def is_about_key(told: ErrorTold) -> bool:
    """Whether a server refuses the key, and not what is asked; one that says nothing means the key."""
    words = f"{told.code} {told.message}"
    return told.status == 401 or (told.status == 403 and (not told.message or bool(KEY_WORDS.search(words))))


def pause_told(told: ErrorTold) -> str:
    """Until when a server wants to be left alone, as an addition to a message; nothing for a short time."""
    seconds = float(told.delay.get("retry_after_seconds", 0))
    return f"; it asks to be left alone until {time_in(seconds)}" if seconds >= LONG_SECONDS else ""


def told_by_http(error: openai.APIStatusError) -> ErrorTold:
    """What a server tells by an HTTP status."""
    told = error_told(error.body)
    return ErrorTold(words_of(error), error.status_code, told.code, asked_delay(error))


def words_of(error: openai.APIStatusError) -> str:
    """What a server says with an HTTP status, in whatever shape; the SDK hands on a `message` alone."""
    words = error_told(error.body).message
    if words or not error.body or "message" in mapping(error.body):
        return words
    return json.dumps(error.body, ensure_ascii=False)


def broken_off(error: StreamFailed, endpoint: Endpoint) -> SishuError:
    """A stream that is no whole answer."""
    where, details = place_of(endpoint)
    if not error.message:
        message = f"{where} broke off in the middle of its answer"
    else:
        message = f"{where} broke off its answer: {shown(error.message, endpoint)}"
    return Unavailable("PROVIDER_BROKE_OFF", message, **details)


def place_of(endpoint: Endpoint) -> tuple[str, dict[str, str]]:
    """Which server an error is about, for people and as metadata."""
    details = {"base_url": endpoint.base_url, "model": endpoint.model}
    return f"{endpoint.base_url} (model {endpoint.model})", details


def shown(words: str, endpoint: Endpoint) -> str:
    """A server's words as they may be shown: without the key, in one line, not too long, and no web page."""
    text = " ".join(without_key(words, endpoint).split())
    return "" if text.startswith("<") else text[:MOST_WORDS]


def is_filter(message: str) -> bool:
    """Whether a refusal is that of a content filter, in one of the providers' words."""
    folded = message.lower()
    return any(word in folded for word in FILTER_WORDS)


def asked_delay(error: openai.APIStatusError) -> dict[str, str]:
    """How long the server asks to be left alone, as metadata; nothing where it does not say."""
    headers = error.response.headers
    return retry_after(headers.get("retry-after", ""), headers.get("retry-after-ms", ""))


def is_unreachable(error: BaseException) -> bool:
    """Whether no connection came about or it broke: the SDK's aiohttp transport calls that a timeout."""
    return any(
        isinstance(cause, aiohttp.ConnectionTimeoutError)
        or (isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, TimeoutError))
        for cause in causes(error)
    )


def may_be_paid(error: BaseException | None) -> bool:
    """Whether a server may have begun to work on a call that failed so, and want to be paid for that."""
    match error:
        case openai.APIStatusError():
            return error.status_code in GAVE_UP
        case ErrorTold() | WebPage() | None:
            return False
        case _:
            return not any(isinstance(cause, NEVER_SENT) for cause in causes(error))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__
