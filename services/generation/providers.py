"""Providers: language models that write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from services.runtime.errors import InvalidArgument


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


def check_provider(name: str, base_url: str, deployment_id: str, model: str) -> None:
    """Hold a provider against the rules of the contract.

    Raises:
        InvalidArgument: one of them is broken.
    """
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidArgument(
            "FIELD_INVALID", "a provider's name has 1 to 100 printable characters", "provider.name"
        )
    if bool(base_url) == bool(deployment_id):
        raise InvalidArgument(
            "FIELD_INVALID", "a provider has either a base_url or a deployment_id", "provider.base_url"
        )
    if base_url:
        check_base_url(base_url)
        if not model:
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
