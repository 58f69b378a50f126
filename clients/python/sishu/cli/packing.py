"""Values with parts in few lines for people: what fits on a line stands on one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

PLAIN = re.compile(r"[^\s\[\]{},\"](?:[^\[\]{},\"\n]*[^\s\[\]{},\"])?")
"""A text that can be told from what stands around it, without quotes."""


def packed(value: Any, width: int) -> Iterator[str]:
    """The lines of a value that JSON can hold, none longer than `width` columns unless a single text is."""
    whole = on_a_line(value)
    if len(whole) <= width or not isinstance(value, Mapping | list) or not value:
        yield whole
    elif isinstance(value, Mapping):
        yield from chain.from_iterable(named(key, one, width) for key, one in value.items())
    else:
        yield from listed(value, width)


def named(key: str, value: Any, width: int) -> Iterator[str]:
    """The lines of a part with its name: on one line, or below it."""
    whole = f"{key}: {on_a_line(value)}"
    if len(whole) <= width or not isinstance(value, Mapping | list):
        yield whole
    else:
        yield f"{key}:"
        yield from (f"  {line}" for line in packed(value, width - 2))


def listed(values: list[Any], width: int) -> Iterator[str]:
    """The lines of a list: as many short ones on a line as fit, each longer one below a dash."""
    line = ""
    for value in values:
        whole = on_a_line(value)
        if line and len(line) + len(whole) + 2 > width:
            yield line
            line = ""
        if len(whole) <= width - 2:
            line = f"{line}, {whole}" if line else f"- {whole}"
        else:
            first, *rest = packed(value, width - 2)
            yield from (f"- {first}", *(f"  {one}" for one in rest))
    if line:
        yield line


def on_a_line(value: Any) -> str:
    """A value on one line; texts have quotes where they need them."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {on_a_line(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(on_a_line, value))}]"
    if isinstance(value, str) and PLAIN.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)
