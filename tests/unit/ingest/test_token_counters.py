from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from services.ingest.token_counters import TokenCounters
from services.ingest.tokens import count_tokens

TEXT = "one-and-a-half two three"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    words = Tokenizer(models.WordLevel({"": 0}, ""))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "words.json"))
    return str(tmp_path)


async def test_tokens_are_counted_by_the_named_tokenizer(folder: str) -> None:
    count = await TokenCounters(folder).counter("words.json")
    assert (count(TEXT), count("")) == (3, 1)


@pytest.mark.parametrize("name", ["", "missing.json", "/etc/passwd"])
async def test_tokens_are_estimated_without_a_tokenizer_and_where_it_cannot_be_had(
    folder: str, name: str
) -> None:
    count = await TokenCounters(folder).counter(name)
    assert count(TEXT) == count_tokens(TEXT)


async def test_a_tokenizer_is_not_waited_for_too_long(folder: str) -> None:
    count = await TokenCounters(folder, seconds=0).counter("words.json")
    assert count(TEXT) == count_tokens(TEXT) != 3
