"""Cards of NVIDIA by NVML, printed as `nvidia-smi` prints them: a program of its own, as a driver may hang.

`python nvml.py`, where the package `nvidia-ml-py` (module `pynvml`) is installed. It imports nothing of ours.
"""

from __future__ import annotations

import csv
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

MIB = 2**20
UNKNOWN = "[N/A]"


def rows_of(library: Any) -> Iterator[list[str]]:
    """A row of each card, in the order of `smi_csv.QUERY`; what a card does not know says `[N/A]`.

    Args:
        library: the module `pynvml`, initialised.
    """
    for index in range(library.nvmlDeviceGetCount()):
        try:
            card = library.nvmlDeviceGetHandleByIndex(index)
        except library.NVMLError:
            # Lost, or not ours to see.
            continue
        yield [str(index), *(_said(ask, library, card) for ask in _QUESTIONS)]


def _said(ask: Callable[[Any, Any], str], library: Any, card: Any) -> str:
    try:
        return ask(library, card)
    except (library.NVMLError, AttributeError):
        # Of an older driver, or an older library.
        return UNKNOWN


def _name(library: Any, card: Any) -> str:
    name = library.nvmlDeviceGetName(card)
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


_QUESTIONS: tuple[Callable[[Any, Any], str], ...] = (
    _name,
    lambda library, card: str(library.nvmlDeviceGetUtilizationRates(card).gpu),
    lambda library, card: f"{library.nvmlDeviceGetMemoryInfo(card).used / MIB:.3f}",
    lambda library, card: f"{library.nvmlDeviceGetMemoryInfo(card).total / MIB:.3f}",
    lambda library, card: str(library.nvmlDeviceGetTemperature(card, library.NVML_TEMPERATURE_GPU)),
    lambda library, card: f"{library.nvmlDeviceGetPowerUsage(card) / 1000:.2f}",
    lambda library, card: f"{library.nvmlDeviceGetEnforcedPowerLimit(card) / 1000:.2f}",
)
"""What is asked after the number, one for each further column; powers come in milliwatts."""


def main() -> int:
    """Print all cards; 1 where there is no driver."""
    library = importlib.import_module("pynvml")
    try:
        library.nvmlInit()
        csv.writer(sys.stdout).writerows(rows_of(library))
    except library.NVMLError as error:
        print(f"NVML: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
