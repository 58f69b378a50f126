"""When jobs are paused because nothing comes of their calls."""

from __future__ import annotations

import pytest

from services.generation.asking.refusing import AWAY, ENDURANCE, PAUSING
from services.runtime.errors import DeadlineExceeded, Unavailable


@pytest.mark.parametrize("reason", AWAY)
def test_a_server_that_is_away_is_put_up_with_for_long_and_then_pauses_the_job(reason: str) -> None:
    error = Unavailable(reason, "http://h/v1 (model m) cannot be reached", base_url="http://h/v1")
    paused = ENDURANCE.failure(error, "the-job")
    assert paused and (paused.code, paused.reason) == ("UNAVAILABLE", reason)
    assert paused.message == f"{error.message}. Then let it go on with `sishu job resume the-job`"
    assert paused.metadata == {"base_url": "http://h/v1", "paused_job_id": "the-job"}
    assert ENDURANCE.longer[reason] == 30


def test_a_host_that_nobody_knows_pauses_the_job_no_later_than_other_trouble_fails_an_item() -> None:
    error = Unavailable("PROVIDER_HOST_UNKNOWN", "the name h cannot be looked up")
    paused = ENDURANCE.failure(error, "the-job")
    assert paused and paused.reason == error.reason
    assert error.reason not in ENDURANCE.longer


def test_a_connection_that_cannot_be_secure_pauses_the_job_at_once() -> None:
    assert {"PROVIDER_CERTIFICATE_REFUSED", "PROVIDER_TLS_FAILED"} < PAUSING


@pytest.mark.parametrize(
    "error", [DeadlineExceeded("PROVIDER_TIMED_OUT", "slow"), Unavailable("OTHER", "no")]
)
def test_other_trouble_is_that_of_an_item(error: Unavailable | DeadlineExceeded) -> None:
    assert ENDURANCE.failure(error, "the-job") is None
