"""An ingest room that has some projects, for tests of rooms that ask whether one is there: a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.errors import NotFound
from services.runtime.interceptors import Context
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from sishu.ingest.v1 import project_pb2, project_service_pb2, project_service_pb2_grpc
from tests.integration.stores import HOST, Stores


class FakeProjects(project_service_pb2_grpc.ProjectServiceServicer):
    """Knows the projects in `ids`; a test may change them."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)

    async def GetProject(  # the name in the proto
        self, request: project_service_pb2.GetProjectRequest, _context: Context
    ) -> project_service_pb2.GetProjectResponse:
        if request.id not in self.ids:
            raise NotFound("PROJECT_NOT_FOUND", f"there is no project {request.id}")
        return project_service_pb2.GetProjectResponse(project=project_pb2.Project(id=request.id))


@asynccontextmanager
async def fake_projects(stores: Stores, *ids: str) -> AsyncIterator[FakeProjects]:
    """Serve some projects where the rooms look for the ingest room."""
    # The other rpcs answer UNIMPLEMENTED.
    fake = FakeProjects(*ids)  # type: ignore[abstract]
    servicer = Servicer(
        "sishu.ingest.v1.ProjectService",
        project_service_pb2_grpc.add_ProjectServiceServicer_to_server,
        fake,
    )
    server = Server([servicer], "", RuntimeMetrics("ingest"))
    await server.start(HOST, int(stores.addresses["ingest"].rpartition(":")[2]))
    try:
        yield fake
    finally:
        await server.drain()
