"""Fixtures of the tests of the dataset room, started once for all of its modules that a process tests.

They are shared: each test makes a project of its own, and puts back what it changes of a stand-in.

`school`       the dataset room with stand-ins of the rooms around it, and a tokenizer, `words`.
`idle_school`  the same, whose queue is worked on only where a test starts a worker.
`rooms`        real ingest, generation and dataset rooms.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.dataset_school import School, started_school
from tests.integration.stores import Servers, shared_rooms

TOKENIZER = """{"version": "1.0", "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
"pre_tokenizer": {"type": "Whitespace"}}"""


@pytest_asyncio.fixture(scope="package")
async def school(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[School]:
    folder = tmp_path_factory.mktemp("tokenizers")
    (folder / "words").mkdir()
    (folder / "words" / "tokenizer.json").write_text(TOKENIZER)
    async with started_school(servers, SISHU_DATASET_TOKENIZER_FOLDER=str(folder)) as started:
        yield started


@pytest_asyncio.fixture(scope="package")
async def idle_school(servers: Servers) -> AsyncIterator[School]:
    async with started_school(servers, SISHU_DATASET_CONCURRENCY="0") as started:
        yield started


rooms = pytest_asyncio.fixture(scope="package")(shared_rooms("ingest", "generation", "dataset"))
