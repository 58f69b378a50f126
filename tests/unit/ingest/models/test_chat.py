from __future__ import annotations

import pytest

from services.ingest.models.chat import bare


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("plain", "plain"),
        ("```markdown\n# A\n\ntext\n```", "# A\n\ntext"),
        ("```\n# A\n```\n", "# A"),
        ("<think>hm\n</think>\n# A", "# A"),
        ("hm\n</think>\n\n```md\n# A\n```", "# A"),
        ("# On tags\n\n`<think>` and `</think>`", "# On tags\n\n`<think>` and `</think>`"),
        ("# A\n\n```python\nx = 1\n```", "# A\n\n```python\nx = 1\n```"),
        ("````md\n```python\nx\n```\n````", "```python\nx\n```"),
    ],
)
def test_only_thoughts_before_an_answer_and_a_fence_around_all_of_it_go(answer: str, text: str) -> None:
    assert bare(answer) == text
