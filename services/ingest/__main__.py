"""`python -m services.ingest`: serve the ingest room, or work on its queue."""

from __future__ import annotations

import os
from pathlib import Path

from services.ingest.chunk_store import ChunkStore
from services.ingest.config import FetchConfig, IngestConfig, RewriteConfig, TranscriberConfig
from services.ingest.deletion import DeletionSweeper
from services.ingest.deletion_store import DeletionStore
from services.ingest.fetching.fetcher import Fetcher
from services.ingest.metrics import IngestMetrics
from services.ingest.parse_store import ParseStore
from services.ingest.parsing.children import Parser
from services.ingest.parsing.documents import DocumentParser
from services.ingest.parsing.folders import sweep_folders
from services.ingest.service import ChunkServicer, DocumentServicer, ProjectServicer, SectionServicer
from services.ingest.store import Store
from services.ingest.uploads import UploadSweeper
from services.ingest.worker import FetchWorker, ParseWorker
from services.runtime.config import read
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.server import Servicer
from sishu.ingest.v1 import (
    chunk_service_pb2_grpc,
    document_service_pb2_grpc,
    project_service_pb2_grpc,
    section_service_pb2_grpc,
)


def build(parts: Parts) -> Built:
    """Wire the room."""
    sweep_folders()
    config, metrics = read(IngestConfig, os.environ), IngestMetrics(parts.metrics.registry)
    store, deletions = Store(parts.pool, parts.jobs), DeletionStore(parts.pool, parts.jobs)
    parses, chunks = ParseStore(parts.pool), ChunkStore(parts.pool, config.tokenizer_folder)
    # What the children read is foreign: they get no secrets.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SISHU_")}
    parser = DocumentParser(
        Parser(config, environ, metrics),
        parts.storage,
        read(TranscriberConfig, os.environ),
        read(RewriteConfig, os.environ),
    )
    parse_worker = ParseWorker(parts.jobs, store, parses, parts.storage, parser, metrics)
    fetch_worker = FetchWorker(parts.jobs, store, parts.storage, Fetcher(read(FetchConfig, os.environ)))
    return Built(
        servicers=[
            Servicer(
                "sishu.ingest.v1.ProjectService",
                project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
                ProjectServicer(store, deletions, parts.storage, parts.client),
            ),
            Servicer(
                "sishu.ingest.v1.DocumentService",
                document_service_pb2_grpc.add_DocumentServiceServicer_to_server,
                DocumentServicer(
                    store, parses, deletions, parts.storage, parts.jobs, config.tokenizer_folder
                ),
            ),
            Servicer(
                "sishu.ingest.v1.ChunkService",
                chunk_service_pb2_grpc.add_ChunkServiceServicer_to_server,
                ChunkServicer(chunks),
            ),
            Servicer(
                "sishu.ingest.v1.SectionService",
                section_service_pb2_grpc.add_SectionServiceServicer_to_server,
                SectionServicer(chunks),
            ),
        ],
        handlers={
            "parse_document": parse_worker.parse_document,
            "fetch_document": fetch_worker.fetch_document,
        },
        background=[
            UploadSweeper(store, parts.storage, config.upload_seconds).run,
            DeletionSweeper(deletions, parts.storage).run,
        ],
        closing=[parser.close],
    )


if __name__ == "__main__":
    run_room(Room("ingest", Path(__file__).parent, build, concurrency=2))
