"""What a provider is, and what its endpoint is known by."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from services.generation.asking.asking import sampling_of
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.providers.convert import provider_from_pb, provider_to_pb
from services.generation.providers.providers import Endpoint, Limits, Price, check_base_url
from services.runtime.errors import InvalidArgument
from services.runtime.secrets import SecretBox
from sishu.common.v1.message_pb2 import Sampling
from sishu.generation.v1 import provider_pb2

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


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (Sampling(), {}),
        (Sampling(temperature=0), {"temperature": 0}),
        (Sampling(temperature=0, top_p=0, seed=0), {"temperature": 0, "top_p": 0, "seed": 0}),
    ],
    ids=["unset", "zero", "zeros"],
)
def test_sampling_of_zero_is_sent_and_what_is_unset_is_not(said: Sampling, sent: dict[str, float]) -> None:
    wanted = provider_pb2.Provider(name="n", base_url="http://h/v1", model="m", sampling=said)
    provider = provider_from_pb(wanted, SecretBox(None))
    generation = Generation("g", "project", provider.id, GenerationOptions(), provider.create_time)
    assert dict(sampling_of(generation, provider)) == sent
    assert provider_to_pb(provider).sampling == said


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("https://x/v1?api-key=SECRET", "query"),
        ("https://x/v1?", "query"),
        ("https://x/v1#SECRET", "fragment"),
        ("https://me:SECRET@x/v1", "user or password"),
        ("https://:SECRET@x/v1", "user or password"),
        ("https://SECRET@/v1", "user or password"),
        ("https://[SECRET/v1", "cannot be read"),
        ("https://x:SECRET/v1", "cannot be read"),
        ("ftp://x/v1", "no address"),
        ("nonsense", "no address"),
    ],
)
def test_an_address_that_may_hold_a_key_is_refused_and_not_repeated(base_url: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message) as raised:
        check_base_url(base_url)
    assert raised.value.reason == "BASE_URL_INVALID"
    assert "SECRET" not in raised.value.message


@pytest.mark.parametrize("base_url", ["http://h:8000/v1", "https://h", "http://[::1]:8/v1", "https://h/a/b/"])
def test_an_address_of_a_server_is_taken(base_url: str) -> None:
    check_base_url(base_url)
