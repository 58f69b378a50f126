from __future__ import annotations

from typing import cast

import pytest

from sishu.cli.knowledge_options import KnowledgeWishes
from sishu.client import Client
from sishu.errors import ApiError

NOBODY = cast(Client, None)
"""Nothing is asked of a server before it is clear what is wanted."""


@pytest.mark.parametrize(
    ("wishes", "option"),
    [(KnowledgeWishes(min_f1=0.5), "--min-f1"), (KnowledgeWishes(known_forms=2), "--known-forms")],
)
async def test_what_is_said_of_nobody_is_refused(wishes: KnowledgeWishes, option: str) -> None:
    with pytest.raises(ApiError, match=f"{option} needs --knowledge PROVIDER"):
        await wishes.wanted_knowledge(NOBODY, "p")


async def test_without_a_model_that_is_to_learn_nothing_is_wanted() -> None:
    assert await KnowledgeWishes().wanted_knowledge(NOBODY, "p") is None
