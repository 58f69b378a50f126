"""How long a server asks to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.runtime.retry_after import retry_after


@pytest.mark.parametrize(
    ("header", "milliseconds", "seconds"),
    [
        ("2", "", 2.0),
        ("2", "250", 0.25),
        ("2", "soon", 2.0),
        ("", "1500", 1.5),
        ("-3", "", 0.0),
        ("2", "inf", 2.0),
    ],
)
def test_milliseconds_go_before_seconds_where_they_are_a_number(
    header: str, milliseconds: str, seconds: float
) -> None:
    assert retry_after(header, milliseconds) == {"retry_after_seconds": str(seconds)}


def test_a_date_is_told_as_seconds_from_now() -> None:
    then = datetime.now(UTC) + timedelta(seconds=90)
    told = retry_after(format_datetime(then, usegmt=True))
    assert 85 < float(told["retry_after_seconds"]) <= 90


@pytest.mark.parametrize("header", ["", "later", "nan"])
def test_what_names_no_time_says_nothing(header: str) -> None:
    assert retry_after(header) == {}
