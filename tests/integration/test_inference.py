"""Deployments and chat, with the real engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from services.runtime.ids import new_id
from sishu.common.v1 import job_service_pb2
from sishu.common.v1.project_data_service_pb2 import DeleteProjectDataRequest
from sishu.errors import ApiError
from sishu.inference.v1 import chat_service_pb2 as chat
from sishu.inference.v1 import deployment_pb2
from sishu.inference.v1 import deployment_service_pb2 as deployments
from sishu.trainer.v1 import model_pb2
from tests.integration.inference_school import (
    FAILED,
    LOADING,
    READY,
    School,
    make_adapter,
    started_school,
)
from tests.integration.processes import eventually
from tests.integration.stores import started_room
from tests.unit.inference.engine import conftest as engine_fixtures

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

tokenizer, folder = engine_fixtures.tokenizer, engine_fixtures.folder
school = pytest_asyncio.fixture(scope="module")(started_school)


async def test_a_deployed_model_answers_piece_by_piece(school: School) -> None:
    pieces = [piece async for piece in school.chat(school.base, "Where does the river flow?")]
    *before, last = pieces
    assert len([piece for piece in before if piece.content]) > 2
    assert all(piece.finish_reason == chat.FINISH_REASON_UNSPECIFIED for piece in before)
    assert last.finish_reason in {chat.FINISH_REASON_LENGTH, chat.FINISH_REASON_STOP}
    assert last.usage.prompt_tokens > 10
    assert 0 < last.usage.completion_tokens <= 12
    assert last.usage.calls == 1
    deployment = await school.get(school.base)
    assert (deployment.engine, deployment.served_model_name) == ("builtin", "tiny")
    async with httpx.AsyncClient() as http:
        listed = (await http.get(f"{deployment.base_url}/models")).json()
    assert [model["id"] for model in listed["data"]] == ["tiny"]


async def test_an_adapter_is_fetched_and_says_something_else(school: School) -> None:
    model_id = (await school.get(school.tuned)).model_id
    fetched = school.stores.home / "adapters" / model_id
    assert {path.name for path in fetched.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    question = "Where does the river flow?"
    base, tuned = await asyncio.gather(
        school.answer(school.base, question), school.answer(school.tuned, question)
    )
    assert tuned
    assert base != tuned


async def test_cancelling_a_chat_frees_the_engine_at_once(school: School) -> None:
    deployment = await school.get(school.base)
    asking = asyncio.create_task(school.answer(school.base, "Tell me all.", max_tokens=700))

    async def busy() -> bool:
        return await school.active(deployment) == 1

    async def freed() -> bool:
        return await school.active(deployment) == 0

    await eventually(busy)
    asking.cancel()
    await eventually(freed)
    # It did not merely come to its end.
    assert await school.metric('sishu_inference_chat_requests_total{outcome="cancelled"}') == 1
    assert await school.metric('sishu_inference_deployments{state="ready"}') == 2


async def test_a_conversation_that_is_too_long_is_refused(school: School) -> None:
    with pytest.raises(ApiError) as caught:
        await school.answer(school.base, "long " * 2000)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "CONTEXT_TOO_LONG")


async def test_a_model_has_one_deployment(school: School) -> None:
    model_id = (await school.get(school.base)).model_id
    request_id = new_id()
    assert (await school.deploy(model_id)).id == school.base
    assert (await school.deploy(model_id, request_id)).id == school.base
    assert (await school.deploy(model_id, request_id)).id == school.base
    request = deployments.ListDeploymentsRequest(project_id=school.project_id, page_size=1)
    first = await school.client.deployments.ListDeployments(request)
    assert [one.id for one in first.deployments] == [school.tuned]
    request.page_token = first.next_page_token
    second = await school.client.deployments.ListDeployments(request)
    assert [one.id for one in second.deployments] == [school.base]
    assert second.next_page_token == ""
    request = deployments.ListDeploymentsRequest(model_id=model_id)
    [found] = (await school.client.deployments.ListDeployments(request)).deployments
    assert found.id == school.base


async def test_a_request_id_gives_what_it_made_whatever_became_of_its_model(school: School) -> None:
    model_id, request_id = school.models.add_base("gone", Path("/nowhere")), new_id()
    made = await school.settled((await school.deploy(model_id, request_id)).id)
    assert made.state == FAILED
    model = school.models.models.pop(model_id)
    assert await school.deploy(model_id, request_id) == made
    await school.unload(made.id)
    with pytest.raises(ApiError) as caught:
        await school.deploy(model_id, request_id)
    assert caught.value.reason == "MODEL_NOT_FOUND"
    school.models.models[model_id] = model
    anew = await school.deploy(model_id, request_id)
    assert anew.id != made.id
    await school.unload(anew.id)


async def test_models_that_are_not_there_or_not_ours_are_refused(school: School) -> None:
    with pytest.raises(ApiError) as caught:
        await school.deploy(new_id())
    assert caught.value.reason == "MODEL_NOT_FOUND"
    model_id = (await school.get(school.base)).model_id
    wanted = deployment_pb2.Deployment(project_id=new_id(), model_id=model_id)
    with pytest.raises(ApiError) as caught:
        await school.client.deployments.CreateDeployment(
            deployments.CreateDeploymentRequest(deployment=wanted)
        )
    assert (caught.value.code, caught.value.field) == ("INVALID_ARGUMENT", "deployment.model_id")
    sourceless = deployment_pb2.Deployment(project_id=school.project_id)
    with pytest.raises(ApiError) as caught:
        await school.client.deployments.CreateDeployment(
            deployments.CreateDeploymentRequest(deployment=sourceless)
        )
    assert (caught.value.reason, caught.value.field) == ("FIELD_INVALID", "deployment.source")
    with pytest.raises(ApiError) as caught:
        await school.get(new_id())
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"


async def test_a_broken_model_fails_with_a_message_and_is_tried_again_when_mended(
    school: School, tmp_path: Path
) -> None:
    model_id = school.models.add_base("broken", tmp_path)
    broken = await school.settled((await school.deploy(model_id)).id)
    assert broken.state == FAILED
    assert broken.failure.reason == "BASE_MODEL_INVALID"
    assert "config.json" in broken.failure.message
    with pytest.raises(ApiError) as caught:
        await school.answer(broken.id, "Are you there?")
    assert caught.value.reason == "DEPLOYMENT_NOT_READY"
    assert "config.json" in caught.value.message
    assert await school.answer(school.base, "Are you there?")

    school.models.models[model_id].state = model_pb2.MODEL_STATE_PREPARING
    again = await school.deploy(model_id)
    assert (again.id, again.state) == (broken.id, LOADING)
    asked = school.models.asked[model_id]

    async def tried_twice() -> bool:
        return school.models.asked[model_id] >= asked + 2

    await eventually(tried_twice)
    assert (await school.get(broken.id)).state == LOADING
    await school.unload(broken.id)


async def test_a_model_that_the_engine_refuses_fails_with_what_it_said(
    school: School, folder: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "r": 5}), encoding="utf-8")
    base = school.models.add_base("same", folder)
    failed = await school.settled(
        (await school.deploy(await school.models.add_adapter("bad", base, adapter))).id
    )
    assert failed.state == FAILED
    assert failed.failure.reason == "ADAPTER_INVALID"
    assert "size mismatch" in failed.failure.message
    log = school.log(failed.id)
    assert log.exists()
    await school.unload(failed.id)

    async def forgotten() -> bool:
        return not log.exists() and not (school.stores.home / "adapters" / failed.model_id).exists()

    await eventually(forgotten)


async def test_an_adapter_is_not_put_on_another_base(school: School, folder: Path, tmp_path: Path) -> None:
    base = school.models.add_base("changed", folder, sha256="0" * 64)
    model_id = await school.models.add_adapter("orphan", base, make_adapter(tmp_path / "adapter"))
    failed = await school.settled((await school.deploy(model_id)).id)
    assert failed.failure.reason == "BASE_MODEL_CHANGED"
    await school.unload(failed.id)


async def test_a_database_that_goes_away_and_comes_back_costs_no_engine(school: School) -> None:
    pid = school.engine_pid(school.base)
    await school.stores.servers.postgres.stop()
    with pytest.raises(ApiError) as caught:
        await school.get(school.base)
    assert caught.value.code == "UNAVAILABLE"
    await school.stores.servers.postgres.start()

    async def back() -> bool:
        with contextlib.suppress(ApiError):
            return (await school.get(school.base)).state == READY
        return False

    await eventually(back)
    # The room looks after its deployments again.
    model_id = school.models.add_base("nowhere", Path("/nowhere"))
    failed = await school.settled((await school.deploy(model_id)).id)
    assert failed.failure.reason == "BASE_MODEL_NOT_FOUND"
    await school.unload(failed.id)
    assert school.engine_pid(school.base) == pid
    assert is_running(pid)
    assert await school.answer(school.base, "Are you there?")


async def test_an_engine_that_is_killed_is_started_again_and_answers(school: School) -> None:
    before = await school.get(school.base)
    answer = school.chat(school.base, "Tell me all.", max_tokens=700)
    await anext(answer)
    os.kill(school.engine_pid(school.base), signal.SIGKILL)
    with pytest.raises(ApiError) as caught:
        async for _ in answer:
            pass
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "ENGINE_LOST")
    assert await school.answer(school.tuned, "Are you there?")

    async def noticed() -> bool:
        return (await school.get(school.base)).restarts == before.restarts + 1

    await eventually(noticed)
    after = await school.settled(school.base)
    assert (after.state, after.restarts) == (READY, before.restarts + 1)
    assert after.base_url != before.base_url
    assert await school.answer(school.base, "Are you there?")


async def test_unloading_ends_the_engine_and_leaves_nothing_behind(school: School) -> None:
    pid = school.engine_pid(school.tuned)
    fetched = school.stores.home / "adapters" / (await school.get(school.tuned)).model_id
    assert fetched.is_dir()
    await school.unload(school.tuned)

    async def gone() -> bool:
        return not (is_running(pid) or fetched.exists() or school.log(school.tuned).exists())

    await eventually(gone)
    with pytest.raises(ApiError) as caught:
        await school.answer(school.tuned, "Are you there?")
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"
    with pytest.raises(ApiError) as caught:
        await school.unload(school.tuned)
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"
    assert await school.answer(school.base, "Are you there?")


async def test_engines_die_with_the_room_and_are_loaded_again_by_the_next(school: School) -> None:
    pid = school.engine_pid(school.base)
    await school.room.kill()
    await eventually(lambda: ended(pid))
    environment = {"SISHU_INFERENCE_CONCURRENCY": "0"}
    async with started_room(school.stores, "inference", env=environment) as room:

        async def forgotten() -> bool:
            with contextlib.suppress(ApiError):
                return (await school.get(school.base)).state == LOADING
            return False

        await eventually(forgotten)
        deployment = await school.settled(school.base)
        assert deployment.state == READY, deployment.failure
        assert await school.answer(school.base, "Are you there?")
        await delete_everything(school)
        assert await room.stop() == 0
        assert "Unclosed" not in room.log()


async def delete_everything(school: School) -> None:
    """Deleting the project's data ends engines, jobs and exams, and says what it deleted."""
    version_id = school.datasets.add_version([("Where?", "There."), ("When?", "Then.")])
    arm, request_id = ("base", school.base), new_id()
    exam = await school.create_exam(version_id, arm, request_id=request_id)
    await school.models.storage.put_bytes(f"exams/{school.project_id}/report.html", b"<p>")
    pid = school.engine_pid(school.base)
    request = DeleteProjectDataRequest(project_id=school.project_id)
    deleted = await school.client.project_data("inference").DeleteProjectData(request)
    assert deleted.deleted_objects == 1
    assert dict(deleted.deleted_rows) == {
        "inference.exams": 1,
        "inference.exam_items": 2,
        "inference.exam_results": 0,
        "inference.deployments": 1,
        "inference.conversations": 0,
        "inference.conversation_messages": 0,
    }
    await eventually(lambda: ended(pid))
    with pytest.raises(ApiError) as caught:
        await school.client.jobs("inference").GetJob(job_service_pb2.GetJobRequest(id=exam.job.id))
    assert caught.value.reason == "JOB_NOT_FOUND"
    again = await school.client.project_data("inference").DeleteProjectData(request)
    assert sum(again.deleted_rows.values()) == 0
    with pytest.raises(ApiError) as caught:
        await school.create_exam(version_id, arm, request_id=request_id)
    assert caught.value.reason == "DEPLOYMENT_NOT_FOUND"


async def ended(pid: int) -> bool:
    return not is_running(pid)


def is_running(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
