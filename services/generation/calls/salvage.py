"""Read JSON that a model wrote with mistakes, without ever changing or losing a word of it.

Other repairers close what was cut off and drop what they do not understand, so that half a sentence comes
out as a whole one. This one tolerates wrong signs and nothing else:

- strings in single, curly, corner or full-width quotation marks, with line ends or quotation marks inside;
- full-width brackets, colons and commas; commas too many, or missing between the members of an object;
- comments, `<think>` blocks, keys without quotation marks, Python's `True`, `False` and `None`;
- text that was cut off: what is not whole is left out. An array keeps its whole items; an object keeps its
  whole members, and an array or object that was cut inside it.

Everything else is an error, and the model is asked again.
"""

from __future__ import annotations

import json
import re
from typing import Any

from services.generation.calls.replies import THINK, block_end

MOST_CHARACTERS = 200_000
MOST_DEPTH = 50
MOST_COMMENT = 10_000

CLOSERS = {
    '"': '"',
    "'": "'",
    "\N{FULLWIDTH QUOTATION MARK}": "\N{FULLWIDTH QUOTATION MARK}",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"\N{RIGHT DOUBLE QUOTATION MARK}\N{LEFT DOUBLE QUOTATION MARK}',
    "\N{RIGHT DOUBLE QUOTATION MARK}": '"\N{RIGHT DOUBLE QUOTATION MARK}',
    "\N{LEFT SINGLE QUOTATION MARK}": "\N{RIGHT SINGLE QUOTATION MARK}",
    "\N{LEFT CORNER BRACKET}": "\N{RIGHT CORNER BRACKET}",
    "\N{LEFT WHITE CORNER BRACKET}": "\N{RIGHT WHITE CORNER BRACKET}",
}
"""Quotation marks that begin a string, and those that end it."""
OPENERS = "".join(CLOSERS)
ENDERS = "".join(sorted(set("".join(CLOSERS.values()))))
WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}

OPEN_OBJECT, CLOSE_OBJECT = "{\N{FULLWIDTH LEFT CURLY BRACKET}", "}\N{FULLWIDTH RIGHT CURLY BRACKET}"
OPEN_ARRAY, CLOSE_ARRAY = "[\N{FULLWIDTH LEFT SQUARE BRACKET}", "]\N{FULLWIDTH RIGHT SQUARE BRACKET}"
COLON = ":\N{FULLWIDTH COLON}"
COMMA = ",\N{FULLWIDTH COMMA}\N{IDEOGRAPHIC COMMA}"
CLOSE = {"member": CLOSE_OBJECT, "item": CLOSE_ARRAY}
STRUCTURE = OPEN_OBJECT + OPEN_ARRAY + CLOSE_OBJECT + CLOSE_ARRAY + COLON + COMMA + OPENERS

BARE_KEY = re.compile(r"[^\W\d]\w{0,99}")
SCALAR = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|[A-Za-z]+(?!\w)")
QUOTED_KEY = rf"[{OPENERS}][^{OPENERS}{ENDERS}\n]{{1,200}}[{ENDERS}]"
KEY_AHEAD = re.compile(rf"(?:{QUOTED_KEY}|[^\W\d]\w{{0,99}})\s*[{COLON}]")
AHEAD = {"member": KEY_AHEAD, "item": re.compile(rf"[{OPENERS}{re.escape(OPEN_OBJECT + OPEN_ARRAY)}]")}
MARKS = {opener: re.compile(rf"\\.|[{closers}]", re.DOTALL) for opener, closers in CLOSERS.items()}
BLANK = re.compile(r"\s+|(?://|#)[^\n]*")
ESCAPE = re.compile(r'\\(?:(["\\/bfnrt\'])|((?:u[0-9a-fA-F]{4})(?:\\u[0-9a-fA-F]{4})*))')


class Broken(ValueError):
    """The text is broken in a way that is not tolerated; the message says how.

    Attributes:
        begun: a part of a value was read, so it is one, and not a bracket of prose.
    """

    begun = False


class CutOff(Exception):
    """The text ends in the middle of a value."""


