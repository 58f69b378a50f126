"""Every reason, preset, metric and setting of the room stands in docs/generation.md, and no reason is invented."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from services.generation.config import GenerationConfig
from services.generation.gates.gate_list import GATES
from services.generation.metrics import GenerationMetrics
from services.generation.prompts.built_in import BUILTIN
from services.generation.prompts.prompt_filters import FILTERS
from services.generation.providers.presets import PRESETS
from sishu.cli.prompts import CHINESE
from tests.support.flawed_kinds import KIND_FAULTS
from tests.support.flawed_texts import FAULTS, JUDGED
from tests.support.reasons import ERRORS, reasons_of

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "generation.md").read_text(encoding="utf-8")
MAKERS = {**ERRORS, "Failure": 1, "rejected": 0, "wrong_template": 0}


def reasons() -> set[str]:
    files = (ROOT / "services" / "generation").rglob("*.py")
    return {reason for path in files for reason in reasons_of(path, MAKERS)}


def rows_of(heading: str) -> list[str]:
    """The lines of tables under a heading."""
    section = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def test_every_reason_of_the_room_is_told_of_and_no_other() -> None:
    told = {
        word for row in rows_of("What can go wrong") for word in re.findall(r"`([A-Z_]+)`", row.split("|")[1])
    }
    assert {"PROVIDER_BUSY", "BUDGET_REACHED", "GATE_UNKNOWN", "BATCH_PENDING"} < told
    assert told | GATES.keys() == reasons() | GATES.keys()
    assert not told & GATES.keys()


def test_every_gate_is_told_of_as_it_is() -> None:
    rows = [f"| `{gate.name}` | {', '.join(gate.of)} | {gate.en} |" for gate in GATES.values()]
    assert rows_of("Gates") == rows


def test_every_planted_fault_is_told_of_with_the_gates_that_catch_it() -> None:
    told = {}
    for row in rows_of("What the gates catch"):
        fault, _, gates, planted, caught, false_alarms = (cell.strip() for cell in row.strip("|").split("|"))
        told[fault.strip("`")] = frozenset(re.findall(r"`([A-Z_]+)`", gates))
        assert 0 < int(planted) >= int(caught)
        assert false_alarms.isdecimal()
    assert told == {**FAULTS, **JUDGED, **KIND_FAULTS}
    assert frozenset().union(*told.values()) - GATES.keys() == {"OUTPUT_INCOMPLETE"}


def test_every_preset_is_told_of_as_it_is() -> None:
    for preset in PRESETS:
        variable = f"`{preset.api_key_variable}`" if preset.api_key_variable else "–"
        batches = f"{preset.batch_factor:g}" if preset.batches else "–"
        assert f"| `{preset.name}` | {preset.title} | {variable} | {batches} |" in GUIDE


def test_every_variable_and_filter_of_prompts_is_told_of_in_both_languages() -> None:
    told = GUIDE.split("\n## Prompts\n")[1].split("\n## ")[0]
    variables = {one.name for prompt in BUILTIN.values() for one in prompt.variables}
    assert variables == CHINESE.keys()
    for name in (*BUILTIN, *variables, *FILTERS):
        assert f"`{name}`" in told


def test_every_metric_is_told_of() -> None:
    registry = CollectorRegistry()
    GenerationMetrics(registry)
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in registry.collect()
    }
    assert {row.split("`")[1] for row in rows_of("Metrics")} == names


def test_every_setting_is_told_of_with_its_default() -> None:
    for field in dataclasses.fields(GenerationConfig):
        default = "none" if field.default is None else f"{field.default:g}"
        assert f"| `{field.metadata['env']}` | {default} |" in GUIDE
