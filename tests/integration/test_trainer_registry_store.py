"""What the registry keeps, with a real Postgres, without its process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.runtime.errors import AlreadyExists, NotFound
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from services.trainer.models import Made, ModelFile
from services.trainer.registry.making import UploadFile
from services.trainer.registry.store import RegistryStore
from services.trainer.store import Store
from tests.integration.stores import Stores


@pytest_asyncio.fixture
async def store(stores: Stores) -> AsyncIterator[Store]:
    async with stores.pool("trainer") as pool:
        yield Store(pool, Jobs(pool, "trainer"))


async def test_a_model_in_the_making_becomes_what_was_made(store: Store) -> None:
    registry, project_id, request_id = RegistryStore(store), new_id(), new_id()
    wanted = (project_id, "brought", "tuned", None)

    async def create(request: str) -> str:
        payload = {"upload_id": "u"}
        return (await registry.create_making("ImportModel", "import_model", wanted, payload, request)).id

    model_id = await create(request_id)
    assert await create(request_id) == model_id
    with pytest.raises(AlreadyExists):
        await create("")
    model = await store.get_model(model_id)
    assert (model.kind, model.state, model.base_model_id) == ("tuned", "preparing", None)
    assert model.job is not None
    item_id = await store.pool.fetchval("SELECT id FROM job_items WHERE job_id = $1", model.job.id)
    item = await store.jobs.load(item_id, 1)
    assert item.payload == {"upload_id": "u"}
    files = [ModelFile("config.json", "k1", 3, "aa"), ModelFile("model.safetensors", "k2", 4, "bb")]
    async with store.jobs.finish(item) as connection:
        await registry.set_made(connection, model_id, Made("tuned", files, "Llama", 9, "ss", "tt", 64, "rr"))
    model = await store.get_model(model_id)
    assert (model.state, model.size_bytes, model.sha256, model.renderer_sha256) == ("ready", 7, "ss", "rr")
    exported = ModelFile("gguf/f16/m.gguf", "k3", 5, "cc")
    for file in (exported, ModelFile("gguf/f16/m.gguf", "k4", 6, "dd")):
        async with store.pool.acquire() as connection:
            await registry.put_files(connection, model_id, [file])
    assert await registry.list_exports(model_id) == [file]
    assert await store.list_model_files(model_id) == files
    assert await registry.models_there({model_id, new_id()}) == {model_id}


async def test_an_upload_goes_with_its_project(store: Store) -> None:
    registry, project_id, request_id = RegistryStore(store), new_id(), new_id()
    files = [UploadFile("config.json", 3, "aa")]
    upload = await registry.create_upload(project_id, files, request_id)
    assert upload.files == files
    assert (await registry.create_upload(project_id, files, request_id)).id == upload.id
    assert await registry.old_uploads(60) == []
    assert upload in await registry.old_uploads(-60)
    counts, _, _ = await store.delete_project(project_id)
    assert counts["model_uploads"] == 1
    with pytest.raises(NotFound):
        await registry.get_upload(upload.id)
    again = await registry.create_upload(project_id, files, request_id)
    assert again.id != upload.id
    await registry.forget_upload(again.id)
    assert (await registry.create_upload(project_id, files, request_id)).id != again.id


async def test_a_model_is_made_of_one_that_is_there(store: Store) -> None:
    wanted = (new_id(), "whole", "merged", new_id())
    with pytest.raises(NotFound):
        await RegistryStore(store).create_making("MergeModel", "merge_model", wanted, {}, "")
