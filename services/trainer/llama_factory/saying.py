"""What a file says, argument by argument, and what becomes of it: fields of a config, faults and notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from services.trainer.engine.spec import TrainSpec
from services.trainer.llama_factory.arguments import ARGUMENTS, Argument
from services.trainer.llama_factory.notes import NOTES
from services.trainer.llama_factory.reading import Given
from services.trainer.llama_factory.remarks import Remark
from services.trainer.training_config import LIMITS, TrainingConfig

FIELDS = frozenset(field.name for field in fields(TrainingConfig))
"""What the contract has."""
OPTIONS: dict[str, tuple[str, ...]] = {
    field.name: field.metadata["options"] for field in fields(TrainSpec) if "options" in field.metadata
}
"""Words that the engine takes, by field."""


class Said:
    """What a file says; what it does not say is as LLaMA-Factory takes it."""

    def __init__(self, given: Iterable[Given]) -> None:
        self.faults: list[Remark] = []
        self.notes: list[Remark] = []
        self.config: dict[str, Any] = {}
        """Fields of `TrainingConfig` with their values."""
        self._lines: dict[str, int] = {}
        self._origins: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        for one in given:
            self._take(one)

    def __getitem__(self, name: str) -> Any:
        """The value of an argument."""
        return self._values[name] if name in self._values else ARGUMENTS[name].usual

    def has(self, name: str) -> bool:
        """Whether the file gives it a value."""
        return name in self._values

    def _take(self, given: Given) -> None:
        self._lines[given.name] = given.line
        argument = ARGUMENTS.get(given.name)
        if argument is None:
            self._unknown(given.name)
            return
        if given.value is None:
            return
        try:
            value = argument.kind(given.value)
        except ValueError as error:
            self.refuse(given.name, f"{error}, not {shown(given.value)}")
            return
        self._values[given.name] = value
        if argument.off is not None:
            self._check_off(given.name, argument, value)
        elif argument.note:
            self.note(given.name, argument.note)

    def _unknown(self, name: str) -> None:
        found = get_close_matches(name, ARGUMENTS, 1, 0.75)
        message = f"there is no argument {shown(name)}"
        if found:
            self.fault(name, "ARGUMENT_UNKNOWN", f"{message}; did you mean {found[0]}?", meant=found[0])
        else:
            self.fault(name, "ARGUMENT_UNKNOWN", f"{message}; remove it")

    def _check_off(self, name: str, argument: Argument, value: Any) -> None:
        # The value is not shown: it may be a secret.
        if value not in argument.off:  # type: ignore[operator]  # only asked where there is one
            self.lack(name, "", argument.instead)

    def put(self, field: str, value: Any, argument: str, implied: Any = None) -> None:
        """Give a field of the config the value that an argument asks for.

        Args:
            field: of `TrainingConfig`; where there is none, only `implied` can be had.
            value: for it.
            argument: which asks for it.
            implied: what is done without the field.
        """
        if field not in FIELDS:
            if value != implied:
                self.lack(argument, self._written(argument), "remove it, or ask for what the service has")
            return
        if value not in OPTIONS.get(field, (value,)):
            words = ", ".join(OPTIONS[field])
            self.lack(argument, self._written(argument), f"the service has, in its own words: {words}")
            return
        if field in LIMITS:
            low, high = LIMITS[field]
            if not low <= value <= high:
                self.refuse(argument, f"must come to {low:g} at least and {high:g} at most, not {value:g}")
                return
        self.config[field] = value
        self._origins[field] = argument

    def origin(self, field: str) -> str:
        """The argument that gave a field its value; empty where none did."""
        return self._origins.get(field, "")

    def _written(self, name: str) -> str:
        value = self[name]
        return "" if isinstance(value, bool | dict | None) else shown(value)

    def lack(self, name: str, value: str, instead: str) -> None:
        """Say that something is not had."""
        what = f"{name} {value}" if value else name
        message = f"{what} is not supported; {instead}"
        self.fault(name, "ARGUMENT_UNSUPPORTED", message, what=what, instead=instead)

    def refuse(self, name: str, why: str) -> None:
        """Say that a value cannot be."""
        self.fault(name, "ARGUMENT_INVALID", f"{name} {why}", why=why)

    def fault(self, name: str, reason: str, message: str, **metadata: str) -> None:
        """Note what is wrong with an argument."""
        remark = self._remark(name, reason, message, metadata)
        if remark not in self.faults:
            self.faults.append(remark)

    def note(self, name: str, reason: str) -> None:
        """Note what is done in place of an argument."""
        self.notes.append(self._remark(name, reason, NOTES[reason], {}))

    def _remark(self, name: str, reason: str, message: str, metadata: dict[str, str]) -> Remark:
        return Remark(name, self._lines.get(name, 0), reason, message, {"name": name, **metadata})


def shown(value: Any) -> str:
    """A value as a message shows it."""
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
