"""Upload a model folder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx

from sishu.client import Client
from sishu.errors import ApiError
from sishu.learn.files import UPLOAD_SECONDS, blocks, bucket_error, measure
from sishu.loopback import WITHOUT_PROXY
from sishu.trainer.v1.model_making_pb2 import ModelUploadFile
from sishu.trainer.v1.model_service_pb2 import CreateModelUploadRequest

ENDINGS = {".safetensors", ".json", ".jinja", ".model", ".txt", ".md"}
"""Of files that belong to a model."""
NOT_FOR_MODELS = (
    "checkpoint",
    "runs",
    "training_args",
    "optimizer",
    "trainer_state",
    "rng_state",
    "all_results",
)
"""How names begin of what training programs leave beside a model."""


def model_files(folder: Path, leave_out: Callable[[Path, str], None]) -> list[Path]:
    """The files of a model folder, by name.

    Raises:
        ApiError: there is no folder, or nothing of a model in it.
    """
    if not folder.is_dir():
        raise ApiError(
            "NOT_FOUND",
            "PATH_NOT_FOUND",
            f"there is no folder {folder}; check the path",
            metadata={"path": str(folder)},
        )
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not path.is_file() or any(part.startswith((".", *NOT_FOR_MODELS)) for part in parts):
            continue
        if path.suffix in ENDINGS and path.stat().st_size:
            found.append(path)
        else:
            leave_out(path, "it is no part of a model with safetensors")
    if not found:
        raise ApiError(
            "INVALID_ARGUMENT", "NO_FILES", f"no files in {folder}", metadata={"paths": str(folder)}
        )
    return found


async def upload_model(
    client: Client, project_id: str, folder: Path, leave_out: Callable[[Path, str], None]
) -> str:
    """Send the files of a model folder straight to the bucket; return the id of the upload.

    Raises:
        ApiError: there is no model folder, or the bucket does not take a file.
    """
    paths = await asyncio.to_thread(model_files, folder, leave_out)
    files = []
    for path in paths:
        size, digest = await asyncio.to_thread(measure, path)
        name = path.relative_to(folder).as_posix()
        files.append(ModelUploadFile(name=name, size_bytes=size, sha256=digest))
    request = CreateModelUploadRequest(project_id=project_id, files=files)
    announced = await client.models.CreateModelUpload(request)
    async with httpx.AsyncClient(timeout=UPLOAD_SECONDS, mounts=WITHOUT_PROXY) as http:
        for path, file, target in zip(paths, files, announced.targets, strict=True):
            await send(http, path, target.url, file.size_bytes)
    return announced.upload_id


async def send(http: httpx.AsyncClient, path: Path, url: str, size: int) -> None:
    """Send one file.

    Raises:
        ApiError: the bucket does not take it.
    """
    try:
        answer = await http.put(url, content=blocks(path), headers={"content-length": str(size)})
    except httpx.HTTPError as error:
        raise bucket_error(path, str(error)) from error
    if answer.status_code >= 300:
        raise bucket_error(path, f"HTTP {answer.status_code}")
