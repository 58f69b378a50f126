"""The service that tells which workers there are."""

from __future__ import annotations

from services.runtime.convert import timestamp
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from services.trainer.workers.store import WorkerRow, Workers
from sishu.trainer.v1 import worker_pb2
from sishu.trainer.v1 import worker_service_pb2 as pb
from sishu.trainer.v1.worker_service_pb2_grpc import WorkerServiceServicer


class WorkerServicer(WorkerServiceServicer):
    """Workers."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def ListWorkers(self, request: pb.ListWorkersRequest, context: Context) -> pb.ListWorkersResponse:
        page = await self._workers.list(page_request(request.page_size, request.page_token))
        return pb.ListWorkersResponse(workers=map(worker_to_pb, page.rows), next_page_token=page.next_token)


def worker_to_pb(worker: WorkerRow) -> worker_pb2.Worker:
    """A worker with the runs that have its devices."""
    return worker_pb2.Worker(
        id=worker.id,
        host=worker.host,
        process_id=worker.process_id,
        state=worker_pb2.WorkerState.Value(f"WORKER_STATE_{worker.state.upper()}"),
        devices=[
            worker_pb2.WorkerDevice(
                id=device.id,
                kind=device.kind,
                name=device.name,
                memory_bytes=device.memory_bytes,
                training_run_id=worker.taken.get(device.id, ""),
            )
            for device in worker.devices
        ],
        memory_bytes=worker.memory_bytes,
        code_version=worker.code_version,
        start_time=timestamp(worker.start_time),
        heartbeat_time=timestamp(worker.heartbeat_time),
    )
