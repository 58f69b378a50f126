"""The dataset room's side of a run: is the version fit to train on, and its training rows as a file."""

from __future__ import annotations

import asyncio
import hashlib
import os
from itertools import islice
from pathlib import Path

import httpx

from services.runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from services.runtime.storage import file_info
from sishu.client import Client
from sishu.common.v1 import object_pb2
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1 import dataset_version_pb2
from sishu.dataset.v1.export_pb2 import ExportOptions
from sishu.dataset.v1.export_service_pb2 import GetExportFilesRequest
from sishu.learn.exports import export_of

SPLIT = "train"
ROWS = "train.jsonl"
"""The file of an export that holds them."""
SHAPES = {"sft": "messages_jsonl", "cpt": "pretraining", "kto": "judgements_jsonl"}
"""What the engine reads, by objective; the others read pairs."""
PAIRS = "preferences_jsonl"
HELD_OUT_SPLIT = "validation"
HELD_OUT = "validation.jsonl"
"""The file of its rows to measure on."""
BLOCK = 1 << 20
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


async def check_version(client: Client, version_id: str, project_id: str, *, measured_for: str = "") -> str:
    """Content SHA-256 of a dataset version that can be trained on.

    Args:
        client: of the dataset room.
        version_id: of the version.
        project_id: to which it must belong.
        measured_for: the parameter that needs rows to measure the loss on; empty where none does.

    Raises:
        InvalidArgument: it belongs to another project.
        FailedPrecondition: it is not ready, has no training rows, or lacks those to measure on.
        ApiError: the dataset room does not have it, or is away.
    """
    answer = await client.datasets.GetDatasetVersion(pb.GetDatasetVersionRequest(id=version_id))
    version, field = answer.dataset_version, "training_run.dataset_version_id"
    if version.project_id != project_id:
        raise InvalidArgument(
            "FIELD_INVALID", f"the dataset version {version_id} belongs to another project", field
        )
    if version.state != dataset_version_pb2.DATASET_VERSION_STATE_READY:
        state = dataset_version_pb2.DatasetVersionState.Name(version.state)
        raise FailedPrecondition(
            "DATASET_VERSION_NOT_READY",
            f"dataset version {version.number} is {state.removeprefix('DATASET_VERSION_STATE_').lower()}; "
            "wait until it is ready, or make another one",
            field,
            dataset_version_id=version_id,
        )
    if not version.split_counts.get(SPLIT):
        raise FailedPrecondition(
            "NO_TRAINING_ROWS",
            f"dataset version {version.number} has no training rows; make one with a smaller exam share, or "
            "keep more examples",
            field,
            dataset_version_id=version_id,
        )
    if measured_for and not version.split_counts.get(HELD_OUT_SPLIT):
        raise FailedPrecondition(
            "NO_VALIDATION_ROWS",
            f"dataset version {version.number} has no validation rows, which {measured_for} "
            f"needs; make one with a validation share, or leave {measured_for} as it is without",
            f"training_run.config.{measured_for}",
            dataset_version_id=version_id,
        )
    return version.content_sha256


async def fetch_rows(client: Client, version_id: str, objective: str, path: Path) -> Path | None:
    """Have the training rows of a version in a file, whole or not at all; one that is there is kept.

    Beside it come the rows to measure on; returns their file, or nothing where the version has none. The
    dataset room makes an export of them, once for all runs.

    Raises:
        Unavailable: the bytes do not come, or are not those that were announced.
        ApiError: the dataset room refuses, or is away.
    """
    splits = [dataset_version_pb2.DATASET_SPLIT_TRAIN, dataset_version_pb2.DATASET_SPLIT_VALIDATION]
    wanted = ExportOptions(shape=SHAPES.get(objective, PAIRS), splits=splits)
    export = await export_of(client, version_id, wanted)
    request = GetExportFilesRequest(id=export.id)
    files = {one.name: one for one in (await client.exports.GetExportFiles(request)).files}
    if ROWS not in files:
        raise FailedPrecondition(
            "NO_TRAINING_ROWS",
            f"dataset version {version_id} has nothing in its train split that {objective} can learn from; "
            "keep more examples of that kind",
            dataset_version_id=version_id,
        )
    await have(files[ROWS], path)
    if HELD_OUT not in files:
        return None
    held_out = path.with_name(HELD_OUT)
    await have(files[HELD_OUT], held_out)
    return held_out


def first_rows(path: Path, count: int, target: Path) -> Path:
    """The first rows of a file in another one, which appears whole; the file itself where all are wanted.

    Args:
        path: JSON Lines.
        count: how many rows; 0 means all.
        target: the other file.
    """
    if not count:
        return path
    part = target.with_name(f".{target.name}.part")
    with path.open("rb") as rows, part.open("wb") as chosen:
        chosen.writelines(islice((row for row in rows if row.strip()), count))
    part.replace(target)
    return target


async def have(source: object_pb2.StoredObject, path: Path) -> None:
    """Have an object in a file; one that is there with its bytes is kept.

    Raises:
        Unavailable: the bytes do not come, or are not those that were announced.
    """
    if await asyncio.to_thread(digest_of, path) != source.sha256:
        await download(source, path)


async def download(source: object_pb2.StoredObject, path: Path) -> None:
    """Stream an object into a file, which appears when its bytes are complete and right.

    Raises:
        Unavailable: they are not.
    """
    part = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256()
    try:
        # Like the S3 client, this goes to the bucket without asking the environment for a proxy.
        async with (
            httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http,
            http.stream("GET", source.url) as response,
        ):
            response.raise_for_status()
            with await asyncio.to_thread(part.open, "wb") as stream:
                async for block in response.aiter_bytes(BLOCK):
                    digest.update(block)
                    await asyncio.to_thread(stream.write, block)
                await asyncio.to_thread(os.fsync, stream.fileno())
    except httpx.HTTPStatusError as error:
        raise download_failed(source, f"the bucket answered {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise download_failed(source, f"the bucket cannot be reached ({type(error).__name__})") from error
    if digest.hexdigest() != source.sha256:
        raise download_failed(source, "other bytes arrived than were announced")
    part.replace(path)


def digest_of(path: Path) -> str:
    """SHA-256 of a file; empty when there is none."""
    return file_info(path).sha256 if path.exists() else ""


def download_failed(source: object_pb2.StoredObject, cause: str) -> Unavailable:
    """The error for rows that did not arrive."""
    return Unavailable(
        "DATASET_DOWNLOAD_FAILED",
        f"{source.name} was not downloaded: {cause}; check the S3 server and try again",
        name=source.name,
    )
