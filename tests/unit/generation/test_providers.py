"""What a provider is, and what its endpoint is known by."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from services.generation.providers import Endpoint, Limits, Price

ENDPOINT = Endpoint("http://h/v1", "m", "sk-planted")


def test_an_endpoint_is_known_by_a_hash_of_address_model_and_key() -> None:
    assert ENDPOINT.id == hashlib.sha256(b"http://h/v1\x1fm\x1fsk-planted").hexdigest()
    others = [
        replace(ENDPOINT, base_url="http://o/v1"),
        replace(ENDPOINT, model="o"),
        replace(ENDPOINT, api_key="sk-o"),
    ]
    assert len({ENDPOINT.id, *(other.id for other in others)}) == 4


def test_what_a_provider_says_beside_address_model_and_key_makes_no_other_endpoint() -> None:
    same = replace(ENDPOINT, provider_id="p", limits=Limits(60), price=Price(1, 2, "CNY"), streaming="always")
    assert same.id == ENDPOINT.id
