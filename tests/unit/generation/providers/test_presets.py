"""The presets keep the rules of the providers that are made of them."""

from __future__ import annotations

import re

from services.generation.providers.keys import VARIABLE_ENDING
from services.generation.providers.presets import PRESETS, batch_factor_at
from services.generation.providers.providers import check_base_url


def test_presets_have_names_of_their_own_and_stand_by_name() -> None:
    names = [preset.name for preset in PRESETS]
    assert names == sorted(set(names))
    assert all(re.fullmatch("[a-z]+", name) for name in names)


def test_a_provider_can_be_made_of_every_preset() -> None:
    for preset in PRESETS:
        if preset.base_url:
            check_base_url(preset.base_url)
        assert not preset.base_url.endswith("/")
        assert not preset.api_key_variable or preset.api_key_variable.endswith(VARIABLE_ENDING)


def test_who_has_batches_has_a_price_for_them_and_others_have_none() -> None:
    for preset in PRESETS:
        assert (preset.batch_factor < 1) == preset.batches, preset.name


def test_the_price_of_batches_is_that_of_the_service_at_the_address() -> None:
    assert batch_factor_at("https://api.openai.com/v1/") == 0.5
    assert batch_factor_at("https://api.moonshot.cn/v1") == 0.6
    for unknown in (
        "http://127.0.0.1:8000/v1",
        "https://api.openai.com.evil.test/v1",
        "https://api.deepseek.com",
        "",
    ):
        assert batch_factor_at(unknown) == 1


def test_a_key_goes_to_services_on_the_net_only_by_https() -> None:
    for preset in PRESETS:
        assert bool(preset.api_key_variable) == preset.base_url.startswith("https://"), preset.name
