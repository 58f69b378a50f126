from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.questions.quotes import place_in_source

SOURCE = "The pump was built in 1983. It holds 40 litres. The va1ve is red."
EDITED = "The pump was built in 1983. It holds 40 litres of oil. The valve is red. Sold in 2020."


@pytest.mark.parametrize(
    ("piece", "source"),
    [
        ("The pump was built in 1983.", "The pump was built in 1983."),
        ("It holds 40 litres of oil.", "It holds 40 litres."),
        ("The valve is red.", "The va1ve is red."),
    ],
)
def test_a_piece_of_an_edited_text_stands_for_what_is_in_the_source(piece: str, source: str) -> None:
    start = EDITED.index(piece)
    place = place_in_source(EDITED, SOURCE, start, start + len(piece))
    assert place is not None
    assert SOURCE[place[0] : place[1]] == source


def test_what_is_all_new_stands_for_nothing() -> None:
    assert place_in_source("Wholly new words.", "1234567890", 0, 10) is None
    start = EDITED.index("Sold in 2020.")
    assert place_in_source(EDITED, SOURCE, start, len(EDITED)) is None


@given(st.text(), st.data())
def test_of_an_unedited_text_every_piece_is_itself(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert place_in_source(text, text, start, end) == (start, end)


@given(st.text(max_size=60), st.text(max_size=60), st.data())
def test_a_place_lies_in_the_source_and_is_not_empty(edited: str, source: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(edited)))
    end = data.draw(st.integers(start, len(edited)))
    place = place_in_source(edited, source, start, end)
    if place is not None and edited != source:
        assert 0 <= place[0] < place[1] <= len(source)
