"""What a run does that lacked memory: it goes on with less at a time, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.runtime.db import Pool
from services.runtime.sql import Statements
from services.trainer.training_config import TrainingConfig

SQL = Statements(Path(__file__).parents[1] / "sql" / "memory_plans.sql")

SHARE = 4
"""A micro batch becomes so many times smaller."""


@dataclass(frozen=True)
class MemoryPlan:
    """What is computed at once by a run that lacked memory; its steps are those that they were.

    Args:
        micro_tokens: most tokens of a micro batch.
        gradient_checkpointing: whether activations are computed again in the backward pass.
    """

    micro_tokens: int
    gradient_checkpointing: bool

    def spec(self) -> dict[str, object]:
        """As fields of the engine's spec."""
        return {"micro_tokens": self.micro_tokens, "gradient_checkpointing": self.gradient_checkpointing}

    def __str__(self) -> str:
        return (
            f"micro batches of at most {self.micro_tokens} tokens, as many more of them, and activations "
            "computed again in the backward pass; the steps stay the same"
        )


class MemoryPlans:
    """The table of plans, one for a run.

    Args:
        pool: of the room's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, run_id: str) -> MemoryPlan | None:
        """The plan of a run that lacked memory; nothing of one that did not."""
        row = await self._pool.fetchrow(SQL.get_plan, run_id)
        return MemoryPlan(**row) if row else None

    async def make(self, run_id: str, config: TrainingConfig) -> MemoryPlan | None:
        """A plan for a run that lacks memory; nothing where it has had one."""
        plan = MemoryPlan(max(1, config.batch_tokens // SHARE), gradient_checkpointing=True)
        made = await self._pool.fetchval(SQL.take_plan, run_id, *vars(plan).values())
        return plan if made else None
