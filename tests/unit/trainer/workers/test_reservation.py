"""What is held for runs that need several devices: a rule without a database."""

from __future__ import annotations

from datetime import UTC, datetime

from services.trainer.workers.reservation import Shortage, Wait, ends, held_for, shortage_of

NOW = datetime(2024, 1, 1, tzinfo=UTC)
CARDS = ("0", "1", "2", "3")


def wait(run_id: str, count: int, devices: tuple[str, ...] = CARDS) -> Wait:
    return Wait(run_id, devices, count, NOW)


def test_what_is_free_is_held_for_the_oldest_run_until_it_has_all() -> None:
    wide = wait("a", 3)
    assert held_for("b", [wide], taken={"0", "1"}) == {"2": "a", "3": "a"}
    assert held_for("b", [wide], taken={"0"}) == {"1": "a", "2": "a", "3": "a"}
    # What it does not need is for whoever comes.
    assert held_for("b", [wide], taken=set()) == {"0": "a", "1": "a", "2": "a"}


def test_nothing_is_held_against_an_older_run_or_oneself() -> None:
    waits = [wait("b", 4), wait("c", 2)]
    assert held_for("a", waits, set()) == {}
    assert held_for("b", waits, set()) == {}
    assert set(held_for("c", waits, set()).values()) == {"b"}


def test_older_runs_hold_before_younger_ones_and_only_what_they_may_have() -> None:
    waits = [wait("b", 2), wait("a", 2, ("1", "2"))]
    assert held_for("c", waits, taken=set()) == {"1": "a", "2": "a", "0": "b", "3": "b"}
    assert held_for("c", waits, taken={"1"}) == {"2": "a", "0": "b", "3": "b"}


def test_a_shortage_says_what_lacks_who_holds_it_and_until_when() -> None:
    held = held_for("b", [wait("a", 4)], taken={"0", "1"})
    found = shortage_of("node", CARDS, 1, {"0", "1"}, held)
    assert found == Shortage("node", 1, 2, {"a": 2})
    assert str(found) == (
        "1 device is needed on node, 2 free; held for older runs that wait for several: 2 for run a"
    )
    own = Shortage("node", 4, 2, {}, ends(NOW, 86_400))
    assert str(own) == (
        "4 devices are needed on node, 2 free; what becomes free is held for this run until 2024-01-02 00:00 UTC"
    )
    assert str(shortage_of("node", CARDS, 1, CARDS, {})) == "1 device is needed on node, 0 free"
