from __future__ import annotations
from tests.integration.test_trainer import *
from tests.integration.test_trainer import school, start_trainer, base_model, tokenizer

async def test_delete_project_mid_run(school, start_trainer):
    await start_trainer()
    run = await school.create_run(await school.prepared(), **LONG)
    await school.beyond(run.id, 30)
    answer = await school.client.training.DeleteProjectData(
        runs.DeleteProjectDataRequest(project_id=school.project_id))
    print(answer)
    async def gone():
        return not school.engines() and not school.work(run.id).exists()
    await eventually(gone)
    await asyncio.sleep(12)
    assert not school.work(run.id).exists()
    async with school.stores.pool("trainer") as pool:
        for table in ("models", "training_runs", "training_steps", "jobs", "job_items", "device_leases", "pgqueuer"):
            print(table, await pool.fetchval(f"SELECT count(*) FROM {table}"))
    async with school.stores.storage() as storage:
        print(await storage.delete_prefix("runs/"), await storage.delete_prefix("models/"))
