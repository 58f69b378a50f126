"""What a finished run leaves behind: files in the bucket, little on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.runtime.errors import FailedPrecondition
from services.runtime.storage import Storage
from services.trainer.engine.events import FILE_NAME
from services.trainer.guarding import to_its_end
from services.trainer.models import ModelFile
from services.trainer.training_config import write_spec

ADAPTER = "adapter"
CHECKPOINTS = "checkpoints"
ROWS = "train.jsonl"
HELD_OUT = "validation.jsonl"
SPEC = "spec.json"
DIGESTS = "base_model_sha256.json"


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


async def upload_adapter(storage: Storage, work: Path, prefix: str) -> list[ModelFile]:
    """Store every file of the adapter under a prefix; doing it again writes the same keys."""
    folder = work / ADAPTER
    files = []
    for path in adapter_files(folder):
        name = path.relative_to(folder).as_posix()
        info = await to_its_end(storage.put_file(prefix + name, path))
        files.append(ModelFile(name, prefix + name, info.size, info.sha256))
    return files


def adapter_files(folder: Path) -> list[Path]:
    """The files of an adapter, by name."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def upload_record(storage: Storage, work: Path, prefix: str) -> None:
    """Store what the run was told and what happened in it."""
    for name, media_type in ((SPEC, "application/json"), (FILE_NAME, "application/jsonl")):
        await to_its_end(storage.put_file(prefix + name, work / name, media_type))


def drop_leftovers(work: Path) -> None:
    """Delete what only a run that goes on needs, the local copy of the adapter included."""
    for name in (CHECKPOINTS, ADAPTER):
        shutil.rmtree(work / name, ignore_errors=True)
    for name in (ROWS, HELD_OUT, DIGESTS):
        (work / name).unlink(missing_ok=True)


def drop_folder(work: Path) -> None:
    """Delete a run's whole work folder."""
    shutil.rmtree(work, ignore_errors=True)
