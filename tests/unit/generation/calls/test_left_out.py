"""How long members of pools are left out that turn callers away."""

from __future__ import annotations

import pytest

from services.generation.calls.left_out import ECHO_SECONDS, MOST_FAILURES, LeftOut, NotNow
from services.generation.providers.providers import Endpoint
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, SishuError

BAD, GOOD = Endpoint("http://bad/v1", "m", "sk"), Endpoint("http://good/v1", "m", "sk")
BOTH = [BAD, GOOD]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal() -> SishuError:
    return FailedPrecondition("PROVIDER_REFUSED_KEY", "no", base_url="http://bad/v1")


def takes(out: LeftOut, endpoint: Endpoint, *among: Endpoint, since: float | None = None) -> bool:
    try:
        out.check(endpoint, among, out.clock() if since is None else since)
    except (SishuError, NotNow):
        return False
    return True


def test_a_member_is_left_out_for_longer_each_time_and_tried_by_one_call_then() -> None:
    clock = Clock()
    out = LeftOut(clock)
    for seconds in (60, 120, 240, 480, 600, 600):
        for _ in range(5):
            out.refused(BAD, refusal())
        clock.now += seconds - 1
        assert out.rest_of(BOTH) == [GOOD]
        assert not takes(out, BAD, *BOTH)
        clock.now += 1
        assert out.rest_of(BOTH) == BOTH
        assert [takes(out, BAD, *BOTH) for _ in range(3)] == [True, False, False]


def test_an_answer_makes_all_forgotten() -> None:
    clock = Clock()
    out = LeftOut(clock)
    out.refused(BAD, refusal())
    clock.now += 60
    assert takes(out, BAD, *BOTH)
    out.answered(BAD, clock())
    assert takes(out, BAD, *BOTH)
    out.refused(BAD, refusal())
    clock.now += 60
    assert out.rest_of(BOTH) == BOTH


def test_an_answer_to_a_call_that_began_before_a_refusal_makes_nothing_forgotten() -> None:
    clock = Clock()
    out = LeftOut(clock)
    began = clock()
    clock.now += 0.1
    out.refused(BAD, refusal())
    clock.now += 0.1
    out.answered(BAD, began)
    assert out.rest_of(BOTH) == [GOOD]
    assert not takes(out, BAD, *BOTH)


def test_where_all_are_left_out_all_are_asked() -> None:
    clock = Clock()
    out = LeftOut(clock)
    out.refused(BAD, refusal())
    out.refused(GOOD, refusal())
    clock.now += ECHO_SECONDS
    assert out.rest_of(BOTH) == BOTH
    assert takes(out, BAD, *BOTH)
    assert takes(out, GOOD, GOOD)


def test_a_call_that_waited_while_others_were_refused_is_not_made() -> None:
    clock = Clock()
    out = LeftOut(clock)
    began = clock.now
    clock.now += 1
    out.refused(BAD, refusal())
    with pytest.raises(SishuError, match="no") as raised:
        out.check(BAD, [BAD], began)
    raised.value.metadata["calls"] = "1"
    with pytest.raises(SishuError) as again:
        out.check(BAD, [BAD], began)
    assert again.value.metadata == {"base_url": "http://bad/v1"}
    clock.now += ECHO_SECONDS / 2
    assert not takes(out, BAD, BAD)
    # One that begins to wait later may find the account filled up.
    clock.now += ECHO_SECONDS / 2
    assert takes(out, BAD, BAD, since=clock.now)


def test_another_key_is_another_endpoint() -> None:
    out = LeftOut(Clock())
    out.refused(BAD, refusal())
    mended = Endpoint(BAD.base_url, "m", "sk-new")
    assert out.rest_of([mended, GOOD]) == [mended, GOOD]


def failure() -> SishuError:
    return DeadlineExceeded("PROVIDER_TIMED_OUT", "no answer", base_url="http://bad/v1")


def test_a_member_without_answers_is_left_out_for_longer_each_time_and_tried_by_one_call_then() -> None:
    clock = Clock()
    out = LeftOut(clock)
    for _ in range(MOST_FAILURES):
        assert out.rest_of(BOTH) == BOTH
        assert takes(out, BAD, *BOTH)
        out.failed(BAD, failure())
    for seconds in (15, 30, 60, 120, 240, 480, 600, 600):
        out.failed(BAD, failure())
        clock.now += seconds - 1
        assert out.rest_of(BOTH) == [GOOD]
        assert not takes(out, BAD, *BOTH)
        clock.now += 1
        assert [takes(out, BAD, *BOTH) for _ in range(3)] == [True, False, False]
    out.answered(BAD, clock())
    assert out.rest_of(BOTH) == BOTH


def test_a_member_that_answers_between_failures_is_not_left_out() -> None:
    out = LeftOut(Clock())
    for _ in range(9):
        out.failed(BAD, failure())
        out.failed(BAD, failure())
        out.answered(BAD, out.clock())
    assert out.rest_of(BOTH) == BOTH


def test_where_no_other_can_be_asked_one_without_answers_is() -> None:
    out = LeftOut(Clock())
    for _ in range(9):
        out.failed(BAD, failure())
    assert takes(out, BAD, BAD)
    out.refused(GOOD, refusal())
    assert out.rest_of(BOTH) == BOTH
    assert takes(out, BAD, *BOTH)
