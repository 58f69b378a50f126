from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1.project_pb2 import Project
from sishu.ingest.v1.project_service_pb2 import CreateProjectRequest, GetProjectRequest, ListProjectsRequest
from tests.contract.client_programs import RUN_SECONDS, SCENARIO, go_program, run, typescript_program
from tests.integration.stores import Rooms

# A cold cache compiles grpc and downloads the npm packages first.
pytestmark = pytest.mark.timeout(900)

Answer = dict[str, Any]
scenario: Answer = json.loads(SCENARIO.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
async def python_answer(rooms: Rooms) -> Answer:
    for project in scenario["projects"]:
        await rooms.client.projects.CreateProject(CreateProjectRequest(project=Project(**project)))
    return {"projects": await listed(rooms.client), "error": await missing(rooms.client)}


async def listed(client: Client) -> list[Answer]:
    projects: list[Answer] = []
    request = ListProjectsRequest(page_size=scenario["page_size"])
    while True:
        page = await client.projects.ListProjects(request)
        projects += [MessageToDict(project) for project in page.projects]
        if not page.next_page_token:
            return projects
        request.page_token = page.next_page_token


async def missing(client: Client) -> Answer:
    with pytest.raises(ApiError) as failed:
        await client.projects.GetProject(GetProjectRequest(id=scenario["missing_project_id"]))
    error = failed.value
    # An ApiError is raised for our domain only, so it does not carry one.
    return {
        "code": error.code,
        "reason": error.reason,
        "domain": scenario["error"]["domain"],
        "metadata": error.metadata,
    }


async def answer_of(program: list[str], rooms: Rooms) -> Answer:
    address = rooms.stores.addresses["ingest"]
    output = await asyncio.to_thread(run, [*program, address, str(SCENARIO)], SCENARIO.parent, RUN_SECONDS)
    answer: Answer = json.loads(output)
    return answer


async def test_the_python_client_lists_all_pages_and_reads_the_typed_error(python_answer: Answer) -> None:
    told = [{"name": p["name"], "description": p.get("description", "")} for p in python_answer["projects"]]
    assert told == scenario["projects"][::-1]
    assert python_answer["error"] == scenario["error"]


async def test_a_generated_go_client_gives_the_same_answer(
    rooms: Rooms, python_answer: Answer, tmp_path: Path
) -> None:
    program = await asyncio.to_thread(go_program, tmp_path / "go")
    assert await answer_of(program, rooms) == python_answer


async def test_a_generated_typescript_client_gives_the_same_answer(
    rooms: Rooms, python_answer: Answer, tmp_path: Path
) -> None:
    program = await asyncio.to_thread(typescript_program, tmp_path / "typescript")
    assert await answer_of(program, rooms) == python_answer
