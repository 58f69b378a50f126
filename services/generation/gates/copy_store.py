"""Copies among the questions of a project: the statements of `copies.sql`, behind functions.

They run in the transaction that stores the questions. Two transactions that bring questions of the same
content (equal but for words that name nothing) go one after the other, so that one of two copies stays,
whoever writes them. Near copies of which one names more than the other may both stay where they are stored
in the same moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from services.generation.gates.copies import Wording, copies, fact_key, wording_of
from services.generation.generations.generations import Generation
from services.generation.questions.questions import NewQuestion
from services.generation.questions.quotes import Quote
from services.runtime.db import Connection
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "copies.sql")


async def without_copies(
    connection: Connection, one: Generation, questions: Sequence[NewQuestion]
) -> list[NewQuestion]:
    """The questions, those that copy others of the project as rejected.

    Args:
        connection: the transaction in which they are stored.
        one: their generation.
        questions: what is to be stored.
    """
    wordings = [wording_of(new, one.id) for new in questions if not new.rejection]
    if not wordings:
        return list(questions)
    marks = [wording.marks(one.project_id) for wording in wordings]
    content = sorted({each.content for each in marks})
    await connection.execute(SQL.hold_wordings, one.project_id, content)
    looked = [
        {"id": wording.id, "wanted": each.wanted, "bands": each.bands}
        for wording, each in zip(wordings, marks, strict=True)
    ]
    known: defaultdict[str, list[Wording]] = defaultdict(list)
    for row in await connection.fetch(SQL.find_copies, one.project_id, looked):
        fact = Quote(**row["fact"]) if row["fact"] else None
        known[row["new_id"]].append(
            Wording(row["id"], row["generation_id"], row["text"], fact_key(fact, row["open_chunk"]))
        )
    found = copies(wordings, marks, known, one.options.gates)
    return [replace(new, rejection=new.rejection or found.get(new.id)) for new in questions]


async def insert_marks(connection: Connection, one: Generation, questions: Sequence[NewQuestion]) -> None:
    """Note by what copies of questions that were stored are found; those that are rejected have none."""
    wordings = [wording_of(new, one.id) for new in questions if not new.rejection]
    if wordings:
        marks = [(each.id, each.marks(one.project_id)) for each in wordings]
        rows = [{"id": question_id, "marks": own.own, "bands": own.bands} for question_id, own in marks]
        await connection.execute(SQL.insert_marks, rows)
