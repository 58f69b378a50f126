"""What the stack says of itself: `stack.json` in the state directory, written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from services.runtime import errors
from services.runtime.errors import Internal, SishuError

VERSION = 1
"""Format of `stack.json`. A file of another format is not read; ports are then chosen afresh."""


class State(StrEnum):
    """Where a component is in its life."""

    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    """Its process lives and was healthy, but its health check fails now."""
    RESTARTING = "restarting"
    """Its process died; the next one starts after a back-off."""
    FAILED = "failed"
    """It cannot be started at all; `detail` says why."""
    STOPPED = "stopped"


@dataclass(frozen=True)
class ComponentState:
    """One server or room.

    Args:
        name: `postgres`, `s3` or the name of a room.
        state: where it is in its life.
        address: `host:port` where it is reached.
        metrics: where its metrics are read; empty where it has none.
        pid: its process while it has one; none for a server that runs elsewhere.
        restarts: how often it was started again since the stack came up.
        deaths: how often its process died in a row, since it was last healthy.
        exit_code: how its last process ended; -N stands for signal N.
        since: when it came into this state, UTC.
        detail: what is going on or wrong, for people.
        external: it runs elsewhere and is only watched.
    """

    name: str
    state: State = State.STARTING
    address: str = ""
    pid: int | None = None
    restarts: int = 0
    deaths: int = 0
    exit_code: int | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    detail: str = ""
    external: bool = False
    metrics: str = ""


@dataclass(frozen=True)
class Failure:
    """Why the supervisor gave up: an error's class, reason and message."""

    kind: str
    reason: str
    message: str

    @classmethod
    def of(cls, error: SishuError) -> Failure:
        """The failure that an error is."""
        return cls(type(error).__name__, error.reason, error.message)

    def error(self) -> SishuError:
        """The error again, in the process that asked for the stack."""
        kind = getattr(errors, self.kind, Internal)
        raised: SishuError = kind(self.reason, self.message)
        return raised


@dataclass(frozen=True)
class StackState:
    """The stack as a whole.

    Args:
        home: its state directory.
        supervisor_pid: the supervisor's process; none when the stack is down.
        components: the servers, then the rooms.
        ports: every port by its name, kept so that addresses outlive a restart.
        environment: the SISHU_* variables under which the rooms run and clients reach them; holds secrets.
        failure: why the last supervisor gave up, if it did.
    """

    home: Path
    supervisor_pid: int | None = None
    components: tuple[ComponentState, ...] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    failure: Failure | None = None

    @property
    def running(self) -> bool:
        """Whether a supervisor is at work."""
        return self.supervisor_pid is not None

    @property
    def healthy(self) -> bool:
        """Whether every component is."""
        return bool(self.components) and all(one.state is State.HEALTHY for one in self.components)

    @property
    def addresses(self) -> dict[str, str]:
        """`host:port` of every component, by its name."""
        return {one.name: one.address for one in self.components}

    def component(self, name: str) -> ComponentState:
        """The component of a name.

        Raises:
            KeyError: there is none.
        """
        return {one.name: one for one in self.components}[name]

    def stopped(self) -> StackState:
        """The same stack without its processes; what failed still says so."""
        components = (
            one if one.state is State.FAILED else replace(one, state=State.STOPPED, pid=None, detail="")
            for one in self.components
        )
        return replace(self, supervisor_pid=None, components=tuple(components))


def state_file(home: Path) -> Path:
    """Where the state is kept."""
    return home / "stack.json"


def save(state: StackState) -> None:
    """Write the state, readable by its owner only."""
    document = {"version": VERSION, **asdict(state)}
    write_private(state_file(state.home), json.dumps(document, indent=1, default=str).encode())


def load(home: Path) -> StackState | None:
    """The state as last written; none when there is none, or none that this version can read."""
    try:
        document = json.loads(state_file(home).read_bytes())
        if document.pop("version") != VERSION:
            return None
        return from_document(home, document)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def from_document(home: Path, document: Mapping[str, Any]) -> StackState:
    """Read what `save` wrote; anything else ends in ValueError, KeyError, TypeError or AttributeError."""
    failure = document["failure"]
    pid = document["supervisor_pid"]
    return StackState(
        home=home,
        supervisor_pid=None if pid is None else int(pid),
        components=tuple(component_from(one) for one in document["components"]),
        ports={str(name): int(number) for name, number in document["ports"].items()},
        environment={str(name): str(value) for name, value in document["environment"].items()},
        failure=None if failure is None else Failure(**failure),
    )


def component_from(document: Mapping[str, Any]) -> ComponentState:
    """One component of `stack.json`."""
    return ComponentState(
        **{
            **document,
            "state": State(document["state"]),
            "since": datetime.fromisoformat(document["since"]),
        }
    )


def write_private(path: Path, content: bytes) -> None:
    """Replace a file by one of mode 0600, so that a crash leaves the old one or the new one."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
