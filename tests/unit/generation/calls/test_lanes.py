"""What a lane tells of the calls that a server refuses."""

from __future__ import annotations

import math

import pytest

from services.generation.calls.lanes import MOST_PAUSE_SECONDS, Lane
from services.generation.calls.replies import Usage
from services.generation.calls.sharing import Share
from services.generation.providers.providers import Endpoint


@pytest.fixture
def lane() -> Lane:
    made = Lane(Endpoint("http://h/v1", "m"), 0.0)
    made.take(Share(0, 10, 1.0), 0.0)
    return made


def end_well(lane: Lane, began: float, now: float) -> None:
    permit = lane.begin(began)
    lane.ended(permit, Usage(1, 1, 1), now)
    lane.in_flight -= 1


def test_a_server_that_served_and_now_refuses_all_is_left_alone_by_everybody(lane: Lane) -> None:
    end_well(lane, 0.0, 1.0)
    for _ in range(10):
        lane.refused(60.0, 1.5)
    assert lane.report(1.8).pause_seconds == 0.0, "it answered a moment ago"
    assert lane.report(4.0).pause_seconds == pytest.approx(57.5)
    assert lane.report(4.3).pause_seconds == 0.0, "it is told once"


def test_a_call_too_many_beside_others_that_end_well_stops_nobody(lane: Lane) -> None:
    end_well(lane, 0.0, 1.0)
    lane.refused(60.0, 1.5)
    end_well(lane, 1.0, 2.0)
    assert lane.report(2.3).pause_seconds == 0.0
    end_well(lane, 2.0, 3.0)
    assert lane.report(59.0).pause_seconds == 0.0, "a call that began after the refusal ended well"


def test_a_server_that_never_answered_is_left_alone_at_once(lane: Lane) -> None:
    lane.refused(60.0, 1.0)
    assert lane.report(1.0).pause_seconds == 60.0


@pytest.mark.parametrize("asked", [1e12, math.inf])
def test_no_server_stops_the_work_for_longer_than_ten_minutes(lane: Lane, asked: float) -> None:
    lane.refused(asked, 1.0)
    assert lane.report(1.0).pause_seconds == MOST_PAUSE_SECONDS == 600.0


def test_calls_that_are_answered_are_told_also_where_there_was_room_beside_them(lane: Lane) -> None:
    end_well(lane, 0.0, 1.0)
    permit = lane.begin(1.0)
    lane.take(Share(1, 10, 1.0), 1.5)
    lane.ended(permit, Usage(1, 1, 1), 2.0)
    report = lane.report(2.0)
    assert (report.calls, report.answered) == (0, 1), "the second began in a round that is over"


def test_a_later_pause_that_is_shorter_holds(lane: Lane) -> None:
    lane.take(Share(1, 10, 1.0, paused_seconds=500.0), 0.0)
    assert lane.wait_seconds(1.0) == 499.0
    lane.take(Share(2, 10, 1.0, paused_seconds=2.0), 1.0)
    assert lane.wait_seconds(1.0) == 2.0
