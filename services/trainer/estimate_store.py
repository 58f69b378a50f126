"""What estimates are made from, and what was estimated of runs: two tables behind functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.runtime.db import Connection, Pool
from services.runtime.sql import Statements
from services.trainer.estimating.estimates import Estimate

SQL = Statements(Path(__file__).parent / "sql" / "estimates.sql")


class EstimateStore:
    """The tables of estimates.

    Args:
        pool: of the room's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def set_config(self, connection: Connection, model_id: str, config: Mapping[str, Any]) -> None:
        """Keep the config.json of a base model."""
        await connection.execute(SQL.set_config, model_id, dict(config))

    async def config_of(self, model_id: str) -> dict[str, Any] | None:
        """The config.json of a model, or of the base that it was made from; None where it was not kept."""
        found = await self._pool.fetchval(SQL.get_config, model_id)
        return dict(found) if found else None

    async def save(self, run_id: str, found: Estimate, *, forced: bool) -> None:
        """Keep what was estimated of a run, in place of what was before."""
        await self._pool.execute(
            SQL.save_estimate,
            run_id,
            round(found.memory.tensors),
            round(found.needed),
            round(found.hardware.free),
            {name: round(value) for name, value in asdict(found.memory).items()},
            found.work.micro_tokens,
            found.speed.tokens_per_second,
            forced,
        )
