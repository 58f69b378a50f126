"""`python -m services.dataset`: serve the dataset room, or work on its queue."""

from __future__ import annotations

from pathlib import Path

from services.dataset.service import DatasetServicer, ExampleServicer
from services.dataset.source_mark_store import SourceMarkStore
from services.dataset.source_marks import SourceMarks
from services.dataset.store import Store
from services.dataset.worker import ImportWorker, MarkWorker, VersionWorker
from services.runtime.project_data import ProjectData
from services.runtime.room import Built, Parts, Room, run_room
from services.runtime.server import Servicer
from sishu.dataset.v1 import dataset_service_pb2_grpc, example_service_pb2_grpc


def build(parts: Parts) -> Built:
    """Wire the room."""
    store = Store(parts.pool, parts.jobs)
    markings = SourceMarkStore(parts.pool, parts.jobs)
    marks = SourceMarks(parts.client, markings)
    return Built(
        servicers=[
            Servicer(
                "sishu.dataset.v1.ExampleService",
                example_service_pb2_grpc.add_ExampleServiceServicer_to_server,
                ExampleServicer(store, parts.jobs, parts.client, markings),
            ),
            Servicer(
                "sishu.dataset.v1.DatasetService",
                dataset_service_pb2_grpc.add_DatasetServiceServicer_to_server,
                DatasetServicer(store, parts.storage, parts.jobs),
            ),
        ],
        project_data=ProjectData(store.delete_project, ("datasets",)),
        handlers={
            "import_examples": ImportWorker(parts.jobs, store, parts.client, marks).import_examples,
            "mark_sources": MarkWorker(parts.jobs, marks).mark_sources,
            "make_dataset_version": VersionWorker(parts.jobs, store, parts.storage).make_version,
        },
    )


if __name__ == "__main__":
    run_room(Room("dataset", Path(__file__).parent, build, concurrency=2))
