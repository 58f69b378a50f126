"""Numbers as lists and headings show them: letters, Roman, Chinese."""

from __future__ import annotations

from collections.abc import Callable

DIGITS = "零一二三四五六七八九"
LEGAL_DIGITS = "零壹贰叁肆伍陆柒捌玖"
UNITS = ("", "十", "百", "千")
LEGAL_UNITS = ("", "拾", "佰", "仟")
STEMS = "甲乙丙丁戊己庚辛壬癸"
BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


def whole(text: str | None, default: int = 0) -> int:
    """A whole number of an attribute; bad ones are the default."""
    text = text.strip() if text else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def letters(number: int) -> str:
    """1 is a, 27 is aa."""
    text = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def roman(number: int) -> str:
    """A Roman number in small letters; plain digits beyond 3999."""
    if number > 3999:
        return str(number)
    text = ""
    for value, mark in ROMAN:
        text += mark * (number // value)
        number %= value
    return text


def formatted(number: int, kind: str) -> str:
    """A number in a kind of Office Open XML (ISO/IEC 29500-1, 17.18.59); in digits if that is not known."""
    writer = KINDS.get(kind)
    return writer(number) if writer else str(number)


def chinese(number: int, digits: str = DIGITS, units: tuple[str, ...] = UNITS) -> str:
    """A number in Chinese: 10 is 十, 21 is 二十一, 105 is 一百零五."""
    if not 0 < number < 10_000:
        return digits[0] if number == 0 else str(number)
    text, gap = "", False
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit:
            text += (digits[0] if gap and text else "") + digits[digit] + units[place]
            gap = False
        else:
            gap = True
    return text[1:] if text.startswith("一十") else text


def by_digits(number: int) -> str:
    """A number digit by digit in Chinese: 21 is 二一."""
    return "".join("〇一二三四五六七八九"[int(digit)] for digit in str(number))


def circled(number: int) -> str:
    """A number in a circle, up to 50."""
    if 1 <= number <= 20:
        return chr(0x2460 + number - 1)
    if 21 <= number <= 35:
        return chr(0x3251 + number - 21)
    return chr(0x32B1 + number - 36) if 36 <= number <= 50 else str(number)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def repeated(number: int) -> str:
    """Word's letters: 1 is a, 27 is aa, 28 is bb."""
    return letters((number - 1) % 26 + 1) * ((number - 1) // 26 + 1) if 0 < number <= 780 else str(number)


KINDS: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "decimalZero": lambda number: f"{number:02}",
    "decimalFullWidth": lambda number: str(number).translate({48 + k: 0xFF10 + k for k in range(10)}),
    "decimalEnclosedCircle": circled,
    "decimalEnclosedCircleChinese": circled,
    "lowerLetter": repeated,
    "upperLetter": lambda number: repeated(number).upper(),
    "lowerRoman": roman,
    "upperRoman": lambda number: roman(number).upper(),
    "ordinal": ordinal,
    "chineseCounting": chinese,
    "chineseCountingThousand": chinese,
    "taiwaneseCounting": chinese,
    "taiwaneseCountingThousand": chinese,
    "japaneseCounting": chinese,
    "ideographDigital": by_digits,
    "japaneseDigitalTenThousand": by_digits,
    "taiwaneseDigital": by_digits,
    "chineseLegalSimplified": lambda number: chinese(number, LEGAL_DIGITS, LEGAL_UNITS),
    "ideographTraditional": lambda number: STEMS[(number - 1) % 10],
    "ideographZodiac": lambda number: BRANCHES[(number - 1) % 12],
    "none": lambda _: "",
    "bullet": lambda _: "",
}