class Reader:
    """Reads one value.

    Args:
        text: what the model wrote.
        at: where the value begins.

    Attributes:
        at: where reading has come to.
        cut: the text ends before the value does.
        begun: a key or an item was read.
    """

    def __init__(self, text: str, at: int) -> None:
        self.text, self.at = text, at
        self.cut = self.begun = False

    def value(self, depth: int = 0, *, member: bool = False) -> Any:
        """The value that begins here.

        Raises:
            Broken: a mistake that is not tolerated.
            CutOff: the text ends, and nothing of the value is whole.
        """
        if depth > MOST_DEPTH:
            raise Broken("it is nested too deep")
        char = self.peek()
        if char in OPEN_OBJECT:
            return self.object(depth)
        if char in OPEN_ARRAY:
            return self.array(depth)
        if char in OPENERS:
            return self.string("member" if member else "item")
        return self.scalar()

    def object(self, depth: int) -> dict[str, Any]:
        """The members of an object, up to where the text was cut."""
        self.at += 1
        members: dict[str, Any] = {}
        try:
            while self.peek() not in CLOSE_OBJECT:
                key = self.key()
                value = self.value(depth + 1, member=True)
                if members.get(key, value) != value:
                    raise Broken(f'the key "{key}" stands there twice')
                members[key] = value
                if self.cut:
                    return members
                self.skip_comma()
            self.at += 1
        except CutOff:
            self.cut = True
        return members

    def array(self, depth: int) -> list[Any]:
        """The whole items of an array."""
        self.at += 1
        items: list[Any] = []
        try:
            while self.peek() not in CLOSE_ARRAY:
                item = self.value(depth + 1)
                if self.cut:
                    return items
                items.append(item)
                self.begun = True
                if not self.skip_comma() and self.peek() not in CLOSE_ARRAY:
                    raise Broken("a comma is missing between two items")
            self.at += 1
        except CutOff:
            self.cut = True
        return items

    def key(self) -> str:
        """A key and the colon after it."""
        bare = BARE_KEY.match(self.text, self.at)
        if self.peek() in OPENERS:
            key = self.string("key")
        elif bare:
            key, self.at = bare.group(), bare.end()
        else:
            raise Broken("a key is missing")
        if self.peek() not in COLON:
            raise Broken("a colon is missing after a key")
        self.at += 1
        self.begun = True
        return key

    def string(self, role: str) -> str:
        """A string; its role, `key`, `member` or `item`, decides which quotation mark ends it."""
        opener, start = self.text[self.at], self.at + 1
        inside = 0
        for mark in MARKS[opener].finditer(self.text, start):
            if mark.group()[0] == "\\":
                continue
            if self.ends_string(mark.end(), role):
                # One of a pair would be the end of the string, and the rest another one.
                if inside % 2 and len(set(CLOSERS[opener] + opener)) == 1:
                    raise Broken("a quotation mark inside a text is not escaped")
                self.at = mark.end()
                return unescaped(self.text[start : mark.start()])
            inside += not self.is_apostrophe(mark.start())
        raise CutOff

    def ends_string(self, after: int, role: str) -> bool:
        """Whether a string ends here, by what follows.

        Raises:
            Broken: it may or may not.
        """
        at = self.blanks_end(after)
        following = self.text[at : at + 1]
        if role == "key":
            ends = following in COLON
        elif not following:
            # Where the text was cut off behind a blank, the mark began a word.
            ends = not self.text[after - 2].isspace()
        elif following in COMMA:
            ends = self.goes_on(self.blanks_end(at + 1), role)
        else:
            ends = following in CLOSE[role] or self.is_think(at)
            ends = ends or (role == "member" and bool(KEY_AHEAD.match(self.text, at)))
        if not ends and following in STRUCTURE:
            raise Broken("a quotation mark inside a text is not escaped")
        return ends

    def goes_on(self, at: int, role: str) -> bool:
        """Whether the next member or item begins after a comma, or there is none."""
        following = self.text[at : at + 1]
        return following in CLOSE[role] or self.is_think(at) or bool(AHEAD[role].match(self.text, at))

    def is_think(self, at: int) -> bool:
        """Whether thoughts begin here."""
        mark = THINK.match(self.text, at)
        return bool(mark and not mark[1])

    def is_apostrophe(self, at: int) -> bool:
        """Whether a single quotation mark stands inside a word."""
        around = self.text[at - 1 : at] + self.text[at + 1 : at + 2]
        return self.text[at] in "'\N{RIGHT SINGLE QUOTATION MARK}" and len(around) == 2 and around.isalnum()

    def scalar(self) -> Any:
        """A number or one of the words of JSON and Python."""
        found = SCALAR.match(self.text, self.at)
        if not found:
            raise Broken(f"{self.text[self.at : self.at + 20]!r} is no JSON value")
        self.at = found.end()
        if self.at == len(self.text):
            raise CutOff
        word = found.group()
        if word in WORDS:
            return WORDS[word]
        if word[0].isalpha():
            raise Broken(f"{word[:20]!r} is no JSON value")
        return json.loads(word)

    def skip_comma(self) -> bool:
        """Skip commas; whether there was one."""
        comma = False
        while self.peek() in COMMA:
            self.at += 1
            comma = True
        return comma

    def peek(self) -> str:
        """The next sign that is no blank, no comment and no thought.

        Raises:
            CutOff: there is none.
        """
        self.at = self.blanks_end(self.at)
        while self.is_think(self.at):
            self.at = self.blanks_end(block_end(self.text, self.at))
        if self.at >= len(self.text):
            raise CutOff
        return self.text[self.at]

    def blanks_end(self, at: int) -> int:
        """Where blanks and comments end."""
        while True:
            blank = BLANK.match(self.text, at)
            if blank:
                at = blank.end()
            elif self.text.startswith("/*", at) and "*/" in self.text[at : at + MOST_COMMENT]:
                at = self.text.index("*/", at) + 2
            else:
                return at


def salvage(text: str, at: int) -> tuple[Any, int, bool]:
    """The value that begins at a bracket, where it ends, and whether the text was cut off before that.

    Raises:
        Broken: it cannot be read without a guess.
    """
    if len(text) - at > MOST_CHARACTERS:
        raise Broken("it is too long and not valid JSON")
    reader = Reader(text, at)
    try:
        value = reader.value()
    except Broken as broken:
        broken.begun = reader.begun
        raise
    return value, reader.at, reader.cut


def unescaped(raw: str) -> str:
    """The text of a string from between its marks; a backslash that escapes nothing stands for itself."""
    return ESCAPE.sub(unescape, raw) if "\\" in raw else raw


def unescape(escape: re.Match[str]) -> str:
    """The sign, or signs, of an escape."""
    if escape[1]:
        return "'" if escape[1] == "'" else str(json.loads(f'"\\{escape[1]}"'))
    return str(json.loads(f'"\\{escape[2]}"'))
