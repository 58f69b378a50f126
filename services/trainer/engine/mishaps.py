"""The steps of a run that came to nothing, and what was made of that; see `recovery`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from services.trainer.engine.files import write_durably

FILE_NAME = "mishaps.json"


@dataclass
class Mishaps:
    """It has a file of its own: going back to a checkpoint must not undo it."""

    path: Path
    failed: list[int] = field(default_factory=list)
    """Steps that came to nothing, in the order in which they did."""
    passed_over: list[int] = field(default_factory=list)
    """Those of them that are not tried again."""
    rate_factor: float = 1.0
    """What the learning rate is multiplied by."""
    went_to: int = -1
    """Step of the checkpoint to which the run went back last."""

    @classmethod
    def read(cls, folder: Path) -> Mishaps:
        """Those of an output folder; none where the file is spoilt, since what happened will happen again."""
        path = folder / FILE_NAME
        try:
            return cls(path, **json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return cls(path)

    def write(self) -> None:
        """Keep them, also over a crash."""
        content = {name: value for name, value in asdict(self).items() if name != "path"}
        write_durably(self.path, json.dumps(content).encode())
