"""What happens around every rpc: a real server on a free port, a real client, a service that misbehaves."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from services.runtime.errors import FailedPrecondition, NotFound, Unavailable
from services.runtime.interceptors import Context
from services.runtime.metrics import RuntimeMetrics
from services.runtime.server import Server, Servicer
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2, message_pb2
from sishu.common.v1.job_service_pb2_grpc import JobServiceServicer, add_JobServiceServicer_to_server
from sishu.errors import ApiError
from sishu.generation.v1 import provider_pb2, provider_service_pb2
from sishu.generation.v1.provider_service_pb2_grpc import (
    ProviderServiceServicer,
    add_ProviderServiceServicer_to_server,
)
from sishu.ingest.v1 import chunk_service_pb2, project_pb2
from sishu.ingest.v1 import project_service_pb2 as pb
from sishu.ingest.v1.project_service_pb2_grpc import (
    ProjectServiceServicer,
    add_ProjectServiceServicer_to_server,
)
from sishu.learn import watching

HOST = "127.0.0.1"
TOKEN = "a-token-of-some-length"  # noqa: S105  # made up here
ID = "018f0000-0000-7000-8000-000000000000"


class Misbehaving(ProjectServiceServicer):
    """Does what the name of the project says."""

    def __init__(self) -> None:
        self.away = 0
        self.request_ids: list[str] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def ListProjects(
        self, request: pb.ListProjectsRequest, context: Context
    ) -> pb.ListProjectsResponse:
        self.begun.set()
        match request.name:
            case "crash":
                raise KeyError("secret detail of ours")
            case "missing":
                raise NotFound("PROJECT_NOT_FOUND", "there is no project 7", project_id="7")
            case "field":
                raise FailedPrecondition("NOT_NOW", "not now: 退货", "name")
            case "away":
                raise Unavailable("DATABASE_UNAVAILABLE", "Postgres is away")
            case "slow":
                await self.go_on.wait()
        return pb.ListProjectsResponse()

    async def CreateProject(
        self, request: pb.CreateProjectRequest, context: Context
    ) -> pb.CreateProjectResponse:
        self.request_ids.append(request.request_id)
        if len(self.request_ids) < self.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
        return pb.CreateProjectResponse(project=request.project)


class BreakingOff(JobServiceServicer):
    """Breaks off its first streams, as a room does that is killed."""

    def __init__(self, times: int) -> None:
        self.left = times

    async def WatchJob(
        self, request: job_service_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[job_service_pb2.WatchJobResponse]:
        yield job_service_pb2.WatchJobResponse(job=job_pb2.Job(id=request.id, progress=str(self.left)))
        self.left -= 1
        if self.left >= 0:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")


class Room:
    """A served room and what the test needs of it."""

    def __init__(self, server: Server, service: Misbehaving, registry: CollectorRegistry, port: int) -> None:
        self.server = server
        self.service = service
        self.registry = registry
        self.address = f"{HOST}:{port}"

    def client(self, token: str = "") -> Client:
        return Client(dict.fromkeys(("ingest", "generation"), self.address), token)

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@asynccontextmanager
async def served(token: str = "", port: int = 0) -> AsyncIterator[Room]:
    service, metrics = Misbehaving(), RuntimeMetrics("ingest")  # type: ignore[abstract]  # serves only what the test calls
    watched_jobs = BreakingOff(2)  # type: ignore[abstract]  # serves only what the test calls
    servicers = [
        Servicer("sishu.ingest.v1.ProjectService", add_ProjectServiceServicer_to_server, service),
        Servicer(
            "sishu.generation.v1.ProviderService",
            add_ProviderServiceServicer_to_server,
            ProviderServiceServicer(),  # type: ignore[abstract]  # serves only what the test calls
        ),
        Servicer("sishu.common.v1.JobService", add_JobServiceServicer_to_server, watched_jobs),
    ]
    server = Server(servicers, token, metrics)
    room = Room(server, service, metrics.registry, await server.start(HOST, port))
    await server.set_serving(True)
    try:
        yield room
    finally:
        service.go_on.set()
        await server.drain()


async def listing(client: Client, name: str) -> pb.ListProjectsResponse:
    return await client.projects.ListProjects(pb.ListProjectsRequest(name=name))


async def failing(client: Client, name: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await listing(client, name)
    return raised.value


async def test_an_error_comes_with_code_reason_field_and_metadata() -> None:
    async with served() as room, room.client() as client:
        missing, field = await failing(client, "missing"), await failing(client, "field")
    assert (missing.code, missing.reason, missing.message) == (
        "NOT_FOUND",
        "PROJECT_NOT_FOUND",
        "there is no project 7",
    )
    assert missing.metadata == {"project_id": "7"}
    assert (field.code, field.field, field.message) == ("FAILED_PRECONDITION", "name", "not now: 退货")


async def test_an_unforeseen_error_is_internal_with_an_id_that_the_log_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with served() as room, room.client() as client:
        error = await failing(client, "crash")
    assert (error.code, error.reason) == ("INTERNAL", "INTERNAL")
    assert "secret detail" not in error.message
    assert "Traceback" not in error.message
    captured = capsys.readouterr()
    logged = captured.out + captured.err
    assert error.metadata["error_id"] in logged
    assert "secret detail" in logged


async def test_a_room_that_restarts_is_asked_again() -> None:
    async with served() as room:
        port = int(room.address.rpartition(":")[2])
    async with Client({"ingest": f"{HOST}:{port}"}) as client:
        call = asyncio.create_task(listing(client, ""))
        await asyncio.sleep(0.1)
        async with served(port=port):
            assert (await call) == pb.ListProjectsResponse()


async def test_a_create_is_repeated_under_one_request_id() -> None:
    async with served() as room, room.client() as client:
        room.service.away = 3
        request = pb.CreateProjectRequest(project=project_pb2.Project(name="a"))
        await client.projects.CreateProject(request)
    assert len(room.service.request_ids) == 3
    (request_id,) = set(room.service.request_ids)
    assert uuid.UUID(request_id)
    assert not request.request_id


async def test_a_watch_outlasts_the_restarts_of_a_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSE_SECONDS", 0.01)
    request = job_service_pb2.WatchJobRequest(id=ID)
    async with served() as room, room.client() as client:
        with pytest.raises(ApiError) as broken:
            [one async for one in client.jobs("ingest").WatchJob(request)]
        assert broken.value.reason == "SERVICE_UNREACHABLE"
        sights = [one async for one in watching.watched(lambda: client.jobs("ingest").WatchJob(request))]
    assert [sight.job.progress for sight in sights] == ["1", "0"]


async def test_a_rule_of_the_contract_that_is_broken_names_the_field() -> None:
    async with served() as room, room.client() as client:
        for request, field in (
            (pb.CreateProjectRequest(project=project_pb2.Project(name="")), "project.name"),
            (pb.CreateProjectRequest(), "project"),
            (pb.CreateProjectRequest(project=project_pb2.Project(name="a"), request_id="x"), "request_id"),
        ):
            with pytest.raises(ApiError) as raised:
                await client.projects.CreateProject(request)
            assert (raised.value.code, raised.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
            assert raised.value.field == field
            assert field in raised.value.message
        provider = provider_pb2.Provider(
            project_id=ID,
            name="n",
            base_url="http://h/v1",
            sampling=message_pb2.Sampling(temperature=3, stop=["a"] * 3),
        )
        with pytest.raises(ApiError) as raised:
            await client.providers.CreateProvider(
                provider_service_pb2.CreateProviderRequest(provider=provider)
            )
        assert raised.value.field == "provider.sampling.temperature"


async def test_an_rpc_that_nobody_serves_is_unimplemented() -> None:
    async with served() as room, room.client() as client:
        with pytest.raises(ApiError) as raised:
            await client.chunks.GetChunk(chunk_service_pb2.GetChunkRequest(id=ID))
    assert raised.value.code == "UNIMPLEMENTED"


@pytest.mark.parametrize("shown", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
async def test_a_call_without_the_token_is_unauthenticated(shown: str) -> None:
    async with served(TOKEN) as room, room.client(shown) as client:
        error = await failing(client, "")
        assert not room.service.begun.is_set()
    assert (error.code, error.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert TOKEN not in error.message


async def test_a_call_with_the_token_passes_and_probes_need_none() -> None:
    async with served(TOKEN) as room, room.client(TOKEN) as client:
        await listing(client, "")
        async with grpc.aio.insecure_channel(room.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(  # type: ignore[attr-defined]  # the stubs know no asyncio
                health_pb2.HealthCheckRequest(service="sishu.ingest.v1.ProjectService")
            )
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_the_token_is_checked_before_the_request_is() -> None:
    async with served(TOKEN) as room, room.client() as client:
        with pytest.raises(ApiError) as raised:
            await client.projects.CreateProject(pb.CreateProjectRequest())
    assert raised.value.code == "UNAUTHENTICATED"


async def test_reflection_lists_the_services() -> None:
    async with served() as room, grpc.aio.insecure_channel(room.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # wider than the stubs say
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stub.ServerReflectionInfo(iter([request]))  # type: ignore[operator]  # the stubs know no asyncio
        names = {service.name async for answer in call for service in answer.list_services_response.service}
    assert names == {
        "sishu.ingest.v1.ProjectService",
        "sishu.generation.v1.ProviderService",
        "sishu.common.v1.JobService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_the_request_id_comes_back_and_is_made_where_there_is_none() -> None:
    async with served() as room, grpc.aio.insecure_channel(room.address) as channel:
        ask = channel.unary_unary(
            "/sishu.ingest.v1.ProjectService/ListProjects",
            request_serializer=pb.ListProjectsRequest.SerializeToString,
            response_deserializer=pb.ListProjectsResponse.FromString,
        )
        given = ask(pb.ListProjectsRequest(), metadata=(("x-request-id", "mine-7"),))
        made = ask(pb.ListProjectsRequest())
        assert dict(await given.initial_metadata())["x-request-id"] == "mine-7"
        assert len(str(dict(await made.initial_metadata())["x-request-id"])) == 36
        await asyncio.gather(given, made)


async def test_calls_are_counted_by_method_and_code() -> None:
    method = "/sishu.ingest.v1.ProjectService/ListProjects"
    async with served() as room, room.client() as client:
        await listing(client, "")
        await failing(client, "missing")
        await failing(client, "crash")
        counts = {
            code: room.metric("sishu_ingest_grpc_requests_total", method=method, code=code)
            for code in ("OK", "NOT_FOUND", "INTERNAL")
        }
        assert room.metric("sishu_ingest_grpc_in_flight_requests") == 0
        assert room.metric("sishu_ingest_grpc_request_seconds_count", method=method) == 3
    assert counts == {"OK": 1, "NOT_FOUND": 1, "INTERNAL": 1}


async def test_draining_lets_a_call_in_flight_end() -> None:
    async with served() as room, room.client() as client:
        call = asyncio.create_task(listing(client, "slow"))
        await room.service.begun.wait()
        draining = asyncio.create_task(room.server.drain())
        await asyncio.sleep(0.2)
        assert not draining.done()
        room.service.go_on.set()
        await call
        await draining


async def test_a_taken_port_says_so() -> None:
    async with served() as room:
        other = Server([], "", RuntimeMetrics("ingest"))
        port = int(room.address.rpartition(":")[2])
        with pytest.raises(Unavailable, match=f"cannot listen on {HOST}:{port}"):
            await other.start(HOST, port)


async def test_a_room_that_nobody_runs_is_unreachable_by_its_address() -> None:
    async with Client({"ingest": f"{HOST}:9"}, seconds=10) as client:
        error = await failing(client, "")
    assert (error.code, error.reason) == ("UNAVAILABLE", "SERVICE_UNREACHABLE")
    assert f"{HOST}:9" in error.message
