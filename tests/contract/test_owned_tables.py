"""The tables that a room says it owns are those that its migrations make, and its stores fill them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.config import ROOMS
from services.runtime.sql import Statements

SERVICES = Path(__file__).parents[2] / "services"
OWNS = re.compile(r"^- \*\*Owns\*\*: Postgres schema `(\w+)` \(([^)]*)\)", re.MULTILINE)
MADE = re.compile(r"^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
BY_STORE = re.compile(r"`(\w+)`|by `([\w/]+)\.py`")


def owned(room: str) -> str:
    """What a room's README says of its tables."""
    found = OWNS.search((SERVICES / room / "README.md").read_text(encoding="utf-8"))
    assert found, f"services/{room}/README.md says nothing of the tables of the room"
    assert found[1] == room
    return found[2]


def stores_of(said: str) -> Iterator[tuple[str, str]]:
    """Tables with their stores, each after its store."""
    store = ""
    for part in said.split(";"):
        names = BY_STORE.findall(part)
        store = next((path for _, path in names if path), store)
        yield from ((table, store) for table, _ in names if table)


def fills(room: str, store: str, table: str) -> bool:
    """Whether a statement that a store names puts rows into a table."""
    module = importlib.import_module(f"services.{room}.{store.replace('/', '.')}")
    source = inspect.getsource(module)
    return any(
        re.search(rf"\bINTO {table}\b", getattr(statements, name))
        for variable, statements in vars(module).items()
        if isinstance(statements, Statements)
        for name in set(re.findall(rf"\b{variable}\.(\w+)", source))
    )


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_names_the_tables_of_its_migrations_and_no_others(room: str) -> None:
    folder = SERVICES / room / "sql" / "migrations"
    made = {
        table for path in folder.glob("*.sql") for table in MADE.findall(path.read_text(encoding="utf-8"))
    }
    named = re.findall(r"`(\w+)`", owned(room))
    assert made
    assert sorted(named) == sorted(made)


def test_each_table_of_the_generation_room_is_filled_by_the_store_that_is_named() -> None:
    found = list(stores_of(owned("generation")))
    assert ("providers", "providers/store") in found
    assert ("batch_waiters", "calls/batch_store") in found
    assert [f"{table} by {store}" for table, store in found if not fills("generation", store, table)] == []
