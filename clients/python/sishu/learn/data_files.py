"""Send data files to be imported."""

from __future__ import annotations

import asyncio
import tempfile
import zipfile
from pathlib import Path

import httpx

from sishu.client import Client
from sishu.dataset.v1.import_service_pb2 import CreateImportUploadRequest
from sishu.errors import ApiError
from sishu.learn.files import UPLOAD_SECONDS, blocks, bucket_error, measure
from sishu.learn.resources import absolute
from sishu.loopback import WITHOUT_PROXY


async def upload_data(client: Client, project_id: str, path: Path) -> str:
    """Send a file, or a folder as an archive; return the id of the upload.

    Raises:
        ApiError: there is nothing, the service refuses it, or the bucket does not take it.
    """
    if is_file(path):
        return await upload(client, project_id, path, path.name)
    with tempfile.TemporaryDirectory(prefix="sishu-import-") as folder:
        archive = Path(folder) / "folder.zip"
        await asyncio.to_thread(pack, path, archive)
        return await upload(client, project_id, archive, f"{Path(absolute(str(path))).name}.zip")


def is_file(path: Path) -> bool:
    """Whether a path is of a file, and not of a folder.

    Raises:
        ApiError: there is neither.
    """
    if not path.exists():
        message = f"there is no file or folder {path}; check the path"
        raise ApiError("NOT_FOUND", "PATH_NOT_FOUND", message, metadata={"path": str(path)})
    return path.is_file()


def pack(folder: Path, archive: Path) -> None:
    """Pack the files of a folder; hidden ones and links are left out.

    Raises:
        ApiError: there are none.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if (
                path.is_file()
                and not path.is_symlink()
                and not any(part.startswith(".") for part in name.parts)
            ):
                packed.write(path, name.as_posix())
        if not packed.namelist():
            message = f"no files in {folder}"
            raise ApiError("INVALID_ARGUMENT", "NO_FILES", message, metadata={"paths": str(folder)})


async def upload(client: Client, project_id: str, path: Path, name: str) -> str:
    """Announce a file, and send its bytes straight to the bucket."""
    size, digest = await asyncio.to_thread(measure, path)
    if not size:
        message = f"{path}: the file is empty; send another"
        raise ApiError("INVALID_ARGUMENT", "FILE_EMPTY", message, metadata={"name": name})
    request = CreateImportUploadRequest(project_id=project_id, name=name, size_bytes=size, sha256=digest)
    announced = await client.imports.CreateImportUpload(request)
    headers = {**announced.target.headers, "content-length": str(size)}
    async with httpx.AsyncClient(timeout=UPLOAD_SECONDS, mounts=WITHOUT_PROXY) as http:
        try:
            answer = await http.put(announced.target.url, content=blocks(path), headers=headers)
        except httpx.HTTPError as error:
            raise bucket_error(path, str(error)) from error
    if answer.status_code >= 300:
        raise bucket_error(path, f"HTTP {answer.status_code}")
    return announced.upload_id
