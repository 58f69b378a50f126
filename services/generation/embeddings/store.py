"""Embeddings of texts, by project: the statements of `embeddings.sql`, behind functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.generation.gates.meaning_store import STORED, vector_of
from services.runtime.db import Connection, Pool, held
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "embeddings.sql")

Vector = npt.NDArray[np.float32]


class EmbeddingStore:
    """The table `text_embeddings`."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def find(self, project_id: str, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """Those of some embeddings that a project has."""
        rows = await self.pool.fetch(SQL.find_text_embeddings, project_id, keys)
        return {row["key"]: vector_of(row["vector"]) for row in rows}

    async def add(self, project_id: str, vectors: Mapping[bytes, Vector]) -> None:
        """Keep embeddings, which were paid: while the database is away they are held here."""
        stored = [vector.astype(STORED).tobytes() for vector in vectors.values()]

        async def store() -> None:
            await self.pool.execute(SQL.insert_text_embeddings, project_id, list(vectors), stored)

        await held(self.pool, store)


async def delete_embeddings(connection: Connection, project_id: str) -> None:
    """Delete the embeddings of texts that a project has."""
    await connection.execute(SQL.delete_project_embeddings, project_id)
