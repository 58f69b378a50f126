from __future__ import annotations

import json
from typing import Any

from services.dataset.examples.content import content_json
from services.dataset.examples.examples import Example
from services.dataset.versions.reading import prompted
from tests.unit.dataset.makers import conversation, sft


def row_of(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content_json(example))
    return found


def with_prompt(row: dict[str, Any], prompt: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prompted(row, prompt))
    return found


def test_the_system_prompt_comes_before_a_system_message_of_the_examples_own() -> None:
    brief = {"role": "system", "content": "Be brief."}
    first, *rest = row_of(sft("Q?"))["messages"]
    assert with_prompt(row_of(sft("Q?")), "Be brief.")["messages"] == [brief, first, *rest]
    own = row_of(conversation("Q?", "A.", system="Speak Latin."))
    both = {"role": "system", "content": "Be brief.\n\nSpeak Latin."}
    assert with_prompt(own, "Be brief.") == {**own, "messages": [both, *own["messages"][1:]]}
