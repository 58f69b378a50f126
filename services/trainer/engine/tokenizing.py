"""From a file of rows to a token set: by several processes, and only where there is none yet.

A set lies beside the run's files under a hash of all that decides it: the rows, the renderer, the tokenizer
and the settings. One that is damaged or half written is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from services.trainer.engine.conversations import Encoder, Rules
from services.trainer.engine.data import Encoded, parse_row, read_lines
from services.trainer.engine.documents import read_documents
from services.trainer.engine.errors import BaseModelError, EngineError, InvalidRowError
from services.trainer.engine.files import new_folder, sha256_file
from services.trainer.engine.preferences import encode_judged, encode_pair
from services.trainer.engine.rendering import Renderer, RenderError, RenderSettings
from services.trainer.engine.token_sets import Block, TokenSet, TokenSetWriter, block_of, is_sound

FOLDER = "tokens"
"""Of the token sets, in the run's folder."""
_TOKENIZER_FILES = (
    "tokenizer",
    "vocab",
    "merges",
    "special_tokens",
    "added_tokens",
    "chat_template",
    "spiece",
)
CPT = "cpt"
"""The objective of documents; they are rendered by no template."""
_BLOCK_BYTES = 1 << 18
_BLOCK_DOCUMENTS = 256
_ALONE_BYTES = 8 << 20
"""A smaller file is tokenized sooner than other processes have started."""
_MOST_PROCESSES = 16
_QUIET_SECONDS = 10.0

EncodeRow = Callable[[dict[str, Any], int], Encoded]
Say = Callable[[int], None]
"""Takes the number of rows that are done."""
Lines = list[tuple[int, bytes]]


@dataclass(frozen=True)
class Recipe:
    """All that decides what rows become, beside the rows."""

    base_model: Path
    """Folder with the tokenizer."""
    objective: str
    """What is learned; decides what a row is."""
    settings: RenderSettings
    rules: Rules

    def key(self, rows_sha256: str, renderer_sha256: str) -> str:
        """The hash under which a token set is kept."""
        from transformers import __version__ as transformers  # noqa: PLC0415 - others import this for the rest

        parts = {
            "rows": rows_sha256,
            "renderer": renderer_sha256,
            "tokenizer": _tokenizer_sha256(self.base_model),
            "transformers": transformers,
            "objective": self.objective,
            "rules": asdict(self.rules),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _tokenizer_sha256(folder: Path) -> str:
    names = sorted(path for path in folder.iterdir() if path.name.startswith(_TOKENIZER_FILES))
    told = [f"{path.name}\0{sha256_file(path)}\n" for path in names if path.is_file()]
    told += [f"{path.name}\0{sha256_file(path)}\n" for path in sorted(folder.glob("*.model"))]
    return hashlib.sha256("".join(told).encode()).hexdigest()


def load_tokenizer(folder: Path) -> Any:
    """Load the tokenizer of a local folder. Raises BaseModelError."""
    import transformers  # noqa: PLC0415 - a process that only tokenizes imports nothing else

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"base_model: cannot load the tokenizer in {folder}: {error}") from error


def renderer_of(tokenizer: Any, settings: RenderSettings) -> Renderer:
    """The renderer of a run. Raises BaseModelError where the tokenizer has no chat template."""
    try:
        return Renderer(tokenizer, settings)
    except RenderError as error:
        raise BaseModelError(f"base_model: {error}") from error


def row_encoder(recipe: Recipe, tokenizer: Any) -> EncodeRow:
    """What turns a row into samples. Raises BaseModelError."""
    encoder = Encoder(tokenizer, renderer_of(tokenizer, recipe.settings), recipe.rules)
    if recipe.objective == "sft":
        return encoder.row
    return partial(encode_judged if recipe.objective == "kto" else encode_pair, encoder)


