"""The program that parses documents: `python -m services.ingest.parsing.program`, a child of the room.

Each line of JSON on stdin is a `Task`; each line on stdout says how it ended. All imports are paid once.
What foreign libraries take apart is done in a process forked for it: what breaks that harms no other
document. What only our own Python reads is done at once, since a fork costs more than to read it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.parsing import steps
from services.ingest.parsing.exchange import ALIVE, ERROR, FILE, PARSE, READ, RENDER, SPLIT, Task
from services.ingest.parsing.options import ParseOptions
from services.ingest.readers import Source, reader_of
from services.ingest.readers.reading import out_of_memory
from services.ingest.tokens import load_tokenizer
from services.runtime.errors import Internal, InvalidArgument, SishuError

CRASHED = 1
MOST_CAUSE_CHARS = 20_000
"""Of a traceback, whose end says most."""
GRACE_SECONDS = 5
"""By so much a parse outlives its time: it ends itself when nobody watches it any more."""
OWN_READERS = {"text", "table", "json"}
"""Readers whose files no foreign parser takes apart."""
STEPS = {
    PARSE: steps.parse,
    READ: steps.read,
    SPLIT: steps.split_again,
    RENDER: steps.render_pages,
}


def main() -> None:
    """Do tasks until stdin ends."""
    # A crash is told by its signal; nobody reads a core file of gigabytes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    # Whatever a library prints is no line of ours.
    os.dup2(2, 1)
    for line in sys.stdin:
        task = Task(**json.loads(line))
        reader_of(task.media_type)
        preload_tokenizer(task)
        try:
            print(*end_of(task, answers.fileno()), file=answers, flush=True)
        except BrokenPipeError:
            # The room is gone, and what it would do at exit would only tell so again.
            os._exit(0)


def preload_tokenizer(task: Task) -> None:
    """Load the tokenizer of a task here, so that not every process that is forked loads it anew."""
    tokenizer = task.options["split"]["tokenizer"]
    if tokenizer:
        # It may have to come from the hub.
        signal.alarm(int(task.seconds) + GRACE_SECONDS)
        # The task itself says what is wrong with it.
        with contextlib.suppress(InvalidArgument):
            load_tokenizer(tokenizer)
        signal.alarm(0)


def end_of(task: Task, answers: int) -> tuple[int, int]:
    """Do a task; say how its process ended, and the most bytes that it held.

    The first is an exit code, or minus the number of a signal.
    `answers` is the file to which they go; when this process dies, no fork of it keeps that open.
    """
    if BY_MEDIA_TYPE[task.media_type].reader in OWN_READERS:
        return work(task), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    process = os.fork()
    if process == 0:
        os.close(answers)
        os._exit(work(task))
    # Of the programs too that it started.
    _, status, used = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), used.ru_maxrss << 10


def work(task: Task) -> int:
    """Do a task within its limits; return the exit code."""
    signal.alarm(int(task.seconds) + GRACE_SECONDS)
    # Data, not address space: threads and mapped models take much of that, and hold little in memory.
    resource.setrlimit(resource.RLIMIT_DATA, (task.memory_bytes, resource.RLIM_INFINITY))
    try:
        return outcome(task)
    finally:
        signal.alarm(0)


def outcome(task: Task) -> int:
    """Do a task; write its error where it has one, and return the exit code."""
    folder, options = Path(task.folder), ParseOptions.of(task.options)

    def alive() -> None:
        (folder / ALIVE).touch()
        signal.alarm(int(task.seconds) + GRACE_SECONDS)

    source = Source(
        folder / FILE,
        task.name,
        task.media_type,
        folder,
        task.most_chars,
        options.read,
        alive,
        task.seconds,
        task.memory_bytes,
    )
    try:
        STEPS[task.step](source, task.document_id, options)
    except SishuError as error:
        write_error(folder, error, error.__cause__)
    except MemoryError:
        write_error(folder, out_of_memory(task.name, task.memory_bytes), None)
    except Exception as error:
        write_error(folder, unforeseen(task.name, error), error)
    return 0


def write_error(folder: Path, error: SishuError, cause: BaseException | None) -> None:
    """Write why there is no text, and for the log what led to it."""
    parts = {
        "code": error.code,
        "reason": error.reason,
        "message": error.message,
        "metadata": error.metadata,
        "cause": "".join(traceback.format_exception(cause))[-MOST_CAUSE_CHARS:] if cause else "",
    }
    (folder / ERROR).write_text(json.dumps(parts), encoding="utf-8")


def unforeseen(name: str, error: Exception) -> Internal:
    """The error for an exception that is no fault of the document, as far as we know."""
    kind = type(error).__name__
    return Internal(
        "PARSE_FAULTY",
        f"{name}: our own program failed while it parsed the file ({kind}); the log of the worker says "
        "where: report it, and try the file in another format",
        name=name,
        error=kind,
    )


if __name__ == "__main__":
    main()
