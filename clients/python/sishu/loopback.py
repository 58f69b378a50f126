"""Addresses of this machine: what is sent there never goes by a proxy, whatever the environment says."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

WITHOUT_PROXY: Mapping[str, None] = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))
"""For `httpx.AsyncClient(mounts=...)`: to these hosts without a proxy."""


def is_loopback(address: str) -> bool:
    """Whether `host:port` is an address of this machine."""
    host = address.removeprefix("dns:").lstrip("/").rpartition(":")[0].strip("[]")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
