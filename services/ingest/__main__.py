"""`python -m services.ingest`: serve the ingest room, or work on its queue."""

from __future__ import annotations

import os
from pathlib import Path

import structlog

from services.ingest.config import FetchConfig, IngestConfig, RewriteConfig, TranscriberConfig
from services.ingest.deletion import DeletionSweeper
from services.ingest.fetching.fetcher import Fetcher
from services.ingest.metrics import IngestMetrics
from services.ingest.objects import FreshObjects
from services.ingest.outline.native import scan
from services.ingest.parsing.children import Children, child_environ
from services.ingest.parsing.hiding import hide
from services.ingest.parsing.parser import Parser
from services.ingest.service import Stores, servicers
from services.ingest.uploads import UploadSweeper
from services.ingest.worker import FetchWorker, ParseWorker
from services.runtime.config import read
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.work_folders import sweep_folders

log = structlog.get_logger()


def build(parts: Parts) -> Built:
    """Wire the room."""
    hide()
    sweep_folders("ingest")
    log.info("lines_found", by="C" if scan is not None else "numpy")
    config, metrics = read(IngestConfig, os.environ), IngestMetrics(parts.metrics.registry)
    stores = Stores.of(parts.pool, parts.jobs, config.tokenizer_folder)
    parser = Parser(
        Children(config, child_environ(os.environ), metrics),
        parts.storage,
        read(TranscriberConfig, os.environ),
        read(RewriteConfig, os.environ),
    )
    fresh_objects = FreshObjects(stores.notes, parts.storage)
    parse_worker = ParseWorker(
        parts.jobs,
        stores.documents,
        stores.parses,
        stores.deletions,
        parts.storage,
        fresh_objects,
        parser,
        metrics,
    )
    fetcher = Fetcher(read(FetchConfig, os.environ))
    fetch_worker = FetchWorker(parts.jobs, stores.documents, parts.storage, fresh_objects, fetcher)
    return Built(
        servicers=servicers(stores, parts.storage, parts.jobs, parts.client, config),
        handlers={
            "parse_document": parse_worker.parse_document,
            "fetch_document": fetch_worker.fetch_document,
        },
        background=[
            UploadSweeper(stores.documents, parts.storage, config.upload_seconds).run,
            DeletionSweeper(stores.deletions, parts.storage).run,
            fresh_objects.sweep,
        ],
        closing=[parser.close],
    )


if __name__ == "__main__":
    run_room(Room("ingest", Path(__file__).parent, build, concurrency=2))
