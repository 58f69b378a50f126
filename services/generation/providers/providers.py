"""Providers: language models that write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from services.runtime.errors import FailedPrecondition, InvalidArgument, NotFound

POOL_FIELD = "provider.pool.provider_ids"
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
        batch_factor: what a call in a batch costs of one made singly.
    """

    prompt_per_million: float
    completion_per_million: float
    currency: str
    batch_factor: float = 1.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        prompt = prompt_tokens * self.prompt_per_million
        return (prompt + completion_tokens * self.completion_per_million) / 1e6


@dataclass(frozen=True)
class Provider:
    """A language model behind an OpenAI-compatible address, a deployment of the inference room, or a pool.

    Args:
        model: model to ask for; of a pool a name for what its members serve under different names.
        sealed_key: the API key, encrypted; nothing when there is none.
        sampling: sampling used where a generation sets none; unset keys are absent.
        pool_ids: the providers that it uses as one; none unless it is a pool.
        key_variable: environment variable that holds the key; empty when none does.
        key_file: name of the file that holds the key; empty when none does.
        limits: hard limits beside those that are found out.
        price: what tokens cost; nothing where they cost nothing or nobody knows.
        streaming: when answers are streamed, as in `STREAMING`.
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
    pool_ids: Sequence[str] = ()
    key_variable: str = ""
    key_file: str = ""
    limits: Limits = NO_LIMITS
    price: Price | None = None
    streaming: str = "auto"

    @property
    def has_key(self) -> bool:
        """Whether a key is configured, in whatever way."""
        return bool(self.sealed_key or self.key_variable or self.key_file)

    @property
    def endpoint(self) -> tuple[str, str | None, tuple[str, ...]]:
        """What says where it is: only one of the three is there."""
        return self.base_url, self.deployment_id, tuple(self.pool_ids)

    @property
    def size_bytes(self) -> int:
        """About how large it is in an answer."""
        texts = sum(len(text.encode()) for text in self.sampling.get("stop", ()))
        return len(self.base_url) + texts + sum(map(len, self.pool_ids))


def stored_provider(*, limits: Mapping[str, int], price: Mapping[str, Any] | None, **values: Any) -> Provider:
    """A provider by the columns that keep it."""
    return Provider(limits=Limits(**limits), price=Price(**price) if price else None, **values)


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
    if new.endpoint != provider.endpoint and provider.has_key and "sealed_key" not in values:
        raise FailedPrecondition(
            "PROVIDER_KEY_FOR_OTHER_ADDRESS",
            f"the key of provider {provider.id} was given for another address; give the key for the new one "
            "as well, or an empty one for none (api_key, api_key_variable or api_key_file in update_mask; "
            "--api-key-env, --api-key-file or --llm-api-key-env of `sishu provider update`)",
            provider_id=provider.id,
        )
    return new


def check_provider(provider: Provider) -> None:
    """Hold a provider against the rules of the contract.

    Raises:
        InvalidArgument: one of them is broken.
    """
    if not provider.name or len(provider.name) > 100 or not provider.name.isprintable():
        raise invalid("name", "a provider's name has 1 to 100 printable characters")
    if sum(map(bool, provider.endpoint)) != 1:
        raise invalid("base_url", "a provider has a base_url, a deployment_id or a pool")
    if provider.base_url:
        check_base_url(provider.base_url)
        if not provider.model:
            raise invalid("model", "a provider with a base_url names its model")
    if provider.pool_ids:
        check_pool_has_nothing_of_its_members(provider)


def check_pool_has_nothing_of_its_members(pool: Provider) -> None:
    """Refuse what would be without effect.

    Raises:
        InvalidArgument: the pool has what only its members have.
    """
    given = {
        "api_key": pool.has_key,
        "limits": pool.limits != NO_LIMITS,
        "price": pool.price is not None,
        "streaming": pool.streaming != "auto",
    }
    for name, present in given.items():
        if present:
            raise invalid(name, f"a pool has no {name} of its own; give it to its members")


def check_members(pool: Provider, members: Sequence[Provider]) -> None:
    """Hold the members of a pool against its rules.

    Args:
        pool: the pool.
        members: those of its members that are there.

    Raises:
        NotFound: a member is missing.
        InvalidArgument: a member cannot be one.
    """
    found = {member.id: member for member in members if member.project_id == pool.project_id}
    for member_id in pool.pool_ids:
        if member_id not in found:
            raise NotFound(
                "PROVIDER_NOT_FOUND",
                f"the project has no provider {member_id}, which the pool names",
                POOL_FIELD,
                provider_id=member_id,
            )
        if found[member_id].pool_ids:
            raise InvalidArgument(
                "POOL_IN_POOL",
                f"provider {member_id} is a pool itself; name its members instead",
                POOL_FIELD,
                provider_id=member_id,
            )
    names = sorted({member.model for member in found.values()})
    if len(names) > 1 and not pool.model:
        raise InvalidArgument(
            "POOL_MODELS_DIFFER",
            f"the members of the pool name their models {', '.join(map(repr, names))}; if all of them are "
            "the same model, give the pool a model, by any name",
            POOL_FIELD,
        )


def check_membership(member: Provider, pools: Sequence[Provider]) -> None:
    """Hold a changed provider against the pools that name it.

    Raises:
        FailedPrecondition: it would no longer fit in.
    """
    for pool in pools:
        if member.pool_ids:
            raise in_use(member.id, f"pool {pool.name!r} names provider {member.id}; no pool is in a pool")
        if not pool.model and len(pool.pool_ids) > 1:
            raise in_use(
                member.id,
                f"pool {pool.name!r} names provider {member.id} beside others of the same model; take it out "
                "of the pool, or give the pool a model, before you change the member's "
                "(`sishu provider update`)",
            )


def in_use(provider_id: str, message: str) -> FailedPrecondition:
    """The error for a provider that something stands on."""
    return FailedPrecondition("PROVIDER_IN_USE", message, provider_id=provider_id)


def invalid(field_name: str, message: str) -> InvalidArgument:
    """The error for a field that breaks a rule."""
    return InvalidArgument("FIELD_INVALID", message, f"provider.{field_name}")


def check_base_url(base_url: str) -> None:
    """Refuse what is no http address, or would leak a key through the address.

    Raises:
        InvalidArgument: the address is of no use.
    """
    # Read first: what is shown of an address must not hold a key.
    try:
        parts = urlsplit(base_url)
        user, host, _ = parts.username or parts.password, parts.hostname, parts.port
    except ValueError:
        raise base_url_invalid("the address cannot be read; it looks like http://host:port/v1") from None
    if user is not None or "@" in parts.netloc:
        raise base_url_invalid("the address holds a user or password; give the key as api_key")
    if "?" in base_url or "#" in base_url:
        raise base_url_invalid(
            "the address holds a query (after '?') or a fragment (after '#'), and would be shown with it; "
            "end it before, and give the key as api_key"
        )
    if parts.scheme not in {"http", "https"} or not host:
        raise base_url_invalid(
            f"{base_url!r} is no address of a language model; it looks like http://host:port/v1"
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise base_url_invalid("the address ends before /chat/completions; leave that out")


def base_url_invalid(message: str) -> InvalidArgument:
    """The error for an address that is of no use."""
    return InvalidArgument("BASE_URL_INVALID", message, "provider.base_url")


def provider_not_found(provider_id: str, field: str = "") -> NotFound:
    """The error for a provider that is not there, and that a request field names."""
    return NotFound(
        "PROVIDER_NOT_FOUND", f"there is no provider {provider_id}", field, provider_id=provider_id
    )
