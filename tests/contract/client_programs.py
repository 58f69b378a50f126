"""Generate Go and TypeScript clients from the protos and build the scenario's programs against them.

Only local plugins generate: their versions are pinned in `clients/testdata`. What is downloaded or compiled
stays in the caches of the toolchains, outside the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import grpc_tools
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
TESTDATA = ROOT / "clients" / "testdata"
SCENARIO = TESTDATA / "scenario.json"
BUILD_SECONDS = 500.0
RUN_SECONDS = 60.0


def demand(*programs: str) -> None:
    """Skip the test where a toolchain is missing; under `CI=true` fail instead."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"not on the PATH: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def go_program(folder: Path) -> list[str]:
    """Build the Go program in a folder; return its command line without arguments."""
    demand("go")
    copy("go", folder)
    plugins = [
        "google.golang.org/protobuf/cmd/protoc-gen-go",
        "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
    ]
    run(["go", "build", "-trimpath", "-o", "bin/", *plugins], folder)
    protoc(
        f"--plugin={folder / 'bin' / 'protoc-gen-go'}",
        f"--plugin={folder / 'bin' / 'protoc-gen-go-grpc'}",
        f"--go_out={folder}",
        "--go_opt=module=sishu.dev/go",
        f"--go-grpc_out={folder}",
        "--go-grpc_opt=module=sishu.dev/go",
        *own_protos(),
    )
    run(["go", "build", "-trimpath", "./..."], folder)
    run(["go", "build", "-trimpath", "-o", "bin/scenario", "."], folder)
    return [str(folder / "bin" / "scenario")]


def typescript_program(folder: Path) -> list[str]:
    """Build the TypeScript program in a folder; return its command line without arguments."""
    demand("node", "npm")
    copy("typescript", folder)
    run(["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], folder)
    (folder / "gen").mkdir()
    protoc(
        f"--plugin={folder / 'node_modules' / '.bin' / 'protoc-gen-es'}",
        f"--es_out={folder / 'gen'}",
        "--es_opt=target=ts,import_extension=js",
        *own_protos(),
        "buf/validate/validate.proto",
        "google/rpc/code.proto",
        "google/rpc/error_details.proto",
    )
    run(["node", "node_modules/.bin/tsc"], folder)
    return ["node", str(folder / "program.js")]


def copy(language: str, folder: Path) -> None:
    """Copy a language's program; what a developer's tools left beside it stays behind."""
    ignored = shutil.ignore_patterns("node_modules", "gen", "bin", "*.js")
    shutil.copytree(TESTDATA / language, folder, ignore=ignored)


def own_protos() -> list[str]:
    """Our protos, relative to `protos/`."""
    return sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "sishu").rglob("*.proto"))


def protoc(*arguments: str) -> None:
    """Run protoc; it finds our protos, the vendored ones, and Google's, which ship beside their code."""
    google = find_spec("google.rpc")
    assert google is not None
    assert google.submodule_search_locations is not None
    includes = [
        PROTOS,
        PROTOS / "third_party",
        Path(next(iter(grpc_tools.__path__))) / "_proto",
        *(Path(location).parents[1] for location in google.submodule_search_locations),
    ]
    run([sys.executable, "-m", "grpc_tools.protoc", *(f"-I{path}" for path in includes), *arguments], ROOT)


def run(command: list[str], folder: Path, seconds: float = BUILD_SECONDS) -> str:
    """Run a program and return its standard output; fail with all that it printed unless it ends well."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=seconds, check=False
    )
    assert done.returncode == 0, (
        f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    )
    return done.stdout
