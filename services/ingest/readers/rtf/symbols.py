"""Letters of the font Symbol, whose places are those of Latin letters (Adobe, Symbol encoding)."""

from __future__ import annotations

ROWS = {
    0x20: " !∀#∃%&∋()*+,-./0123456789:;<=>?",
    0x40: "≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_",
    0x60: "‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼",
    0xA0: "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵",
    0xC0: "ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓",
    0xE0: "◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪",
    0xF1: "〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
}
LETTERS = {start + at: letter for start, row in ROWS.items() for at, letter in enumerate(row)}
PRIVATE = 0xF000
"""Where Unicode has the letters of such fonts."""


def symbols(data: bytes) -> str:
    """What bytes show in the font Symbol."""
    return "".join(LETTERS.get(byte, "•" if byte > 127 else chr(byte)) for byte in data)


def symbol_of(unit: int) -> int:
    """The letter that a private one of Unicode shows in the font Symbol; others as they are."""
    return ord(LETTERS.get(unit - PRIVATE, chr(unit)))
