"""A dataset room of one version, for tests of rooms that read it: a real server, real bytes in the bucket."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.runtime.convert import stored_object
from services.runtime.errors import NotFound, SishuError
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from services.runtime.storage import Storage
from sishu.common.v1 import object_pb2
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1 import (
    dataset_service_pb2_grpc,
    dataset_version_pb2,
    export_pb2,
    export_service_pb2_grpc,
)
from sishu.dataset.v1 import export_service_pb2 as exports
from tests.integration.stores import HOST, Stores

Row = dict[str, Any]


def rows_about(count: int) -> list[Row]:
    """Training rows of several lengths."""
    return [
        {
            "id": f"row-{number}",
            "messages": [
                {"role": "user", "content": f"Where is town {number}?"},
                {"role": "assistant", "content": f"By the river {number}. " * (1 + number % 5)},
            ],
        }
        for number in range(count)
    ]


def bytes_of(rows: Sequence[Row]) -> bytes:
    """Rows as JSON Lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@dataclass
class FakeDatasets(dataset_service_pb2_grpc.DatasetServiceServicer):
    """Hands one dataset version over; a test may change it, or have its files refused."""

    storage: Storage
    version: dataset_version_pb2.DatasetVersion
    data: bytes
    refusal: SishuError | None = None
    held_out: bytes = b""
    shape: str = "messages_jsonl"

    def hold_out(self, rows: Sequence[Row]) -> None:
        """Give the version rows to measure on."""
        self.held_out = bytes_of(rows)
        self.version.split_counts["validation"] = len(rows)

    async def GetDatasetVersion(  # the name in the proto
        self, request: pb.GetDatasetVersionRequest, _context: Context
    ) -> pb.GetDatasetVersionResponse:
        if request.id != self.version.id:
            raise NotFound("DATASET_VERSION_NOT_FOUND", f"there is no dataset version {request.id}")
        return pb.GetDatasetVersionResponse(dataset_version=self.version)


@dataclass
class FakeExports(export_service_pb2_grpc.ExportServiceServicer):
    """The export of the training rows, which is always there."""

    datasets: FakeDatasets

    async def CreateExport(  # the name in the proto
        self, request: exports.CreateExportRequest, _context: Context
    ) -> exports.CreateExportResponse:
        options = request.export.options
        assert options.shape == self.datasets.shape
        splits = [dataset_version_pb2.DATASET_SPLIT_TRAIN, dataset_version_pb2.DATASET_SPLIT_VALIDATION]
        assert options.splits == splits
        if self.datasets.refusal:
            raise self.datasets.refusal
        found = export_pb2.Export(id=self.datasets.version.id, state=export_pb2.EXPORT_STATE_READY)
        return exports.CreateExportResponse(export=found)

    async def GetExportFiles(  # the name in the proto
        self, request: exports.GetExportFilesRequest, _context: Context
    ) -> exports.GetExportFilesResponse:
        files = [await self._stored("train.jsonl", self.datasets.data)]
        if self.datasets.held_out:
            files.append(await self._stored("validation.jsonl", self.datasets.held_out))
        return exports.GetExportFilesResponse(files=files)

    async def _stored(self, name: str, data: bytes) -> object_pb2.StoredObject:
        version, storage = self.datasets.version, self.datasets.storage
        key = f"datasets/{version.project_id}/{version.id}/{name}"
        info = await storage.put_bytes(key, data)
        return stored_object(name, key, info.size, info.sha256, await storage.link_to_get(key))


@asynccontextmanager
async def fake_datasets(stores: Stores, rows: Sequence[Row], project_id: str) -> AsyncIterator[FakeDatasets]:
    """Serve a ready version with these training rows where the rooms look for the dataset room."""
    data = bytes_of(rows)
    version = dataset_version_pb2.DatasetVersion(
        id=new_id(),
        project_id=project_id,
        number=1,
        state=dataset_version_pb2.DATASET_VERSION_STATE_READY,
        split_counts={"train": len(rows)},
        content_sha256=hashlib.sha256(data).hexdigest(),
    )
    async with stores.storage() as storage:
        # The other rpcs answer UNIMPLEMENTED.
        fake = FakeDatasets(storage, version, data)  # type: ignore[abstract]
        servicer = Servicer(
            "sishu.dataset.v1.DatasetService",
            dataset_service_pb2_grpc.add_DatasetServiceServicer_to_server,
            fake,
        )
        exporter = Servicer(
            "sishu.dataset.v1.ExportService",
            export_service_pb2_grpc.add_ExportServiceServicer_to_server,
            FakeExports(fake),  # type: ignore[abstract]
        )
        server = Server([servicer, exporter], "", RuntimeMetrics("dataset"))
        await server.start(HOST, int(stores.addresses["dataset"].rpartition(":")[2]))
        try:
            yield fake
        finally:
            await server.drain()
