"""The tables of all rooms, as Postgres has them."""

from __future__ import annotations

from services.runtime.config import ROOMS
from tests.integration.stores import Stores

UNINDEXED = """
SELECT conrelid::regclass::text || ' ' || conname AS name
FROM pg_constraint AS made
WHERE contype = 'f' AND connamespace = $1::regnamespace AND confrelid::regclass::text <> ALL ($2) AND NOT EXISTS (
    SELECT FROM pg_index
    WHERE indrelid = conrelid
      AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) LIKE '(% IS NOT NULL)')
      AND indkey[0] = ANY (conkey)
)
ORDER BY name
"""
"""Foreign keys of whose columns none is the first of an index: who deletes what they refer to reads all rows."""
ONE_AT_A_TIME = ["projects", "jobs", "providers"]
"""Tables of which no statement deletes many rows: to read all rows once is no harm."""


async def test_every_foreign_key_has_an_index(stores: Stores) -> None:
    found = []
    for room in ROOMS:
        async with stores.pool(room) as pool:
            found += [row["name"] for row in await pool.fetch(UNINDEXED, room, ONE_AT_A_TIME)]
    assert not found, found