def token_set(
    recipe: Recipe, path: Path, tokenizer: Any, folder: Path, *, processes: int = 0, say: Say | None = None
) -> tuple[TokenSet, bool]:
    """The token set of a file, and whether it was there already.

    Args:
        recipe: how rows are encoded.
        path: of the rows, JSON Lines.
        tokenizer: of the recipe's base model.
        folder: where token sets are kept.
        processes: most of them that tokenize; 0 leaves the choice to us.
        say: called now and then.

    Raises:
        InvalidRowError: a row is none; the message names file and line.
        BaseModelError: the tokenizer cannot be used.
    """
    rows_sha256 = sha256_file(path)
    renderer = "" if recipe.objective == CPT else renderer_of(tokenizer, recipe.settings).sha256
    key = recipe.key(rows_sha256, renderer)
    target = folder / key[:32]
    folder.mkdir(parents=True, exist_ok=True)
    # Ranks of one run ask for the same set at the same time: one makes it.
    with _turn(folder / f".{target.name}.lock"):
        found = is_sound(target, key)
        if not found:
            with new_folder(target) as fresh, TokenSetWriter(fresh) as writer:
                for block in _blocks(recipe, path, tokenizer, processes):
                    writer.add(block)
                    if say:
                        say(writer.counts.rows)
                writer.finish({"key": key, "rows_sha256": rows_sha256})
    return TokenSet(target), found


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Seldom:
    """Passes a number of rows on, but not too often."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = time.monotonic()

    def __call__(self, rows: int) -> None:
        """Take the number of rows that are done."""
        if time.monotonic() - self._last >= _QUIET_SECONDS:
            self._last = time.monotonic()
            self._say(rows)


def _blocks(recipe: Recipe, path: Path, tokenizer: Any, processes: int) -> Iterator[Block]:
    count = processes or _usual_processes(path)
    if recipe.objective == CPT:
        # Documents follow each other, so that one process after another would have to wait.
        yield from _of_documents(recipe, path, tokenizer)
    elif count == 1:
        encode = row_encoder(recipe, tokenizer)
        yield from (_encoded(encode, path, lines) for lines in _portions(path))
    else:
        yield from _by_processes(recipe, path, count)


def _of_documents(recipe: Recipe, path: Path, tokenizer: Any) -> Iterator[Block]:
    rows = read_documents(path, tokenizer, recipe.rules.cutoff)
    while some := list(islice(rows, _BLOCK_DOCUMENTS)):
        yield block_of(some)


def _usual_processes(path: Path) -> int:
    if path.stat().st_size < _ALONE_BYTES:
        return 1
    return min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))


def _portions(path: Path) -> Iterator[Lines]:
    """The lines of a file, some at a time."""
    lines: Lines = []
    size = 0
    for line, content in read_lines(path):
        lines.append((line, content))
        size += len(content)
        if size >= _BLOCK_BYTES:
            yield lines
            lines, size = [], 0
    yield lines


def _encoded(encode: EncodeRow, path: Path, lines: Lines) -> Block:
    def rows() -> Iterator[tuple[int, Encoded]]:
        for line, content in lines:
            try:
                yield line, encode(parse_row(content), line)
            except InvalidRowError as error:
                raise InvalidRowError(f"{path}:{line}: {error}") from error

    return block_of(rows())


def _by_processes(recipe: Recipe, path: Path, count: int) -> Iterator[Block]:
    """Blocks in the order of the file; only a few are in memory."""
    # Not by fork: torch has threads, and perhaps a device.
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin, (recipe,))
    waiting: deque[Future[Block]] = deque()
    try:
        for lines in _portions(path):
            waiting.append(pool.submit(_encoded_there, path, lines))
            if len(waiting) > 2 * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise EngineError(
            "a process that tokenizes rows ended suddenly; if memory ran out, lower tokenizer_processes"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_here: EncodeRow | None = None
"""Of a process that only tokenizes."""


def _begin(recipe: Recipe) -> None:
    global _here  # noqa: PLW0603 - what an initializer leaves for the calls of its process
    # As many processes as cores: threads would only wait for each other.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _here = row_encoder(recipe, load_tokenizer(recipe.base_model))


def _encoded_there(path: Path, lines: Lines) -> Block:
    assert _here is not None  # noqa: S101 - the initializer has run
    return _encoded(_here, path, lines)
