"""Clean a document's text by rules, as changes of the text that stays beside the new one.

What a rule removes is never part of code, tables or formulas. Cleaning a cleaned text changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.ingest.cleaning.boilerplate import boilerplate
from services.ingest.cleaning.changes import Change, apply, joined, moved
from services.ingest.cleaning.drafts import Draft, Rule
from services.ingest.cleaning.line_breaks import line_breaks
from services.ingest.cleaning.pages import page_numbers, repeated_lines
from services.ingest.cleaning.white_space import white_space
from services.ingest.cleaning.words import hyphenation
from services.runtime.errors import InvalidArgument

__all__ = ["RULES", "Change", "apply", "clean", "moved"]

RULES: Mapping[str, Rule] = {
    "page_numbers": page_numbers,
    "repeated_lines": repeated_lines,
    "boilerplate": boilerplate,
    "hyphenation": hyphenation,
    "line_breaks": line_breaks,
    "white_space": white_space,
}
"""All rules, in the order in which they do best."""
SYNTAXES = {"markdown", "plain"}
"""What can be cleaned; in source code every character counts."""
MOST_ROUNDS = 50
"""A bound that no real text comes near: a second round finds little, a third nothing."""


def clean(text: str, page_starts: Sequence[int], rules: Sequence[str], syntax: str) -> list[Change]:
    """The changes that the rules make, sorted and disjoint; none where they would leave no text.

    Args:
        text: the normalised text.
        page_starts: offset of each page's first character, or empty.
        rules: names of `RULES`.
        syntax: of the text, as in `Reading`.

    Raises:
        InvalidArgument: there is no such rule.
    """
    check_rules(rules)
    if syntax not in SYNTAXES:
        return []
    draft, changes = Draft(text, tuple(page_starts), syntax), list[Change]()
    for _ in range(MOST_ROUNDS):
        before = draft
        for rule in rules:
            found = draft.allowed(RULES[rule](draft))
            if found:
                changes = joined(draft.text, changes, found)
                draft = draft.changed(found)
        if draft is before:
            break
    if not draft.text.strip():
        return []
    return [change for change in changes if text[change.start : change.end] != change.added]


def check_rules(rules: Sequence[str]) -> None:
    """Refuse unknown rules.

    Raises:
        InvalidArgument: there is no such rule.
    """
    for rule in rules:
        if rule not in RULES:
            raise InvalidArgument(
                "CLEAN_RULE_UNKNOWN",
                f"{rule[:100]!r} is no cleaning rule; use some of {', '.join(RULES)}",
                "rules",
                rule=rule[:100],
            )
