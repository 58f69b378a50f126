"""Ports of the stack: the same ones as last time where they are free, else new ones."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress

from services.runtime.auth import is_loopback
from services.runtime.errors import FailedPrecondition, ResourceExhausted

FIRST, LAST = 20000, 32000
"""Below the range of outgoing ports (on Linux from 32768), so that no connection takes a port of ours."""
TRIES = 2000


class Ports:
    """A number for every name.

    A freshly chosen port stays bound, without listening, until `release`: two stacks that start at
    once choose different ones.

    Args:
        host: address that the rooms listen on; beyond loopback a port must be free on all addresses.
    """

    def __init__(self, host: str) -> None:
        self._host = "127.0.0.1" if is_loopback(host) else "0.0.0.0"  # noqa: S104  # to see who listens
        self._held: dict[str, socket.socket] = {}
        self.numbers: dict[str, int] = {}

    def choose(self, names: Iterable[str], remembered: Mapping[str, int], fixed: Mapping[str, int]) -> None:
        """Give every name a number: the fixed one, else the remembered one if it is free, else a new one.

        Raises:
            FailedPrecondition: a fixed port is taken.
            ResourceExhausted: no port is free.
        """
        wanted = list(names)
        for name in wanted:
            if name in fixed:
                self._fix(name, fixed[name])
        for name in wanted:
            number = remembered.get(name, 0)
            if name not in self.numbers and number not in self.numbers.values() and self._is_free(number):
                self.numbers[name] = number
        for name in wanted:
            if name not in self.numbers:
                self._find(name)

    def release(self) -> None:
        """Let go of the ports that are held, for the programs to take."""
        for held in self._held.values():
            held.close()
        self._held.clear()

    def _fix(self, name: str, number: int) -> None:
        if number in self.numbers.values() or not self._is_free(number):
            raise FailedPrecondition(
                "PORT_TAKEN",
                f"port {number}, set for {name}, is in use; stop the program that uses it, or set another",
                port=str(number),
            )
        self.numbers[name] = number

    def _is_free(self, number: int) -> bool:
        """Whether a server can listen there. Like one, we set SO_REUSEADDR: closed connections may linger."""
        if not 0 < number < 65536:
            return False
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, number))
            except OSError:
                return False
        return True

    def _find(self, name: str) -> None:
        chooser = random.SystemRandom()
        for _ in range(TRIES):
            number = chooser.randrange(FIRST, LAST)
            if number in self.numbers.values():
                continue
            held = socket.socket()
            with suppress(OSError):
                held.bind((self._host, number))
                self._held[name] = held
                self.numbers[name] = number
                return
            held.close()
        raise ResourceExhausted(
            "NO_FREE_PORT", f"no free port between {FIRST} and {LAST} on {self._host}; stop some servers"
        )


def reachable_host(host: str) -> str:
    """Where a client on this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
