"""A folder that llama.cpp and Ollama take, made of a model's: one GGUF file, and a Modelfile."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from services.trainer.engine.errors import MergeError
from services.trainer.engine.export.gguf_check import check_content, check_logits
from services.trainer.engine.export.gguf_file import Source, write
from services.trainer.engine.export.modelfile import FILE as MODELFILE
from services.trainer.engine.export.modelfile import modelfile
from services.trainer.engine.files import new_folder, telling_full_disk

LONGEST_NAME = 60


@dataclass(frozen=True)
class Exported:
    """What became of an export."""

    file: str
    """Name of the GGUF file."""
    tensor_error: float
    """Largest norm of (file - folder) over that of the folder, of all tensors."""
    logit_error: float
    """The same of the logits."""
    exact_error: float
    """The same of the logits, where the folder's weights are rounded to the format too."""


def export_gguf(folder: Path, output: Path, kind: str, name: str) -> Exported:
    """Write a model as GGUF.

    Args:
        folder: of the model.
        output: the new folder; it appears when everything in it is proven.
        kind: `f32`, `f16`, `bf16` or `q8_0`, of the matrices.
        name: of the model.

    Raises:
        BaseModelError: the model cannot be read, or is of a kind that does not go; nothing was written.
        DiskFullError: the file does not fit on the disk.
        MergeError: there is something at `output`, or the file is not the model.
    """
    if output.exists():
        raise MergeError(f"output: {output} is there already; delete it or name another folder")
    source = Source(folder, kind)
    stem = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:LONGEST_NAME] or "model"
    output.parent.mkdir(parents=True, exist_ok=True)
    with telling_full_disk("the GGUF file", output.parent), new_folder(output) as made:
        path = made / f"{stem}-{kind}.gguf"
        write(source, path, name)
        tensor_error = check_content(source, path)
        logit_error, exact_error = check_logits(source, path)
        (made / MODELFILE).write_text(modelfile(f"./{path.name}", source.prompts), encoding="utf-8")
    return Exported(path.name, tensor_error, logit_error, exact_error)
