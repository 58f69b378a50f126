"""Providers: language models that write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound

STREAMING = ("auto", "always", "never")
"""When answers are streamed: once the server turned out to be slow, always, or never."""


@dataclass(frozen=True)
class Limits:
    """Limits that calls never pass, whatever the server allows; 0 means none.

    Args:
        calls_per_minute: calls begun in a minute.
        tokens_per_minute: tokens of prompts and answers in a minute.
        calls_in_flight: calls in flight at once.
    """

    calls_per_minute: int = 0
    tokens_per_minute: int = 0
    calls_in_flight: int = 0


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Price:
    """What tokens cost.

    Args:
        prompt_per_million: price of a million tokens of prompts.
        completion_per_million: price of a million tokens that the model writes.
        currency: by ISO 4217.
    """

    prompt_per_million: float
    completion_per_million: float
    currency: str


@dataclass(frozen=True)
class Provider:
    """A language model behind an OpenAI-compatible address, or a deployment of the inference room.

    Args:
        sealed_key: the API key, encrypted; nothing when there is none.
        sampling: sampling used where a generation sets none; unset keys are absent.
    """

    id: str
    project_id: str
    name: str
    base_url: str
    deployment_id: str | None
    model: str
    sealed_key: bytes | None
    sampling: Mapping[str, Any]
    create_time: datetime
    update_time: datetime

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        return len(self.base_url) + sum(len(text.encode()) for text in self.sampling.get("stop", ()))


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers now.

    Args:
        provider_id: whose endpoint it is; that of the member where the provider is a pool.
        limits: hard limits beside those that are found out.
        price: what tokens cost; nothing where they cost nothing or nobody knows.
        streaming: when answers are streamed, as in `STREAMING`.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    provider_id: str = ""
    limits: Limits = NO_LIMITS
    price: Price | None = None
    streaming: str = "auto"

    @cached_property
    def id(self) -> str:
        """What workers share state about it under: a hash, from which nobody gets the key."""
        return hashlib.sha256("\x1f".join((self.base_url, self.model, self.api_key)).encode()).hexdigest()


def changed(provider: Provider, values: Mapping[str, Any]) -> Provider:
    """A provider with other values.

    Raises:
        InvalidArgument: it would break a rule of the contract.
        FailedPrecondition: its key would go to an address that it was not given for.
    """
    new = replace(provider, **values)
    check_provider(new)
    moved = (new.base_url, new.deployment_id) != (provider.base_url, provider.deployment_id)
    if moved and provider.sealed_key and "sealed_key" not in values:
        raise FailedPrecondition(
            "PROVIDER_KEY_FOR_OTHER_ADDRESS",
            f"the key of provider {provider.id} was given for another address; name api_key in update_mask "
            "as well, with the key for the new address or empty for none",
            provider_id=provider.id,
        )
    return new


def check_provider(provider: Provider) -> None:
    """Hold a provider against the rules of the contract.

    Raises:
        InvalidArgument: one of them is broken.
    """
    if not provider.name or len(provider.name) > 100 or not provider.name.isprintable():
        raise InvalidArgument(
            "FIELD_INVALID", "a provider's name has 1 to 100 printable characters", "provider.name"
        )
    if bool(provider.base_url) == bool(provider.deployment_id):
        raise InvalidArgument(
            "FIELD_INVALID", "a provider has either a base_url or a deployment_id", "provider.base_url"
        )
    if provider.base_url:
        check_base_url(provider.base_url)
        if not provider.model:
            raise InvalidArgument(
                "FIELD_INVALID", "a provider with a base_url names its model", "provider.model"
            )


def check_base_url(base_url: str) -> None:
    """Refuse what is no http address, or would leak a key through the address.

    Raises:
        InvalidArgument: the address is of no use.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgument(
            "BASE_URL_INVALID",
            f"{base_url!r} is no address of a language model; it looks like http://host:port/v1",
            "provider.base_url",
        )
    if parts.username or parts.password:
        raise InvalidArgument(
            "BASE_URL_INVALID",
            "the address holds a user or password; give the key as api_key",
            "provider.base_url",
        )


def provider_not_found(provider_id: str) -> NotFound:
    """The error for a provider that is not there."""
    return NotFound("PROVIDER_NOT_FOUND", f"there is no provider {provider_id}", provider_id=provider_id)
