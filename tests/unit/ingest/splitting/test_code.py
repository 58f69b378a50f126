from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.formats import LANGUAGES
from services.ingest.outline import headings_of
from services.ingest.readers.reading import Reading
from services.ingest.splitting import SplitOptions, split_reading

SOURCES = {
    "python": (
        "import os\n\n# says hello\n@cached\ndef hello(name):\n    return name\n\nclass Box:\n    def open(self):\n        pass\n",
        ["hello", "Box", "open"],
    ),
    "javascript": (
        "import a from 'a';\n\n/** says */\nexport function hello() {}\n\nclass Box {\n  open() {}\n}\n",
        ["hello", "Box", "open"],
    ),
    "typescript": (
        "interface Shape {\n  a: string;\n}\nexport class Box {\n  open(): void {}\n}\ntype A = string;\n",
        ["Shape", "Box", "open", "A"],
    ),
    "tsx": ("export function App() {\n  return <b>x</b>;\n}\n", ["App"]),
    "go": (
        "package main\n\n// Hello says.\nfunc Hello() {}\n\ntype Box struct {\n\ta int\n}\n\nfunc (b Box) Open() {}\n",
        ["Hello", "Box", "Open"],
    ),
    "java": (
        "package a;\n\n/** A box. */\npublic class Box {\n  int open() { return 1; }\n}\n",
        ["Box", "open"],
    ),
    "kotlin": (
        "package a\n\nclass Box {\n    fun open() {}\n}\n\nfun hello() {}\n",
        ["Box", "open", "hello"],
    ),
    "scala": ("object Main {\n  def hello() = 1\n}\nclass Box\n", ["Main", "hello", "Box"]),
    "rust": (
        "/// A box.\n#[derive(Debug)]\nstruct Box1 {\n    a: u8,\n}\n\nimpl Box1 {\n    fn open(&self) {}\n}\n",
        ["Box1", "Box1", "open"],
    ),
    "c": (
        "#include <a.h>\n\n/* adds */\nint add(int a, int b) {\n  return a + b;\n}\n\nstruct box {\n  int a;\n};\n",
        ["add", "box"],
    ),
    "cpp": ("namespace n {\nclass Box {\n public:\n  void open() {}\n};\n}\n", ["n", "Box", "open"]),
    "csharp": ("namespace N {\n  class Box {\n    void Open() {}\n  }\n}\n", ["N", "Box", "Open"]),
    "php": ("<?php\nfunction hello() {}\nclass Box {\n  function open() {}\n}\n", ["hello", "Box", "open"]),
    "ruby": ("module M\n  class Box\n    def open\n    end\n  end\nend\n", ["M", "Box", "open"]),
    "swift": ("class Box {\n  func open() {}\n}\nfunc hello() {}\n", ["Box", "open", "hello"]),
    "lua": ("-- says\nfunction hello()\nend\n\nlocal function other()\nend\n", ["hello", "other"]),
    "bash": ("#!/bin/sh\n# says\nhello() {\n  echo hi\n}\nhello\n", ["hello"]),
    "sql": (
        "-- people\nCREATE TABLE people (id int);\n\nCREATE VIEW names AS SELECT id FROM people;\n",
        ["people", "names"],
    ),
    "css": ("/* all */\nbody { margin: 0; }\n\n.box a { color: red; }\n", ["body", ".box a"]),
    "xml": ("<root>\n  <item>a</item>\n</root>\n", ["root", "item"]),
    "yaml": ("# settings\nname: a\njobs:\n  test:\n    run: x\n", ["name", "jobs", "test", "run"]),
    "toml": ("[tool]\na = 1\n\n[tool.b]\nc = 2\n", ["tool", "tool.b"]),
    "ini": ("[one]\na = 1\n\n[two]\nb = 2\n", ["one", "two"]),
    "proto": (
        'syntax = "proto3";\n\n// A box.\nmessage Box {\n  string a = 1;\n}\n\nservice Boxes {\n  rpc Open(Box) returns (Box);\n}\n',
        ["Box", "Boxes", "Open"],
    ),
}


def test_every_language_of_the_formats_is_here() -> None:
    assert set(SOURCES) == LANGUAGES


@pytest.mark.parametrize("language", sorted(SOURCES))
def test_the_sections_of_code_are_its_definitions(language: str) -> None:
    text, names = SOURCES[language]
    assert [one.title for one in headings_of(text, language)[0]] == names


@settings(deadline=None)
@given(
    st.sampled_from(sorted(SOURCES)),
    st.text(max_size=60),
    st.integers(1, 40),
    st.integers(0, 40),
    st.sampled_from(["characters", "tokens"]),
)
def test_chunks_of_code_together_are_the_text(
    language: str, more: str, low: int, room: int, unit: str
) -> None:
    text = SOURCES[language][0] + more.replace("\r", "\n").replace("\x00", "") + SOURCES[language][0]
    for strategy in ("structure", "code"):
        spans = split_reading(Reading(text, syntax=language), SplitOptions(strategy, unit, low, low + room))
        assert "".join(text[start:end] for start, end in spans) == text
        assert all(start < end for start, end in spans)


def parts_of(text: str, language: str, low: int, high: int) -> list[str]:
    reading = Reading(text, syntax=language)
    return [
        text[start:end] for start, end in split_reading(reading, SplitOptions(min_size=low, max_size=high))
    ]


def test_a_definition_keeps_its_comments_and_decorators_and_is_not_cut() -> None:
    unit = "# about {0}\n@decorated\ndef function_{0}(a):\n    b = a + {0}\n\n    return b\n\n\n"
    text = "import os\n\n\n" + "".join(unit.format(number) for number in range(100, 130))
    parts = parts_of(text, "python", 100, 260)
    assert all(part.startswith(("import", "# about")) and part.endswith("return b\n\n\n") for part in parts)


def test_a_large_class_is_cut_between_its_methods_and_a_large_method_between_its_statements() -> None:
    method = "    def method_{0}(self):\n" + "        call({0})\n" * 3 + "\n"
    text = "class Box:\n" + "".join(method.format(number) for number in range(100, 120))
    parts = parts_of(text, "python", 90, 200)
    assert all(part.startswith(("class", "    def")) for part in parts)
    long = "def long():\n" + "".join(f"    call({number})\n" for number in range(100, 160))
    assert all(part.endswith(")\n") for part in parts_of(long, "python", 90, 200))


def test_code_in_one_long_line_is_cut_all_the_same() -> None:
    parts = parts_of("var a=1;" * 1000, "javascript", 100, 200)
    assert all(len(part) <= 200 for part in parts)


def test_deeply_nested_code_is_split() -> None:
    text = "(" * 20_000 + ")" * 20_000
    assert "".join(parts_of(text, "python", 800, 1500)) == text
    assert headings_of("{" * 5_000, "javascript")[0] == []
