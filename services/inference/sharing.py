"""Engines that several deployments share: one base in memory, adapters beside it."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog

from services.inference.deployments import Deployment, ModelFolders
from services.inference.engine_process import EngineProcess, Engines
from services.runtime.errors import InvalidArgument, Unavailable

ADAPTER_SECONDS = 120.0
"""Longest time that an engine may take to load an adapter."""

log = structlog.get_logger()


@dataclass(eq=False)
class Host:
    """An engine with the deployments that it serves, each by its name there."""

    engine: EngineProcess
    base_name: str
    names: dict[str, str] = field(default_factory=dict)
    ended: bool = False

    def name_for(self, deployment: Deployment) -> str:
        """A name that no other deployment has here."""
        wanted = deployment.served_model_name
        taken = {self.base_name, *self.names.values()}
        return deployment.id if wanted in taken else wanted


@dataclass(frozen=True)
class Seat:
    """A deployment's place in an engine."""

    engine: EngineProcess
    model_name: str
    """Name under which the engine knows the deployment's model."""
    leave: Callable[[], Awaitable[None]]

    @property
    def pid(self) -> int:
        """Process id of the engine."""
        return self.engine.pid

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return self.engine.base_url

    async def wait(self) -> int:
        """Wait until the engine ends; return its exit code."""
        return await self.engine.wait()

    async def stop(self) -> None:
        """Give the place back; the last to leave ends the engine."""
        await self.leave()


class Seats:
    """Finds each deployment a place: in an engine of its own, or in one that others share.

    Args:
        engines: starts engines.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._hosts: dict[str, Host] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def start(self, deployment: Deployment, folders: ModelFolders) -> Seat:
        """A place whose engine answers for the deployment.

        Raises:
            SishuError: there is none; the message says why.
        """
        if not deployment.options.shared:
            engine = await self._engines.start(deployment, folders)
            return Seat(engine, deployment.served_model_name, engine.stop)
        key = json.dumps([str(folders.model), deployment.options.of_engine], sort_keys=True)
        async with self._locks[key]:
            host = self._hosts.get(key)
            if host is None or host.ended or host.engine.ended:
                base_name = folders.base_name or deployment.served_model_name
                engine = await self._engines.start_shared(deployment, folders.model, base_name)
                host = self._hosts[key] = Host(engine, base_name)
            return await self._enter(key, host, deployment, folders.adapter)

    def forget_others(self, deployment_ids: Collection[str]) -> None:
        """Delete the logs of all deployments but these, and of those that they share engines with."""
        kept = {*deployment_ids, *(name for host in list(self._hosts.values()) for name in list(host.names))}
        self._engines.forget_others(kept)

    async def _enter(self, key: str, host: Host, deployment: Deployment, adapter: Path | None) -> Seat:
        name = host.name_for(deployment) if adapter else host.base_name
        host.names[deployment.id] = name

        async def leave() -> None:
            async with self._locks[key]:
                await self._leave(key, host, deployment, unload=adapter is not None)

        try:
            if adapter:
                await load_adapter(host.engine, name, adapter)
        except BaseException:
            await self._leave(key, host, deployment, unload=False)
            raise
        return Seat(host.engine, name, leave)

    async def _leave(self, key: str, host: Host, deployment: Deployment, *, unload: bool) -> None:
        name = host.names.pop(deployment.id, "")
        if host.names:
            host.ended = host.ended or host.engine.ended
            if unload and not host.ended:
                await unload_adapter(host.engine, name)
            return
        host.ended = True
        if self._hosts.get(key) is host:
            del self._hosts[key]
        await host.engine.stop()


async def load_adapter(engine: EngineProcess, name: str, folder: Path) -> None:
    """Load an adapter into an engine.

    Raises:
        InvalidArgument: the engine refuses it.
        Unavailable: the engine does not answer.
    """
    answer = await _post(engine, "load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
    if answer.status_code == 200:
        return
    error = _error_of(answer)
    if answer.status_code == 400:
        raise InvalidArgument(
            str(error.get("code", "ADAPTER_INVALID")).upper(), str(error.get("message", ""))
        )
    raise Unavailable("ENGINE_FAILED", f"the engine cannot load the adapter now: {error.get('message', '')}")


async def unload_adapter(engine: EngineProcess, name: str) -> None:
    """Take an adapter out of an engine; one that has ended holds none."""
    try:
        await _post(engine, "unload_lora_adapter", {"lora_name": name})
    except Unavailable as error:
        log.warning("adapter_not_unloaded", name=name, error=error.message)


async def _post(engine: EngineProcess, path: str, body: dict[str, str]) -> httpx.Response:
    try:
        async with httpx.AsyncClient(timeout=ADAPTER_SECONDS, trust_env=False) as http:
            return await http.post(f"{engine.base_url}/{path}", json=body)
    except httpx.TransportError as error:
        raise Unavailable(
            "ENGINE_ENDED", f"the engine does not answer: {error or type(error).__name__}"
        ) from error


def _error_of(answer: httpx.Response) -> dict[str, object]:
    try:
        found = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {"message": answer.text[:500]}
    return found if isinstance(found, dict) else {"message": str(found)}
