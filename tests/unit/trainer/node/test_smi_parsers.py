from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from services.trainer.node.accelerators import Accelerator, UnreadableError, number
from services.trainer.node.smi_csv import cards_of_csv
from services.trainer.node.smi_json import cards_of_json, mended
from services.trainer.node.smi_text import cards_of_fields, cards_of_table
from tests.support.fake_smi import (
    AMD_JSON,
    BROKEN_JSON,
    DCU_JSON,
    HCU_JSON,
    NVIDIA_CSV,
    OLD_TEXT_TABLE,
    TEXT_FIELDS,
    TEXT_TABLE,
    TORN_JSON,
)

MIB = 2**20
TOTAL = 65520 * MIB


def test_json_of_dtk_24_names_dcus() -> None:
    (card,) = cards_of_json(DCU_JSON)
    assert card == Accelerator(0, "DCU x", 0.07, 2 * MIB, TOTAL, 2 / 65520, 44.0, 80.0)


def test_json_of_dtk_25_names_hcus_and_may_have_numbers_and_a_warning_before_it() -> None:
    first, second = cards_of_json(HCU_JSON)
    assert first == Accelerator(0, "K100_AI", 0.125, 32760 * MIB, TOTAL, 0.5, 60.0, 113.0)
    assert second == Accelerator(1, "K100_AI", 0.0, 2 * MIB, TOTAL, 2 / 65520)


def test_json_without_commas_and_with_empty_keys_is_mended() -> None:
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(BROKEN_JSON)
    first, second = cards_of_json(BROKEN_JSON)
    assert first == Accelerator(0, "K100_AI", 0.33, 2 * MIB, TOTAL, 2 / 65520, None, 91.0)
    assert second == Accelerator(1, utilization=0.04)


def test_sound_json_is_left_as_it_is() -> None:
    sound = json.dumps({"a": "", "": "x, y", "b": {"c": [1, "d", "e"], "f": -1.5, "g": None}, "h": '"{:'})
    assert mended(sound) == sound


def test_any_comma_between_fields_may_be_missing() -> None:
    fields = json.loads(DCU_JSON)["card0"] | {"Card Model": "x", "n": 1.5, "m": 2}
    sound = json.dumps({"card0": fields})
    draw = random.Random(0)  # noqa: S311
    for _ in range(100):
        torn = "".join("" if part == ", " and draw.random() < 0.4 else part for part in split(sound))
        assert cards_of_json(torn) == cards_of_json(sound)


def split(text: str) -> list[str]:
    """A text at its commas between fields, which come with a blank."""
    parts = text.split(", ")
    return [one for part in parts for one in (part, ", ")][:-1]


def test_amd_gives_bytes_and_other_names() -> None:
    (card,) = cards_of_json(AMD_JSON)
    assert card == Accelerator(0, "Instinct", 0.99, 8581545984, 17163091968, 0.5, None, 203.0, 225.0)


def test_what_is_used_may_come_from_what_is_free_or_from_the_share() -> None:
    total = '"vram Total Memory (MiB)": "100"'
    (card,) = cards_of_json(f'{{"card0": {{{total}, "Available memory size (MiB)": "75"}}}}')
    assert card.memory_used_bytes == 25 * MIB
    (card,) = cards_of_json(f'{{"card0": {{{total}, "HCU memory use (%)": "25"}}}}')
    assert card.memory_used_bytes == 25 * MIB


def test_the_table_of_either_release_is_read() -> None:
    first, second = cards_of_table(TEXT_TABLE)
    assert first == Accelerator(0, "", 0.125, None, None, 0.85, 60.0, 113.0, 400.0)
    assert (second.index, second.power_watts) == (1, 97.0)
    (old,) = cards_of_table(OLD_TEXT_TABLE)
    assert old == Accelerator(1, "", 0.0, None, None, 0.03, 51.0, 40.0, 300.0)


def test_lines_of_fields_are_read() -> None:
    first, second = cards_of_fields(TEXT_FIELDS)
    assert first == Accelerator(0, "K100_AI", 0.125, 32760 * MIB, TOTAL, 0.5, 60.0, 113.0)
    assert second.memory_used_bytes == 2 * MIB


def test_nvidia_says_what_it_does_not_know() -> None:
    first, second = cards_of_csv(NVIDIA_CSV)
    assert first.name == "NVIDIA H100 80GB HBM3"
    assert (first.utilization, first.memory_used_bytes, first.power_watts) == (0.37, 2**30, 121.53)
    assert (second.utilization, second.power_watts, second.power_limit_watts) == (None, None, 700.0)


@pytest.mark.parametrize("read", [cards_of_json, cards_of_fields, cards_of_table, cards_of_csv])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "No HCU found",
        "{}",
        '{"system": {"a": "b"}}',
        "[1, 2]",
        "{{{",
        TORN_JSON,
        "HCU Temp\n0",
        "0, x",
    ],
)
def test_what_names_no_card_is_unreadable(read: Callable[[str], list[Accelerator]], text: str) -> None:
    with pytest.raises(UnreadableError):
        read(text)


@pytest.mark.parametrize("read", [cards_of_json, cards_of_fields, cards_of_table, cards_of_csv])
def test_a_spoilt_answer_is_read_or_unreadable_and_nothing_else(
    read: Callable[[str], list[Accelerator]],
) -> None:
    draw = random.Random(1)  # noqa: S311
    texts = (HCU_JSON, BROKEN_JSON, TEXT_FIELDS, TEXT_TABLE, NVIDIA_CSV)
    for _ in range(1000):
        text = list(draw.choice(texts))
        for _ in range(draw.randint(1, 8)):
            text[draw.randrange(len(text))] = draw.choice('{}[]":,% 9\n\x00é')
        try:
            cards = read("".join(text[: draw.randint(1, len(text))]))
        except UnreadableError:
            continue
        assert cards
        assert all(card.utilization is None or 0 <= card.utilization <= 1 for card in cards)


@pytest.mark.parametrize(
    ("said", "meant"), [("91.0W", 91.0), ("-3", -3.0), (7, 7.0), ("N/A", None), (True, None)]
)
def test_numbers_come_with_units_or_not_at_all(said: object, meant: float | None) -> None:
    assert number(said) == meant
