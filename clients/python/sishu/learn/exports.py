"""Exports of dataset versions: have one made, and fetch it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sishu.client import Client
from sishu.dataset.v1.export_pb2 import EXPORT_STATE_READY, Export, ExportOptions
from sishu.dataset.v1.export_service_pb2 import CreateExportRequest, GetExportFilesRequest, GetExportRequest
from sishu.learn.downloads import download_all
from sishu.learn.jobs import Watcher, wait_for_success

Sized = Callable[[int], Callable[[int], None]]
"""Is told how many bytes there are; gives what is told of those that have come."""


async def export_of(
    client: Client, version_id: str, options: ExportOptions, watch: Watcher = lambda job: None
) -> Export:
    """The export of a version with these options, made if it is not there.

    Raises:
        ApiError: it cannot be made.
    """
    wanted = Export(dataset_version_id=version_id, options=options)
    export = (await client.exports.CreateExport(CreateExportRequest(export=wanted))).export
    if export.state == EXPORT_STATE_READY:
        return export
    await wait_for_success(client, "dataset", export.job, watch)
    return (await client.exports.GetExport(GetExportRequest(id=export.id))).export


async def download_export(
    client: Client, export_id: str, folder: Path, sized: Sized = lambda total: lambda count: None
) -> list[Path]:
    """Have the files of an export in a folder."""
    files = (await client.exports.GetExportFiles(GetExportFilesRequest(id=export_id))).files
    return await download_all(files, folder, sized(sum(file.size_bytes for file in files)))
