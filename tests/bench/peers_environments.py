"""The peers that the rooms are measured beside, each installed in an environment of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CACHE = Path.home() / ".cache" / "sishu" / "bench"
INSTALL_SECONDS = 900


class PeerError(Exception):
    """A peer could not be installed, or did not do its work."""


@dataclass(frozen=True)
class Peer:
    """A program of others that asks language models.

    Args:
        name: on PyPI; its script is `peers_<name>.py`.
        version: the one that is installed.
        settings: values of its setting of concurrency, of which the best counts; the script says which setting.
    """

    name: str
    version: str
    settings: Sequence[int]

    @property
    def script(self) -> Path:
        """What makes it ask, run by its own Python."""
        return Path(__file__).with_name(f"peers_{self.name.replace('-', '_')}.py")


PEERS = (
    Peer("synthetic-data-kit", "0.0.5", (32,)),
    Peer("data-designer", "0.9.7", (64, 256)),
    Peer("bespokelabs-curator", "0.1.31", (128, 512)),
)
QUIET = {
    "CURATOR_VIEWER": "0",
    "TELEMETRY_ENABLED": "false",
    "NEMO_TELEMETRY_ENABLED": "false",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
"""No telemetry, no viewers, no hub."""


def installed(peer: Peer) -> Path:
    """The Python of the peer's environment, which is made unless it is there.

    Raises:
        PeerError: it cannot be installed.
    """
    folder = CACHE / f"{peer.name}-{peer.version}"
    return environment(folder, [f"{peer.name}=={peer.version}"])


def environment(
    folder: Path, packages: Sequence[str], without: Sequence[str] = (), stubs: Sequence[str] = ()
) -> Path:
    """The Python of an environment with these packages, which is made unless it is there.

    Args:
        folder: of the environment.
        packages: as pip names them.
        without: those of their requirements that are left out.
        stubs: those of them that are imported all the same; a module of nothing stands in for each.

    Raises:
        PeerError: it cannot be installed.
    """
    python, whole = folder / "bin" / "python", folder / "whole"
    if not whole.exists():
        run("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        left_out = folder / "left_out.txt"
        left_out.write_text("".join(f'{name}; python_version < "3"\n' for name in without), encoding="utf-8")
        install = ("pip", "install", "--quiet", "--python", str(python), "--override", str(left_out))
        run(*install, *packages)
        for name in stubs:
            (site,) = folder.glob("lib/python3*/site-packages")
            (site / f"{name}.py").write_text('"""Left out."""\n', encoding="utf-8")
        whole.touch()
    return python


def run(*arguments: str) -> None:
    """Run uv.

    Raises:
        PeerError: it failed.
    """
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else shutil.which("uv") or "uv"
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from error
    if done.returncode:
        raise PeerError(last_line(done.stderr))


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason was given")
