"""The program that parses documents: `python -m services.ingest.parse_program`, a child of the room.

Each line of JSON on stdin is a `Task`; each line on stdout says how the process that did it ended. That
process is forked for one document: what breaks it harms no other, and all imports are paid once.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from services.ingest.chunks import cut
from services.ingest.readers import ReadOptions, Source, read_document, reader_of
from services.ingest.readers.reading import text_too_long
from services.ingest.splitting import SplitOptions
from services.runtime.errors import InvalidArgument, SishuError

ANSWER = "answer.json"
TEXT = "text.md"
CRASHED = 1


@dataclass(frozen=True)
class Task:
    """What to parse.

    Args:
        path: the file; the answer is written beside it.
        media_type: says which reader reads it.
        name: name of the document, for messages.
        document_id: chunk ids are made from it.
        options: how to split.
        most_chars: longest text that is taken.
        memory_bytes: address space that the parse may take.
        seconds: after them the parse ends itself, also when nobody watches it any more.
    """

    path: str
    media_type: str
    name: str
    document_id: str
    options: Mapping[str, int]
    most_chars: int
    memory_bytes: int
    seconds: int


def main() -> None:
    """Do tasks until stdin ends."""
    # A crash is told by its signal; nobody reads a core file of gigabytes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        task = Task(**json.loads(line))
        reader_of(task.media_type)
        print(exit_code(task), flush=True)


def exit_code(task: Task) -> int:
    """Do a task in a process of its own; return its exit code, or minus the number of the signal."""
    process = os.fork()
    if process == 0:
        os._exit(work(task))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def work(task: Task) -> int:
    """Do a task within its limits; return the exit code."""
    # Whatever a library prints is no line of ours.
    os.dup2(2, 1)
    signal.alarm(task.seconds)
    resource.setrlimit(resource.RLIMIT_AS, (task.memory_bytes, task.memory_bytes))
    folder = Path(task.path).parent
    try:
        parse(task, folder)
    except SishuError as error:
        write_error(folder, error)
    except MemoryError:
        write_error(folder, out_of_memory(task))
    except Exception:
        traceback.print_exc()
        return CRASHED
    return 0


def parse(task: Task, folder: Path) -> None:
    """Read and cut a file, and write what comes out: the text into a file of its own.

    Raises:
        InvalidArgument: the file cannot be read, or its text is too long.
    """
    read_options = ReadOptions()
    reading = read_document(
        Source(Path(task.path), task.name, task.media_type, folder, task.most_chars, read_options)
    )
    if len(reading.text) > task.most_chars:
        raise text_too_long(task.name, len(reading.text), task.most_chars)
    pieces = cut(reading, task.document_id, SplitOptions(**task.options))
    (folder / TEXT).write_text(reading.text, encoding="utf-8", newline="")
    answer = {"page_count": len(reading.page_starts), "pieces": [asdict(piece) for piece in pieces]}
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


def write_error(folder: Path, error: SishuError) -> None:
    """Write why there is no text."""
    parts = {"reason": error.reason, "message": error.message, "metadata": error.metadata}
    (folder / ANSWER).write_text(json.dumps({"error": parts}), encoding="utf-8")


def out_of_memory(task: Task) -> InvalidArgument:
    """The error for a document that needs more memory than it may take."""
    limit = task.memory_bytes >> 20
    return InvalidArgument(
        "PARSE_OUT_OF_MEMORY",
        f"{task.name}: parsing needs more than {limit} MiB of memory; split the file, or raise "
        "SISHU_INGEST_PARSE_MEMORY_MIB",
        name=task.name,
        memory_mib=str(limit),
    )


if __name__ == "__main__":
    main()
