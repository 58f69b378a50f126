"""Formulas in HTML, in any of the ways that pages write them, as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.marks import GONE
from services.ingest.readers.shared.pandoc import tex_of_mathml

FORMULA = "formula"
"""Tag of formulas; their text is LaTeX, and `display` is `block` for those that stand alone."""
RENDERED = {"MathJax", "MathJax_Display", "MathJax_SVG", "MathJax_Preview", "MathJax_CHTML", "katex-html"}
PICTURE = "mwe-math-fallback-image"
"""How the class begins of the picture that Wikipedia shows where a browser knows no MathML."""
DELIMITERS = re.compile(r"^\s*(?:\\\((.*)\\\)|\\\[(.*)\\\]|\$\$(.*)\$\$|\$(.*)\$)\s*$", re.DOTALL)
DISPLAY_STYLE = re.compile(r"^\{\\displaystyle (.*)\}$", re.DOTALL)


def find_formulas(root: Element) -> None:
    """Make every formula an element `formula`, in place; what a script drew of it goes."""
    scripts = [script for script in root.iter("script") if script.get("type", "").startswith("math/tex")]
    for script in scripts:
        set_formula(script, script.text or "", "mode=display" in script.get("type", ""))
    unread: list[Element] = []
    for math in list(root.iter("math")):
        tex = tex_beside(math)
        set_formula(math, tex, is_display(math)) if tex else unread.append(math)
    for math, tex in zip(unread, tex_of_mathml(unread), strict=True):
        set_formula(math, tex, is_display(math))
    for element in list(root.iter("span", "div", "img", "eq", "mjx-container")):
        classes = element.get("class", "").split()
        if "math" in classes:
            if element.find(f".//{FORMULA}") is None:
                set_formula(
                    element, "".join(element.itertext()), "display" in classes or element.tag == "div"
                )
        elif element.tag == "mjx-container":
            keep_only_formula(element)
        elif is_drawing(element, classes, bool(scripts)):
            vanish(element)


def is_drawing(element: Element, classes: Sequence[str], has_sources: bool) -> bool:
    """Whether an element only shows a formula that is given beside it."""
    if element.tag == "img":
        return any(name.startswith(PICTURE) for name in classes)
    return "katex-html" in classes or (has_sources and not RENDERED.isdisjoint(classes))


def tex_beside(math: Element) -> str:
    """The LaTeX that a page gives beside its MathML; empty if there is none."""
    for note in math.iter("annotation"):
        if "tex" in note.get("encoding", "").lower() and note.text:
            return str(note.text)
    return str(math.get("alttext") or "")


def is_display(math: Element) -> bool:
    """Whether a formula stands alone."""
    if math.get("display") == "block" or math.get("mode") == "display":
        return True
    for depth, above in enumerate(math.iterancestors("span", "mjx-container")):
        if "katex-display" in above.get("class", "") or above.get("display") == "true":
            return True
        if depth == 3:
            break
    return False


def set_formula(element: Element, tex: str, display: bool) -> None:
    """Make an element a formula."""
    match = DELIMITERS.match(tex)
    if match:
        display = display or match[2] is not None or match[3] is not None
        tex = next(part for part in match.groups() if part is not None)
    tail = element.tail
    element.clear()
    element.tail = tail
    tex = " ".join(tex.split())
    element.text = DISPLAY_STYLE.sub(r"\1", tex).strip()
    element.tag = FORMULA
    if display:
        element.set("display", "block")


def keep_only_formula(element: Element) -> None:
    """Leave nothing in MathJax's drawing but the formula that it has for screen readers."""
    formula = element.find(f".//{FORMULA}")
    if formula is not None:
        set_formula(element, formula.text or "", formula.get("display") == "block")


def vanish(element: Element) -> None:
    """Take an element away with all in it."""
    tail = element.tail
    element.clear()
    element.tail = tail
    element.tag = GONE
