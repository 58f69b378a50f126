from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from services.local.ports import FIRST, LAST, Ports, reachable_host
from services.runtime.errors import FailedPrecondition

HOST = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def chosen(
    names: list[str], remembered: dict[str, int], fixed: dict[str, int] | None = None
) -> dict[str, int]:
    ports = Ports(HOST)
    try:
        ports.choose(names, remembered, fixed or {})
        return ports.numbers
    finally:
        ports.release()


def test_new_ports_are_free_different_and_below_the_outgoing_range() -> None:
    numbers = chosen([f"name{i}" for i in range(20)], {})
    assert len(set(numbers.values())) == 20
    assert all(FIRST <= number < LAST for number in numbers.values())


def test_remembered_ports_are_kept() -> None:
    first = chosen(["a", "b"], {})
    again = chosen(["a", "b", "c"], first)
    assert again == first | {"c": again["c"]}


def test_a_remembered_port_that_is_taken_is_replaced(listener: int) -> None:
    assert chosen(["a"], {"a": listener})["a"] != listener


def test_a_port_remembered_for_two_names_goes_to_one() -> None:
    number = chosen(["a"], {})["a"]
    numbers = chosen(["a", "b"], {"a": number, "b": number})
    assert numbers["a"] == number
    assert numbers["b"] != number


@pytest.mark.parametrize("number", [-1, 0, 65536, 10**9])
def test_a_remembered_number_that_is_no_port_is_replaced(number: int) -> None:
    assert FIRST <= chosen(["a"], {"a": number})["a"] < LAST


def test_a_fixed_port_wins_over_a_remembered_one() -> None:
    one, other = chosen(["a", "b"], {}).values()
    assert chosen(["a"], {"a": one}, {"a": other})["a"] == other


def test_a_fixed_port_that_is_taken_is_an_error_that_names_it(listener: int) -> None:
    with pytest.raises(FailedPrecondition, match=f"port {listener}, set for ingest, is in use"):
        chosen(["ingest"], {}, {"ingest": listener})


def test_a_new_port_is_held_until_it_is_released() -> None:
    ports = Ports(HOST)
    ports.choose(["a"], {}, {})
    address = (HOST, ports.numbers["a"])
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(address)
    ports.release()
    with socket.create_server(address):
        pass


def test_wildcards_are_reached_on_loopback() -> None:
    hosts = ("0.0.0.0", "::", "127.0.0.1", "10.0.0.5")  # noqa: S104  # not bound
    assert [reachable_host(host) for host in hosts] == ["127.0.0.1", "::1", "127.0.0.1", "10.0.0.5"]
