"""What a finished run leaves behind: files in the bucket, little on this machine."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.runtime.storage import Storage
from services.trainer.engine.events import FILE_NAME
from services.trainer.guarding import to_its_end
from services.trainer.models import ModelFile
from services.trainer.training_config import write_spec

ADAPTER = "adapter"
MODEL = "model"
CHECKPOINTS = "checkpoints"
ROWS = "train.jsonl"
FIRST_ROWS = "train.first.jsonl"
HELD_OUT = "validation.jsonl"
TOKENS = "tokens"
STACKS = "stacks"
STAGE = ".upload"
"""Folder of what is on its way into the bucket."""
FETCHED = ".fetch-"
"""How folders begin of what is on its way here."""
SPEC = "spec.json"
DIGESTS = "base_model_sha256.json"
START = "pissa.safetensors"


@contextmanager
def local_files(work: Path) -> Iterator[None]:
    """Say clearly when this machine's disk refuses.

    Raises:
        FailedPrecondition: no space, no permission, or the like.
    """
    try:
        yield
    except OSError as error:
        raise FailedPrecondition(
            "WORK_FOLDER_UNUSABLE",
            f"{work}: {error.strerror or error}; free some space or check the permissions of SISHU_HOME",
        ) from error


def save_spec(work: Path, spec: Mapping[str, object]) -> None:
    """Put a run's spec into its work folder.

    Raises:
        FailedPrecondition: the disk refuses.
    """
    with local_files(work):
        write_spec(work / SPEC, spec)


async def upload_folder(storage: Storage, folder: Path, prefix: str) -> list[ModelFile]:
    """Store every file of what the run gives under a prefix; doing it again writes the same keys."""
    files = []
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        info = await to_its_end(storage.put_file(prefix + name, path))
        files.append(ModelFile(name, prefix + name, info.size, info.sha256))
    return files


async def fetch_folder(storage: Storage, files: Sequence[ModelFile], folder: Path) -> None:
    """Have the stored files of a model in a folder, which appears when all are there; it may be there.

    Raises:
        NotFound: the bucket does not have one of them.
        FailedPrecondition: the disk refuses.
    """
    if await asyncio.to_thread(folder.is_dir):
        return
    with local_files(folder):
        part = await asyncio.to_thread(_fresh_folder, folder)
        try:
            for file in files:
                path = part / file.name
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
                await storage.get_file(file.key, path)
            await asyncio.to_thread(_give_name, part, folder)
        finally:
            await asyncio.to_thread(drop_folder, part)


def _give_name(part: Path, folder: Path) -> None:
    """Rename a folder, unless another process was faster."""
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _fresh_folder(folder: Path) -> Path:
    """An empty folder beside one to be made, of this process alone."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file.

    Raises:
        InvalidArgument: the file holds none.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidArgument("MODEL_FILES_INVALID", f"{path.name} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InvalidArgument("MODEL_FILES_INVALID", f"{path.name} must hold a JSON object")
    return found


def files_of(folder: Path) -> list[Path]:
    """The files of an adapter or a model, by name."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def upload_record(
    storage: Storage, work: Path, prefix: str, reports: Mapping[str, str] | None = None
) -> list[ModelFile]:
    """Store what the run was told, what happened in it, and what became of its rows; return these files.

    Args:
        storage: the bucket.
        work: the run's folder.
        prefix: of the keys.
        reports: paths in the folder of the reports about rows, by split.
    """
    files = {SPEC: (SPEC, "application/json"), FILE_NAME: (FILE_NAME, "application/jsonl")}
    for split, path in (reports or {}).items():
        files[f"rows_{split}.jsonl"] = (path, "application/jsonl")
    stored = []
    for name, (path, media_type) in files.items():
        info = await to_its_end(storage.put_file(prefix + name, work / path, media_type))
        stored.append(ModelFile(name, prefix + name, info.size, info.sha256))
    return stored


def drop_leftovers(work: Path) -> None:
    """Delete what only a run that goes on needs, the local copy of what it made included."""
    for name in (CHECKPOINTS, ADAPTER, MODEL, TOKENS, STACKS, STAGE):
        shutil.rmtree(work / name, ignore_errors=True)
    drop_fetched(work)
    for name in (ROWS, FIRST_ROWS, HELD_OUT, DIGESTS, START):
        (work / name).unlink(missing_ok=True)


def drop_fetched(work: Path) -> None:
    """Delete what a process that was killed had fetched by half."""
    for part in work.glob(f"{FETCHED}*"):
        shutil.rmtree(part, ignore_errors=True)


def drop_folder(work: Path) -> None:
    """Delete a run's whole work folder."""
    shutil.rmtree(work, ignore_errors=True)
