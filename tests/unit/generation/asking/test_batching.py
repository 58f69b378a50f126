from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.asking.batching import Batcher
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.generations.kinds import RegenerationOptions
from services.runtime.jobs import Item


class Waiting:
    """In place of the store of batches: notes under which keys is looked."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    async def find(self, item_id: str, generation_id: str, project_id: str, key: bytes) -> None:
        self.keys.append(key)


async def keys_of(**options: Any) -> list[bytes]:
    """The keys under which two items look for the same call."""
    waiting = Waiting()
    batcher = Batcher(waiting, None)  # type: ignore[arg-type]
    generation = Generation("g", "p", "m", GenerationOptions(batch=True, **options), datetime.now(UTC))
    for item_id in ("one", "two"):
        item = Item(item_id, "j", "p", "g", "write_answer", item_id, item_id, {})
        assert not await batcher.is_asked(item, generation, b"key")
    return waiting.keys


@pytest.mark.parametrize(
    "options", [{"no_cache": True}, {"regeneration": RegenerationOptions(question_ids=["q"])}]
)
async def test_where_kept_answers_are_passed_over_no_batch_brings_one_of_another_item(
    options: dict[str, Any],
) -> None:
    assert len({*await keys_of(**options), b"key"}) == 3


async def test_else_items_that_ask_the_same_share_a_call() -> None:
    assert await keys_of() == [b"key", b"key"]
