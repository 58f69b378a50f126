"""Pandoc, the converter of documents: a program of its own, without files or network, within limits."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pypandoc
from lxml import etree

from services.ingest.formats import BY_MEDIA_TYPE
from services.ingest.readers.reading import Source, out_of_memory, timed_out
from services.ingest.readers.shared.elements import Element
from services.runtime.errors import InvalidArgument

PROGRAM = Path(pypandoc.__file__).parent / "files" / "pandoc"
HEAP_SHARE = 0.6
"""Of the memory that a parse may take; the rest is the reader's."""
FORMULA_SECONDS = 300.0
FORMULA_HEAP_BYTES = 160 << 20
FORMULAS_AT_ONCE = 1000
HEAP_EXHAUSTED = 251
"""Exit code of programs compiled by GHC that outgrow their heap."""
ENVIRONMENT = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def html_of(data: bytes, syntax: str, source: Source, *, embed: bool = False) -> str:
    """A document as HTML, without a head.

    Args:
        data: the bytes of the document.
        syntax: what they are, in Pandoc's words: `docx`, `odt`, `rtf`, `html`.
        source: where they come from, for messages.
        embed: write pictures into the text as `data:` URIs; else they keep their names in the container.

    Raises:
        InvalidArgument: Pandoc cannot read it, or needs too much memory.
        FailedPrecondition: it takes too long.
    """
    try:
        done = run(
            data,
            syntax,
            ["--embed-resources"] if embed else [],
            seconds=source.seconds,
            heap_bytes=int(source.memory_bytes * HEAP_SHARE),
        )
    except subprocess.TimeoutExpired:
        raise timed_out(source.name, source.seconds) from None
    if done.returncode != 0:
        raise failure_of(done, source)
    return done.stdout.decode("utf-8", "replace")


def failure_of(done: subprocess.CompletedProcess[bytes], source: Source) -> InvalidArgument:
    """Why Pandoc made nothing of a document."""
    if done.returncode == HEAP_EXHAUSTED:
        return out_of_memory(source.name, source.memory_bytes)
    if done.returncode < 0:
        return InvalidArgument(
            "PARSE_CRASHED",
            f"{source.name}: the program that converted it ended with signal {-done.returncode}; the file is "
            "damaged, or the machine lacks memory",
            name=source.name,
            end=f"signal {-done.returncode}",
        )
    kind = BY_MEDIA_TYPE[source.media_type].reader.upper()
    why = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
    return InvalidArgument(
        f"{kind}_UNREADABLE",
        f"{source.name}: the {kind} file cannot be read ({why}); is it damaged or cut off? Save it anew",
        name=source.name,
    )


def run(
    data: bytes, syntax: str, more: Sequence[str], *, seconds: float, heap_bytes: int
) -> subprocess.CompletedProcess[bytes]:
    """Run Pandoc on bytes; HTML comes out.

    Raises:
        subprocess.TimeoutExpired: it took too long.
    """
    limits = ["+RTS", f"-M{heap_bytes}", "-RTS"]
    way = ["--sandbox", f"--from={syntax}", "--to=html", "--wrap=none", "--mathjax"]
    return subprocess.run(
        [PROGRAM, *limits, *way, "--syntax-highlighting=none", *more],
        input=data,
        capture_output=True,
        env=ENVIRONMENT,
        timeout=seconds,
        check=False,
    )


def tex_of_mathml(formulas: Sequence[Element]) -> list[str]:
    """MathML as LaTeX; what Pandoc cannot read becomes its bare text."""
    found: list[str] = []
    for start in range(0, len(formulas), FORMULAS_AT_ONCE):
        found += some_tex(formulas[start : start + FORMULAS_AT_ONCE])
    return found


def some_tex(formulas: Sequence[Element]) -> list[str]:
    """The same, of so many as Pandoc takes at once."""
    bare = [" ".join("".join(formula.itertext()).split()) for formula in formulas]
    page = "".join(
        f"<p>{etree.tostring(formula, encoding='unicode', with_tail=False)}</p>" for formula in formulas
    )
    try:
        done = run(page.encode(), "html", [], seconds=FORMULA_SECONDS, heap_bytes=FORMULA_HEAP_BYTES)
    except subprocess.TimeoutExpired:
        return bare
    if done.returncode != 0:
        return bare
    root = etree.fromstring(b"<html>" + done.stdout + b"</html>", etree.HTMLParser(encoding="utf-8"))
    found = root.findall(".//p")
    if len(found) != len(formulas):
        return bare
    return ["".join(formula.itertext()).strip() for formula in found]
