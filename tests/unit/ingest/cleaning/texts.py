"""Texts for the tests of cleaning, and what becomes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from services.ingest.cleaning import RULES, clean, moved
from services.ingest.readers.reading import Image, Reading

ALL = tuple(RULES)
LOGO = "![ACME](images/0123456789abcdef.png)"
PLAN = "![plan](images/fedcba9876543210.png)"
ENGLISH_BODIES = [
    "# Report of the year\n\nThe company made informa-\ntion systems for self-\nemployed craftsmen and sold them in",
    "twelve countries. The information was gath-\nered by hand.\n\n| Region | Sales |\n|---|---|\n| North | 12 |",
    "# Part 1\n\n```python\nname = 'ACME Corporation'   \n\n\n\n# Page 3\n```\n\nThe program prints a name.",
    "# Part 2\n\nThe energy is\n\n$$\nE = mc^2\n$$\n\nand nothing else.",
    f"# Part 3\n\n{PLAN}\n\nThe plan of the mill.",
    "# Part 4\n\nIn 2019 the mill burned down. It was in-\nsured for 40 million francs.",
    "# Part 5\n\n1. Open the valve.\n2. Wait for 3 minutes.\n3. Close the valve.",
    "# Part 6\n\nConfidential papers are kept in the safe of the annual report's author.",
    "# Part 7\n\nThe board thanked all workers. Page 9 of the statute was changed.",
    "# Part 8\n\nNext year will be better.",
]


def pages_of(bodies: Sequence[str], head: str, foot: str) -> Reading:
    """A document as a PDF reader gives it: every page with its running lines, two line ends between pages."""
    text, starts = "", []
    for number, body in enumerate(bodies, 1):
        starts.append(len(text))
        text += f"{head.format(number)}\n\n{body}\n\n{foot.format(number)}\n\n"
    text = text.rstrip() + "\n"
    digest = hashlib.sha256(b"").hexdigest()
    images = [
        Image(reference[-25:-1], "image/png", 0, digest, place, place + len(reference))
        for reference in (LOGO, PLAN)
        for place in range(len(text))
        if text.startswith(reference, place)
    ]
    return Reading(text, tuple(starts), images=tuple(sorted(images, key=lambda image: image.char_start)))


def cleaned(text: str, *rules: str, pages: Sequence[int] = (), syntax: str = "markdown") -> str:
    changes = clean(text, pages, rules or ALL, syntax)
    after = moved(Reading(text, pages, syntax=syntax), changes)
    assert clean(after.text, after.page_starts, rules or ALL, syntax) == []
    return after.text
