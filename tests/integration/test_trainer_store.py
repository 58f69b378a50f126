"""The tables of the trainer room with a real Postgres, without its process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from services.runtime.db import first_answer
from services.runtime.errors import FailedPrecondition, NotFound, Unavailable
from services.runtime.ids import new_id
from services.runtime.jobs import Jobs
from services.runtime.pages import LARGEST_BYTES, page_request
from services.trainer.convert import run_to_pb
from services.trainer.engine_events import RunLog
from services.trainer.row_reports import RowReports, TrainingRow
from services.trainer.store import Store
from services.trainer.tracking.run_files import RunFiles
from services.trainer.tracking.verdict import OVER_FITTED
from services.trainer.tracking.verdicts import Verdicts
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import NewRun, TrainingRun, TrainingStep, TrainingSummary
from services.trainer.watching import watch_run
from sishu.trainer.v1 import training_tracking_pb2
from tests.integration.stores import Stores

NOW = datetime(2024, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def store(stores: Stores) -> AsyncIterator[Store]:
    async with stores.pool("trainer") as pool:
        yield Store(pool, Jobs(pool, "trainer"))


async def new_run(store: Store, project_id: str = "", request_id: str = "", name: str = "") -> TrainingRun:
    project_id = project_id or new_id()
    base = await store.create_model(project_id, name or new_id(), "builtin", "")
    new = NewRun(project_id, "towns", new_id(), "dd", base.id, "bb", TrainingConfig(), "0")
    return await store.create_run(new, request_id)


def steps(numbers: Sequence[int], loss: float) -> list[TrainingStep]:
    return [TrainingStep(number, 0.1, loss, 1e-3, 0.5, 10, 4, 12, 0.5, 7, NOW) for number in numbers]


async def test_a_watcher_gets_steps_that_are_done_again(store: Store) -> None:
    run = await new_run(store)
    await store.save_progress(run.id, RunLog(), steps([1, 2, 3, 4], loss=9.0))
    sights = watch_run(store, run.id, after_step=1)
    first = await anext(sights)
    assert [(step.step, step.loss) for step in first.steps] == [(2, 9.0), (3, 9.0), (4, 9.0)]
    # The engine resumed from a checkpoint after step 2.
    await store.save_progress(run.id, RunLog(), steps([3, 4, 5], loss=1.0))
    seen = (await anext(sights)).steps
    assert [(step.step, step.loss) for step in seen] == [(3, 1.0), (4, 1.0), (5, 1.0)]
    await store.jobs.cancel(run.job.id)
    last = await anext(sights)
    assert (last.run.state, last.steps) == ("cancelled", [])
    assert [sight async for sight in sights] == []
    # A watch that broke after the first sight misses nothing, and sees nothing twice.
    again = [sight async for sight in watch_run(store, run.id, 1, first.position)]
    assert [(step.step, step.loss) for sight in again for step in sight.steps] == [
        (3, 1.0),
        (4, 1.0),
        (5, 1.0),
    ]
    assert again[-1].position == last.position > first.position
    nothing = [sight async for sight in watch_run(store, run.id, 1, last.position)]
    assert [(sight.steps, sight.position) for sight in nothing] == [([], last.position)]


async def test_a_run_is_judged_by_the_steps_that_it_stands_on(store: Store) -> None:
    run = await new_run(store)
    verdicts = Verdicts(store.pool, run.id)
    await verdicts.refresh()
    assert (await store.get_run(run.id)).verdict is None
    losses = [3.0, 2.0, 1.5, 1.45, 1.44, 1.9, 2.1]
    done = zip(steps(range(1, 8), 1.0), losses, strict=True)
    measured = [replace(one, validation_loss=loss) for one, loss in done]
    await store.save_progress(run.id, RunLog(summary=TrainingSummary(steps=7)), measured)
    await verdicts.refresh_when_due()
    found = (await store.get_run(run.id)).verdict
    assert found is not None
    assert (found.kind, found.best_step) == (OVER_FITTED, 5)
    assert found.rise == pytest.approx(0.66)
    # The run went back: what came after step 5 does not count any more.
    await store.save_progress(run.id, RunLog(summary=TrainingSummary(steps=5)), [])
    await verdicts.refresh_when_due()
    assert (await store.get_run(run.id)).verdict == found
    await verdicts.refresh()
    pb = run_to_pb(await store.get_run(run.id)).verdict
    assert (pb.kind, pb.last_step, pb.rise) == (training_tracking_pb2.LOSS_VERDICT_KIND_BEST_POINT, 5, 0)


async def test_the_event_file_of_a_run_has_the_steps_that_it_stands_on(stores: Stores, store: Store) -> None:
    run = await new_run(store)
    await store.save_progress(run.id, RunLog(summary=TrainingSummary(steps=3)), steps(range(1, 6), 2.0))
    async with stores.storage() as storage:
        files = RunFiles(store.pool, storage)
        await files.keep_event_file(run)
        await files.keep_event_file(run)
        (kept,) = await files.list(run.id)
        assert kept.key == f"{run.files_prefix}{kept.name}"
        content = await storage.get_bytes(kept.key)
        assert (content.count(b"train/loss"), kept.size_bytes) == (3, len(content))
        # Nothing is noted of a run that is gone.
        await files.note(new_id(), [kept])
        await files.keep_event_file(await new_run(store))
    assert await store.pool.fetchval("SELECT count(*) FROM training_run_files") == 1


async def test_rows_of_a_split_replace_those_before_and_come_in_pages(store: Store) -> None:
    run, reports = await new_run(store), RowReports(store.pool)
    cut = [TrainingRow("train", line, f"row-{line}", "cut", 90, 60, 2) for line in range(9, 12)]
    dropped = TrainingRow("validation", 3, "", "dropped", 99, 0, 0)
    await reports.replace(run.id, "train", [TrainingRow("train", 1, "old", "dropped", 70, 0, 0)])
    await reports.replace(run.id, "validation", [dropped])
    await reports.replace(run.id, "train", cut)
    found: list[TrainingRow] = []
    token = ""
    while True:
        page = await reports.list(page_request(2, token, run.id), run.id, "")
        found += page.rows
        token = page.next_token
        if not token:
            break
    assert found == [*cut, dropped]
    assert (await reports.list(page_request(9, "", run.id), run.id, "dropped")).rows == [dropped]
    await store.jobs.cancel(run.job.id)
    await store.delete_run(run.id, no_objects)
    assert (await reports.list(page_request(9, "", run.id), run.id, "")).rows == []


async def no_objects() -> int:
    return 0


async def away() -> int:
    raise Unavailable("STORAGE_UNAVAILABLE", "the S3 server is away")


async def test_a_run_whose_objects_stay_stays_as_well(store: Store) -> None:
    run = await new_run(store)
    await store.jobs.cancel(run.job.id)
    with pytest.raises(Unavailable):
        await store.delete_run(run.id, away)
    assert (await store.get_run(run.id)).id == run.id
    assert await store.delete_run(run.id, no_objects) == 0
    with pytest.raises(NotFound):
        await store.get_run(run.id)


async def test_a_deleted_run_leaves_its_request_id_free(store: Store) -> None:
    request_id, project_id = new_id(), new_id()
    run = await new_run(store, project_id, request_id)
    assert (await new_run(store, project_id, request_id)).id == run.id
    await store.jobs.cancel(run.job.id)
    assert await store.delete_run(run.id, no_objects) == 0
    again = await new_run(store, project_id, request_id)
    assert again.id != run.id
    await store.delete_project(project_id)
    assert await first_answer(store.pool, "CreateTrainingRun", request_id) is None
    assert await store.pool.fetchval("SELECT count(*) FROM requests") == 0


async def test_a_failed_run_and_model_say_what_their_job_says(store: Store) -> None:
    run = await new_run(store)
    for job in (run.job, (await store.get_model(run.base_model_id)).job):
        assert job is not None
        item_id = await store.pool.fetchval("SELECT id FROM job_items WHERE job_id = $1", job.id)
        await store.jobs.fail(await store.jobs.load(item_id, 1), FailedPrecondition("WHY", "so"))
    failure = (await store.get_run(run.id)).failure
    assert failure is not None
    assert failure.reason == "WHY"
    assert (await store.get_model(run.base_model_id)).failure == failure


async def test_a_page_of_long_rows_ends_early(store: Store) -> None:
    project_id, source = new_id(), "私" * 4000
    for number in range(100):
        await store.create_model(project_id, f"model {number}", source, "")
    page = await store.list_models(page_request(1000, ""), project_id, None, "")
    assert 0 < sum(len(model.source.encode()) for model in page.rows) < LARGEST_BYTES
    assert page.next_token
