"""What reads and cuts documents loads neither the database's driver nor gRPC."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOMAIN = ("documents", "chunks", "cleaning", "formats", "parsing.options", "sniffing", "readers", "splitting")
PROGRAM = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(set(sys.modules) & {"asyncpg", "google.protobuf", "grpc", "minio", "pgqueuer"}))
"""


def loaded_by(*names: str) -> list[str]:
    """What of the stores and the wire modules load."""
    command = [sys.executable, "-c", PROGRAM, *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_the_program_that_parses_loads_no_stores() -> None:
    readers = sorted(
        f"services.ingest.readers.{path.stem}"
        for path in (ROOT / "services" / "ingest" / "readers").iterdir()
        if path.is_dir() != (path.suffix == ".py") and not path.stem.startswith("_")
    )
    assert "services.ingest.readers.zip" in readers
    assert loaded_by("services.ingest.parsing.program", *readers) == []


def test_the_domain_loads_no_stores() -> None:
    assert loaded_by(*(f"services.ingest.{name}" for name in DOMAIN)) == []


def test_a_store_loads_the_driver() -> None:
    assert loaded_by("services.ingest.store")[0] == "asyncpg"
