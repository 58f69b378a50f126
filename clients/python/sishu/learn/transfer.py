"""Download objects that the services link to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import httpx

from sishu.client import Client
from sishu.common.v1.object_pb2 import StoredObject
from sishu.errors import ApiError
from sishu.loopback import WITHOUT_PROXY
from sishu.trainer.v1.model_making_pb2 import MODEL_FORMAT_GGUF, MODEL_FORMAT_HUGGING_FACE
from sishu.trainer.v1.model_service_pb2 import GetModelFilesRequest

DOWNLOAD_SECONDS = 600.0


async def download_model(client: Client, model_id: str, folder: Path, export: str = "") -> list[Path]:
    """Download the files of a model.

    Args:
        client: the way to the trainer room.
        model_id: of the model.
        folder: where to.
        export: how the names of the files of a GGUF export begin; empty for the model's own folder.
    """
    form = MODEL_FORMAT_GGUF if export else MODEL_FORMAT_HUGGING_FACE
    answer = await client.models.GetModelFiles(GetModelFilesRequest(id=model_id, format=form))
    files = [file for file in answer.files if file.name.startswith(export)]
    for file in files:
        file.name = file.name.removeprefix(export)
    return await download(files, folder)


async def download(objects: Sequence[StoredObject], folder: Path) -> list[Path]:
    """Store objects in a folder under their names, each whole and checked or not at all.

    Raises:
        ApiError: the bucket does not give an object, or gives other bytes.
    """
    async with httpx.AsyncClient(timeout=DOWNLOAD_SECONDS, mounts=WITHOUT_PROXY) as http:
        return [await download_one(http, one, folder / one.name) for one in objects]


async def download_one(http: httpx.AsyncClient, source: StoredObject, path: Path) -> Path:
    """Store one object at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another run may write the same file.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        await fetch(http, source, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


async def fetch(http: httpx.AsyncClient, source: StoredObject, part: Path) -> None:
    """Write an object to a file and hold it against its SHA-256.

    Raises:
        ApiError: the bucket does not give it, or gives other bytes.
    """
    digest = hashlib.sha256()
    try:
        async with http.stream("GET", source.url) as answer:
            answer.raise_for_status()
            with part.open("wb") as stream:  # megabytes to a local disk
                async for block in answer.aiter_bytes():
                    digest.update(block)
                    stream.write(block)
    except httpx.HTTPError as error:
        raise ApiError(
            "UNAVAILABLE", "DOWNLOAD_FAILED", f"{source.name} could not be read from the S3 server ({error})"
        ) from error
    if digest.hexdigest() != source.sha256:
        raise ApiError("DATA_LOSS", "DOWNLOAD_MISMATCH", f"{source.name} came with other bytes; try again")
