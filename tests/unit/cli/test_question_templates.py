"""What a change of a question template leaves as it is."""

from __future__ import annotations

import pytest

from sishu.cli.question_templates import changed_labels
from sishu.generation.v1.question_template_pb2 import QuestionTemplate


@pytest.mark.parametrize(
    ("labels", "several", "expected"),
    [
        (["c", "d", "e"], None, (["c", "d", "e"], True)),
        (None, False, (["a", "b"], False)),
        (["c", "d"], False, (["c", "d"], False)),
    ],
)
def test_what_is_not_said_of_labels_stays(
    labels: list[str] | None, several: bool | None, expected: tuple[list[str], bool]
) -> None:
    known = QuestionTemplate(labels=["a", "b"], several_labels=True)
    changed = changed_labels(known, labels, several)
    assert (changed["labels"], changed["several_labels"]) == expected
