"""What a page shows when a reader asks for it: the panels of tabs and accordions, with the names on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from lxml import etree

from services.ingest.readers.html.sizes import Sizes
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.tree import HEADINGS

OPENERS = {"tab", "pill", "collapse", "list"}
"""What `data-toggle` says of a control that shows a panel in its place."""
PANELS = ("div", "section", "p", "ul", "ol", "dl", "table", "pre", "article", "blockquote")
LINK_SHARE = 0.7
"""A panel with more links is a menu that unfolds."""
FARTHEST = 20
"""Elements to look at beside a button."""


def shown_on_demand(body: Element) -> set[Element]:
    """The panels that a tab or a heading shows, whether or not they are hidden at first."""
    names = {name for control in body.iter(etree.Element) for name in targets_of(control)}
    return {
        element
        for element in body.iter(etree.Element)
        if (element.get("role") == "tabpanel" or element.get("id") in names) and is_panel(element)
    }


def targets_of(control: Element) -> Sequence[str]:
    """The ids of what a control shows."""
    toggle = control.get("data-toggle") or control.get("data-bs-toggle")
    named: list[str] = control.get("aria-controls", "").split()
    if toggle in OPENERS or control.get("role") == "tab":
        said = (control.get(name, "") for name in ("href", "data-target", "data-bs-target"))
        named += [target[1:] for target in said if target.startswith("#")]
    return named


def is_panel(element: Element) -> bool:
    """Whether an element holds more than a menu or a dialog."""
    if element.tag in {"nav", "select", "input", "dialog"} or element.get("role") in {
        "dialog",
        "menu",
        "navigation",
        "listbox",
    }:
        return False
    page = Sizes(element)
    return page.of(element).link_share <= LINK_SHARE


def set_out_tabs(body: Element) -> None:
    """Put the name of each tab before its panel, where it is plain which is whose."""
    for tab_list in list(body.iterfind(".//*[@role='tablist']")):
        tabs = [tab for tab in tab_list.iter(etree.Element) if tab.get("role") == "tab"]
        panels = panels_of(tabs, tab_list, body)
        for tab, panel in zip(tabs, panels, strict=False):
            name = " ".join("".join(tab.itertext()).split())
            if name:
                label = etree.Element("p")
                etree.SubElement(label, "strong").text = name
                label.tail, panel.text = panel.text, None
                panel.insert(0, label)
        parent = tab_list.getparent()
        if tabs and panels and parent is not None:
            etree.strip_elements(tab_list, "*")
            tab_list.text = None
        elif tabs:
            for tab in tabs:
                tab.tag = "p"


def panels_of(tabs: Sequence[Element], tab_list: Element, body: Element) -> list[Element]:
    """The panel of each tab, in their order; none if it is not plain."""
    by_id = {element.get("id"): element for element in body.iterfind(".//*[@id]")}
    named = [by_id[name] for tab in tabs for name in list(targets_of(tab))[:1] if name in by_id]
    if len(named) == len(tabs) == len(set(named)):
        return named
    parent = tab_list.getparent()
    if parent is None:
        return []
    beside = [one for one in parent.iter(etree.Element) if one.get("role") == "tabpanel"]
    return beside if len(beside) == len(tabs) else []


def set_out_buttons(body: Element, page: Sizes) -> None:
    """Make buttons that are headings text: those within one, and those that unfold what stands below them."""
    for button in list(body.iter("button")):
        if next(button.iterancestors(*HEADINGS, "summary", "dt"), None) is not None:
            button.tag = "span"
        elif unfolds(button, page):
            button.tag = "p"


def unfolds(button: Element, page: Sizes) -> bool:
    """Whether a button heads a panel: it is the first in its box, and what follows is no menu."""
    parent = button.getparent()
    if (
        parent is None
        or not page.of(button).text
        or next(button.iterancestors("nav", "form"), None) is not None
    ):
        return False
    panel = next(followers(button, page), None)
    if panel is None or panel.tag not in PANELS or page.of(panel).link_share > LINK_SHARE:
        return False
    return bool(button.get("aria-controls") or button.get("aria-expanded")) or is_first(button, page)


def followers(element: Element, page: Sizes) -> Iterator[Element]:
    """The elements with text close behind another, in its box."""
    return (sibling for sibling in islice(element.itersiblings(), FARTHEST) if page.of(sibling).text)


def is_first(button: Element, page: Sizes) -> bool:
    """Whether nothing is said in a box before a button, and only one panel stands behind it."""
    nearest = islice(button.itersiblings(preceding=True), FARTHEST)
    return not any(page.of(sibling).text for sibling in nearest) and len(list(followers(button, page))) == 1
