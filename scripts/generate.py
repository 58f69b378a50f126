"""Generate the Python contracts from `protos/` into `clients/python/` (`make gen`).

With `--check`, generate into a temporary folder and fail when the committed files differ.
The directory of a proto equals its package, so nothing needs to be rewritten afterwards.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
OUTPUT = ROOT / "clients" / "python"
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(output: Path) -> None:
    """Run protoc over every proto, ours and vendored.

    Raises:
        SystemExit: protoc failed; it has printed why.
    """
    sources = sorted(str(path) for path in PROTOS.rglob("*.proto"))
    code = protoc.main(
        [
            "protoc",
            f"-I{PROTOS / 'third_party'}",
            f"-I{PROTOS}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={output}",
            f"--grpc_python_out={output}",
            f"--mypy_out=quiet:{output}",
            f"--mypy_grpc_out=quiet:{output}",
            *sources,
        ]
    )
    if code != 0:
        sys.exit(f"protoc ended with code {code}")
    for path in generated_files(output):
        if path.name.endswith(("_grpc.py", "_grpc.pyi")) and not is_service(path):
            path.unlink()


def is_service(path: Path) -> bool:
    """Whether a generated grpc module holds a service; the others are empty shells."""
    return path.name.endswith(("_service_pb2_grpc.py", "_service_pb2_grpc.pyi"))


def generated_files(folder: Path) -> list[Path]:
    """Every generated file below a folder, sorted."""
    return sorted(path for pattern in GENERATED for path in folder.rglob(pattern))


def drift(fresh: Path) -> list[str]:
    """Names of the files that differ between a fresh generation and the committed one."""
    names = {str(path.relative_to(fresh)) for path in generated_files(fresh)}
    names |= {str(path.relative_to(OUTPUT)) for path in generated_files(OUTPUT)}
    return sorted(name for name in names if not same(fresh / name, OUTPUT / name))


def same(left: Path, right: Path) -> bool:
    """Whether both files exist with the same bytes."""
    return left.is_file() and right.is_file() and filecmp.cmp(left, right, shallow=False)


def main() -> None:
    """Generate, or check with `--check`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the committed code differs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(fresh)
        if arguments.check:
            changed = drift(fresh)
            if changed:
                sys.exit("generated code is out of date; run `make gen`:\n  " + "\n  ".join(changed))
            print(f"generated code is up to date: {len(generated_files(fresh))} files")
            return
        for path in generated_files(OUTPUT):
            path.unlink()
        shutil.copytree(fresh, OUTPUT, dirs_exist_ok=True)
        print(f"generated {len(generated_files(OUTPUT))} files")


if __name__ == "__main__":
    main()
