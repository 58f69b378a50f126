"""Which network addresses may be fetched from: public ones, and those that the operator allows.

A URL is given by a caller, but fetched from inside: without this check it reaches databases and clouds'
metadata servers (https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from services.runtime.errors import InvalidArgument

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host and port; raises `OSError` where there are none."""

ALL = (ip_network("0.0.0.0/0"), ip_network("::/0"))
ALL_WORDS = {"all", "true", "yes", "on", "1"}
GLOBAL_UNICAST = ip_network("2000::/3")
"""What IPv6 routes on the Internet (RFC 4291); all else is local, multicast or a translation."""
NAT64 = ip_network("64:ff9b::/96")


def networks(setting: str) -> tuple[Network, ...]:
    """Networks from a setting: empty for none, `all`, or networks with commas between.

    Raises:
        InvalidArgument: it cannot be read.
    """
    if setting.strip().lower() in ALL_WORDS:
        return ALL
    try:
        return tuple(ip_network(part.strip()) for part in setting.split(",") if part.strip())
    except ValueError:
        raise InvalidArgument(
            "CONFIG_INVALID",
            "SISHU_INGEST_PRIVATE_ADDRESSES must be empty, `all`, or networks such as 10.1.0.0/16,fd00::/8",
            "SISHU_INGEST_PRIVATE_ADDRESSES",
        ) from None


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether an address is public or in an allowed network."""
    real = translated(ip_address(address))
    return is_public(real) or any(real in network for network in allowed)


def translated(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, mapped, by 6to4 or by NAT64; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


SPECIAL = (
    ip_network(
        "192.0.0.0/24"
    ),  # protocol assignments, among them metadata servers; versions of Python differ
    ip_network("192.88.99.0/24"),  # the retired relays of 6to4
    ip_network("168.63.129.16/32"),  # a cloud's own host, though it looks public
)
"""Networks that count as public and are not."""


def is_public(address: Address) -> bool:
    """Whether the Internet routes an address to one machine; Teredo's hide another and are not."""
    if isinstance(address, IPv6Address):
        return address in GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast and not any(address in one for one in SPECIAL)


async def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host by the system's resolver, which also reads numbers in any notation.

    Raises:
        OSError: there are none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
