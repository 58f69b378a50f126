"""The child process of `base_models`: it converts a GGUF file or downloads from the hub, then ends.

Only here are transformers, torch and huggingface_hub imported, so their memory goes when the work is done.
`python -m services.runtime.base_model_maker convert GGUF FOLDER` or `download HUB_ID`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from services.runtime import errors

REPORTED = 3
"""Exit status that means: the last line of stdout is the error as JSON."""

_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF model as a Hugging Face folder in bf16, the dtype nearly all of them came from."""
    import torch  # noqa: PLC0415 - heavy
    import transformers  # noqa: PLC0415 - heavy

    options: dict[str, Any] = {"gguf_file": gguf.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, **options)
    if hasattr(transformers, "GgufConfig"):
        # Without it transformers 5 keeps the model marked as quantized, and save_pretrained refuses.
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.bfloat16, **options)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)


def download(hub_id: str) -> Path:
    """Bring the hub's current snapshot into Hugging Face's own cache, which resumes and may be shared.

    Raises:
        NotFound: the hub shows us no such model.
        Unavailable: the hub cannot be reached, and no earlier snapshot is in the cache.
    """
    import huggingface_hub  # noqa: PLC0415 - heavy
    from huggingface_hub import errors as hub  # noqa: PLC0415 - heavy

    try:
        return Path(huggingface_hub.snapshot_download(hub_id, allow_patterns=_HUB_FILES))
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError, hub.HFValidationError) as error:
        raise errors.NotFound(
            "BASE_MODEL_NOT_FOUND",
            f"No base model {hub_id!r}: neither a local path nor a model that the hub shows us. "
            "Check the name; for a private or gated model set HF_TOKEN.",
        ) from error
    except (hub.HfHubHTTPError, OSError, RuntimeError) as error:
        raise errors.Unavailable(
            "HUB_UNREACHABLE",
            f"No local path {hub_id!r}, and the model hub does not deliver it: {_first_line(error)}. "
            "Go online, or give the path of a local Hugging Face folder or GGUF file.",
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _exit_with_parent() -> None:
    """End when stdin ends: the parent holds the other end, so its death is ours too."""

    def watch() -> None:
        # Not sys.stdin: a daemon thread inside its buffered reader aborts the interpreter at exit.
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: list[str]) -> int:
    """Do the work named first; a domain error becomes one line of JSON and the status REPORTED."""
    _exit_with_parent()
    work, *operands = arguments
    try:
        if work == "convert":
            convert(Path(operands[0]), Path(operands[1]))
        else:
            print(download(operands[0]))
    except errors.SishuError as error:
        print(json.dumps({"kind": type(error).__name__, "reason": error.reason, "message": error.message}))
        return REPORTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
