"""Copies by meaning among the questions of a project: the statements of `meanings.sql`, behind functions.

They run in the transaction that stores the questions, one project at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.generation.gates.copies import Wording, fact_key, wording_of
from services.generation.gates.meanings import Known, Meanings, most_different, same_meaning, signs
from services.generation.generations.generations import Generation
from services.generation.questions.questions import NewQuestion
from services.generation.questions.quotes import Quote
from services.runtime.db import Connection, Pool
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "meanings.sql")
STORED = np.float16
"""Half the bytes; cosines are off by less than a thousandth."""


async def find_vectors(
    pool: Pool, project_id: str, keys: Sequence[bytes]
) -> dict[bytes, npt.NDArray[np.float32]]:
    """The embeddings that a project has, by what they are found by."""
    rows = await pool.fetch(SQL.find_vectors, project_id, keys)
    return {row["key"]: vector_of(row["vector"]) for row in rows}


async def hold_meanings(connection: Connection, project_ids: Iterable[str]) -> None:
    """Wait for others that compare meanings in projects, before anything else that they might hold."""
    for project_id in sorted(project_ids):
        await connection.execute(SQL.hold_meanings, project_id)


async def without_same_meaning(
    connection: Connection, one: Generation, questions: Sequence[NewQuestion], meanings: Meanings | None
) -> list[NewQuestion]:
    """The questions, those that mean what others of the project do as rejected."""
    wordings = [wording_of(new, one.id) for new in questions if not new.rejection]
    if not meanings or not wordings:
        return list(questions)
    gates = one.options.gates
    wanted = [{"id": each.id, "signs": signs(meanings.vectors[each.id])} for each in wordings]
    most = most_different(gates.meaning_similarity)
    known: defaultdict[str, list[Known]] = defaultdict(list)
    for row in await connection.fetch(SQL.find_meanings, one.project_id, meanings.space, wanted, most):
        fact = Quote(**row["fact"]) if row["fact"] else None
        wording = Wording(row["id"], row["generation_id"], row["text"], fact_key(fact, row["open_chunk"]))
        known[row["new_id"]].append(Known(wording, vector_of(row["vector"])))
    found = same_meaning(wordings, meanings, known, gates)
    return [replace(new, rejection=new.rejection or found.get(new.id)) for new in questions]


async def insert_embeddings(connection: Connection, one: Generation, meanings: Meanings | None) -> None:
    """Store the embeddings of questions that were stored."""
    if meanings:
        vectors = meanings.vectors.values()
        await connection.execute(
            SQL.insert_embeddings,
            one.project_id,
            meanings.space,
            list(meanings.vectors),
            [meanings.keys[question_id] for question_id in meanings.vectors],
            [signs(vector) for vector in vectors],
            [vector.astype(STORED).tobytes() for vector in vectors],
        )


def vector_of(stored: bytes) -> npt.NDArray[np.float32]:
    """An embedding as it was stored."""
    return np.frombuffer(stored, STORED).astype(np.float32)
