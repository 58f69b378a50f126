"""An ingest room of the contract tests' own; see `tests/integration/conftest.py`."""

from __future__ import annotations

import pytest_asyncio

from tests.integration.conftest import servers  # noqa: F401  # a fixture
from tests.integration.stores import shared_rooms

rooms = pytest_asyncio.fixture(scope="module")(shared_rooms("ingest"))
