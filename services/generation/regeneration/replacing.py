"""What something new takes the place of is rejected in the transaction that keeps the new.

Of several that are to take the place of one, the first that is kept does. Those that are kept later find that
out here, be it that the first was replaced itself meanwhile: so there is never more than one successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.generation.regeneration.regeneration import replaced_by
from services.runtime.db import Connection
from services.runtime.failures import Failure
from services.runtime.sql import Statements

SQL = Statements(Path(__file__).parents[1] / "sql" / "originals.sql")


@dataclass(frozen=True)
class Place:
    """Where something may be replaced: the statements of its table."""

    hold: str
    replace: str


QUESTION = Place(SQL.hold_question, SQL.replace_question)
CANDIDATE = Place(SQL.hold_candidate, SQL.replace_candidate)


async def overtaken(connection: Connection, place: Place, original_id: str | None) -> Failure | None:
    """Hold an original, as a deletion does; say why something new cannot take its place any more.

    Args:
        connection: the transaction that is to keep the new.
        place: where it stands.
        original_id: the original; nothing for what takes no place.

    Returns the rejection of the new; nothing where it can.
    """
    if not original_id:
        return None
    await connection.execute(place.hold, original_id)
    row = await connection.fetchrow(SQL.find_originals, [original_id])
    if row is None or row["successor_id"] is None:
        return None
    return replaced_by(
        row["successor_id"], f"{row['successor_id']} took the place of {original_id} before it"
    )


async def take_place(connection: Connection, place: Place, new_id: str, original_id: str | None) -> None:
    """Reject an original that is held, in favour of what was kept in its place."""
    if original_id:
        await connection.execute(place.replace, original_id, new_id, replaced_by(new_id).as_json())
