"""An adapter merged into its base: a model folder of its own, proven before it gets its name.

One tensor at a time is in memory while merging: W + s B A is computed in fp32 and then rounded once, since a
sum in bf16 loses most of a small update. Then the folder is read back, and its logits are held against those
that transformers and peft compute from base and adapter: once as they are, where they may differ by what the
number format explains, and once with the sums before rounding, where they may not differ at all. So also an
update that is smaller than what rounding does to the base cannot get lost unseen.
"""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from services.trainer.engine import model, releases
from services.trainer.engine.adapter import WEIGHTS
from services.trainer.engine.errors import BaseModelError, DeviceError, DiskFullError, MergeError
from services.trainer.engine.export.modelfile import FILE as MODELFILE
from services.trainer.engine.export.modelfile import modelfile
from services.trainer.engine.export.prompts import prompts_of
from services.trainer.engine.files import new_folder, sha256_file, telling_full_disk
from services.trainer.engine.merge_plan import Piece, Plan, make_plan
from services.trainer.engine.rendering import FILE as RENDERER
from services.trainer.engine.shards import Tensor, split, write_shards

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TOLERANCES = {"fp32": 1e-4, "fp16": 5e-3, "bf16": 4e-2}
"""Largest distance between merged and reference logits, as a share of the latter's norm; what rounding the
weights to the format costs, with room for deep models."""
EXACT_TOLERANCE = 1e-4
"""The same with the sums before rounding: what another order of additions in fp32 costs."""
SHARD_BYTES = 5_000_000_000
_PROBE_TOKENS = 64
_PROBE_TEXT = "A text, 一段文字, with <marks> and\n\tspaces 1234."
_TOKENIZER_FILES = frozenset(
    {
        "added_tokens.json",
        "chat_template.jinja",
        "chat_template.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_TEMPLATES = "additional_chat_templates"
"""Folder of the templates of a tokenizer that has several."""
_WEIGHTS = frozenset({".safetensors", ".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".ckpt"})


@dataclass(frozen=True)
class Merged:
    """What became of a merge."""

    files: int
    """Weight files."""
    logit_error: float
    """Norm of (merged - reference) over that of the reference."""
    exact_error: float
    """The same before the weights were rounded to their format."""
    adapter_effect: float
    """Norm of (reference - base) over that of the reference: what the adapter changes at all."""


def device_of(name: str) -> torch.device:
    """The device of a name; `auto` takes an accelerator where there is one. Raises DeviceError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device: cannot use {name}: {reason}; use auto or cpu") from error
    return device


def merge(
    base: Path,
    adapter: Path,
    output: Path,
    precision: str = "bf16",
    shard_bytes: int = SHARD_BYTES,
    device: torch.device | None = None,
) -> Merged:
    """Write base and adapter as one model folder.

    Args:
        base: model folder with *.safetensors.
        adapter: folder that the engine or peft wrote; where it has a tokenizer, that is the merged model's.
        output: the new folder; it appears when everything in it is proven.
        precision: `bf16`, `fp16` or `fp32`, of the weights that are written.
        shard_bytes: most bytes of a weight file; a larger tensor has a file of its own.
        device: where to compute; nothing means the CPU.

    Raises:
        BaseModelError: base and adapter do not fit together, or cannot be read; nothing was written.
        DiskFullError: the merged model does not fit on the disk.
        MergeError: there is something at `output`, or the logits differ by more than the format explains.
    """
    if output.exists():
        raise MergeError(f"output: {output} is there already; delete it or name another folder")
    device = device or torch.device("cpu")
    plan = make_plan(base, adapter)
    tokenizer = _tokenizer_folder(base, adapter, plan)
    shards = split((_written(piece, DTYPES[precision]) for piece in plan.pieces.values()), shard_bytes)
    _check_room(output, sum(tensor.size for tensors in shards for tensor in tensors))
    with telling_full_disk("the merged model", output.parent), new_folder(output) as folder:
        write_shards(folder, shards, lambda name: plan.pieces[name].value(device))
        _copy_rest(base, tokenizer, folder)
        _copy_renderer(adapter, folder)
        _write_config(folder, precision, is_untied=plan.is_untied)
        _check_tokenizer(tokenizer, folder)
        _write_modelfile(tokenizer, folder)
        error, exact, effect = compare(base, adapter, folder, plan, device)
        _check_errors(error, exact, precision)
        told = {
            "base_model_sha256": model.base_model_sha256(base, folder / ".digests"),
            "adapter_sha256": sha256_file(adapter / WEIGHTS),
            "precision": precision,
            "logit_error": error,
            "exact_error": exact,
            "adapter_effect": effect,
            "versions": model.versions(),
        }
        (folder / ".digests").unlink()
        (folder / "merged.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    return Merged(len(shards), error, exact, effect)


def _written(piece: Piece, dtype: torch.dtype) -> Tensor:
    """A tensor as it is written; whole numbers keep their format."""
    return Tensor(piece.name, piece.shape, dtype if piece.kind.is_floating_point else piece.kind)


def _check_room(output: Path, needed: int) -> None:
    place = next(each for each in output.absolute().parents if each.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DiskFullError(
            f"output: the merged model needs {needed:,} bytes, {place} has {free:,} left; free some or name "
            "another folder"
        )


def _check_errors(error: float, exact: float, precision: str) -> None:
    if not exact <= EXACT_TOLERANCE:
        raise MergeError(
            f"the merged model's logits differ by {exact:.2g} from those of base and adapter, also before "
            "rounding; nothing was written"
        )
    if not error <= TOLERANCES[precision]:
        raise MergeError(
            f"the merged model's logits differ by {error:.2g} from those of base and adapter, more than "
            f"{precision} explains ({TOLERANCES[precision]:g}); nothing was written"
        )


def _tokenizer_folder(base: Path, adapter: Path, plan: Plan) -> Path | None:
    """Whose tokenizer the merged model gets: the adapter's own, else the base's, if there is one."""
    folders = [each for each in (adapter, base) if _has_tokenizer(each)]
    if not folders:
        return None
    size = len(_load_tokenizer(folders[0]))
    if folders[0] == adapter and size > plan.vocabulary:
        raise BaseModelError(
            f"adapter: its tokenizer has {size} tokens, base_model has embeddings of {plan.vocabulary}"
        )
    return folders[0]


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))


def _load_tokenizer(folder: Path) -> Any:
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"cannot load the tokenizer in {folder}: {error}") from error


def _copy_renderer(adapter: Path, folder: Path) -> None:
    """How the adapter was rendered for, in place of what the base says of itself."""
    (folder / RENDERER).unlink(missing_ok=True)
    if (adapter / RENDERER).is_file():
        shutil.copyfile(adapter / RENDERER, folder / RENDERER)


def _copy_rest(base: Path, tokenizer: Path | None, folder: Path) -> None:
    """Configuration, tokenizer and chat templates; never weights."""
    for path in base.iterdir():
        is_weights = path.suffix in _WEIGHTS or ".index." in path.name
        is_own = path.is_file() and not path.name.startswith(".") and path.name not in _TOKENIZER_FILES
        if is_own and not is_weights:
            shutil.copyfile(path, folder / path.name)
    if tokenizer is None:
        return
    for name in _TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)
    if (tokenizer / _TEMPLATES).is_dir():
        shutil.copytree(tokenizer / _TEMPLATES, folder / _TEMPLATES)


def _write_config(folder: Path, precision: str, *, is_untied: bool) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    kind = str(DTYPES[precision]).removeprefix("torch.")
    for name in ("dtype", "torch_dtype"):
        if name in config or name == releases.dtype_option():
            config[name] = kind
    if is_untied:
        for part in (config, config.get("text_config")):
            if isinstance(part, dict):
                part["tie_word_embeddings"] = False
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")


def _check_tokenizer(source: Path | None, merged: Path) -> None:
    """Demand that the merged model renders and cuts text as it should."""
    if source is None:
        return
    wanted, found = _load_tokenizer(source), _load_tokenizer(merged)
    if wanted.chat_template != found.chat_template or wanted(_PROBE_TEXT) != found(_PROBE_TEXT):
        raise MergeError(f"the merged model's tokenizer is not that of {source}; nothing was written")


def _write_modelfile(source: Path | None, merged: Path) -> None:
    """Say to Ollama how the merged model is asked; a model without a tokenizer is asked by nobody."""
    if source is not None:
        text = modelfile(".", prompts_of(_load_tokenizer(merged), merged))
        (merged / MODELFILE).write_text(text, encoding="utf-8")


@torch.no_grad()
def compare(
    base: Path, adapter: Path, merged: Path, plan: Plan, device: torch.device
) -> tuple[float, float, float]:
    """Distances of the merged logits, of those before rounding and of the base's from the wanted ones.

    All are computed in fp32, one model in memory at a time.
    """
    plain = _load(base, device)
    ids = _probe(plain).to(device)
    of_base = plain(input_ids=ids, use_cache=False).logits
    with warnings.catch_warnings():
        # peft asks transformers by names that it is about to drop, and warns of what is tied.
        warnings.simplefilter("ignore")
        adapted = peft.PeftModel.from_pretrained(plain, str(adapter)).eval()
    reference = adapted(input_ids=ids, use_cache=False).logits
    del plain, adapted
    loaded = _load(merged, device)
    of_merged = loaded(input_ids=ids, use_cache=False).logits
    _load_exact(loaded, plan, device)
    of_sums = loaded(input_ids=ids, use_cache=False).logits
    norm = reference.norm()
    error, exact, effect = (float((each - reference).norm() / norm) for each in (of_merged, of_sums, of_base))
    return error, exact, effect


def _load_exact(loaded: Any, plan: Plan, device: torch.device) -> None:
    """Give a model the values that its weights had before they were rounded to the format of its files."""
    parameters = dict(loaded.named_parameters(remove_duplicate=False))
    for name, piece in plan.pieces.items():
        found = parameters.get(name, parameters.get(f"{loaded.base_model_prefix}.{name}"))
        # Models that transformers puts together from other tensors on loading keep what they have.
        if found is not None and found.shape == piece.shape:
            found.copy_(piece.value(device))


def _load(folder: Path, device: torch.device) -> Any:
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {releases.dtype_option(): torch.float32, "local_files_only": True}
    try:
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"cannot load the weights in {folder}: {error}") from error
    return loaded.to(device).eval()


def _probe(causal: Any) -> torch.Tensor:
    """Token ids from all over the vocabulary, [1, tokens]."""
    vocabulary: int = causal.get_input_embeddings().num_embeddings
    return (torch.arange(_PROBE_TOKENS) * 7919 % vocabulary)[None]
