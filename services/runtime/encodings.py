"""Which encoding a text has: marks and strict UTF-8 first, then how likely its characters are.

The others are told apart by a unigram model: each candidate decodes a sample, and costs as many bits as
its characters would in the language that the encoding was made for. The right one is the cheapest, as in
the composite detection of Li and Momoi (2001), and works on ten characters, where guessers by chaos fail.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from charset_normalizer import from_bytes

from services.runtime import letters
from services.runtime.errors import InvalidArgument

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
JIS_ESCAPE = re.compile(rb"\x1b\$[@B]")
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f]")
SAMPLE_BYTES = 1 << 13
LINE_BEYOND_ASCII = re.compile(rb"[^\n]*[\x80-\xff][^\n]*\n?")
UNLIKELY_BITS = 15.0
"""More bits than this for each character beyond ASCII, and no candidate fits."""
FEW_CHARACTERS_BITS = 4.0
"""Of the cost of several characters, so much is forgiven: one rare character weighs much among few."""
DOUBTFUL_BITS = 11.0
"""Beyond ASCII, letters of an alphabet cost less where the alphabet is the right one."""
BAD_BYTE = re.compile("[\udc80-\udcff]")
BEYOND_ASCII = bytes(range(0x80, 0x100))
GOOD_FOR_A_BAD = 2
"""A text with so many more good sequences of UTF-8 than bad bytes is damaged UTF-8, and nothing else."""
UTF8_OF_THREE = re.compile("[\u0800-\ud7ff\ue000-\uffff\U00010000-\U0010ffff]")
WESTERN_PAIR = re.compile("[\x80-\xff]")
"""Such a letter in UTF-8 is `Ã` or `Â` and a sign in the encodings of the West, which no word holds."""


@dataclass(frozen=True)
class Candidate:
    """An encoding and the language it was made for.

    Args:
        codec: Python's name.
        language: whose characters are likely, a key of `letters.BITS`.
        prior: bits that it costs to be rare.
    """

    codec: str
    language: str
    prior: float = 0.0


WIDE = (Candidate("utf-16-le", letters.ANY, 6), Candidate("utf-16-be", letters.ANY, 8))
NARROW = (
    Candidate("gb18030", "simplified"),
    Candidate("cp1252", "western"),
    Candidate("cp950", "traditional", 2),
    Candidate("cp932", "japanese", 2),
    Candidate("cp949", "korean", 2),
    Candidate("cp1251", "russian", 3),
    Candidate("euc_jp", "japanese", 4),
    Candidate("koi8_r", "russian", 5),
    Candidate("big5hkscs", "traditional", 6),
    Candidate("cp1250", "central", 4),
    Candidate("cp1254", "turkish", 5),
    Candidate("cp1253", "greek", 5),
    Candidate("cp1255", "hebrew", 5),
    Candidate("cp1256", "arabic", 5),
    Candidate("cp874", "thai", 5),
)
ONE_BYTE = ("cp125", "cp874", "koi8", "iso8859", "mac", "cp4", "cp8")
"""How names of codecs begin that read each byte as a letter, so that any bytes are some text."""
LATIN = {"cp1252", "cp1250", "cp1254", "iso8859-1", "iso8859-2", "iso8859-9", "iso8859-15"}


WHOLE = {"gb2312": "gb18030", "gbk": "gb18030"}
"""What files are in that are said to be in the older part of it."""
FEW_NULS = 4
"""Of text in UTF-16 whose bytes are all ASCII, more than one in so many is NUL."""


def decode(data: bytes, name: str) -> str:
    """The text of a file without its byte order mark; every byte counts, none is replaced.

    Raises:
        InvalidArgument: it is binary or damaged, or no encoding fits.
    """
    return decode_as(data, name)[0]


def decode_as(data: bytes, name: str, stated: str = "") -> tuple[str, str]:
    """The text of a file, as `decode` has it, and the codec that it is in.

    Args:
        data: the file.
        name: its name, for messages.
        stated: the codec that somebody says it is in, for whatever has no byte order mark.

    Raises:
        InvalidArgument: it is binary or damaged, or no encoding fits.
    """
    for mark, codec in MARKS:
        if data.startswith(mark):
            return decoded(data, codec, name, len(mark)), codec
    if stated:
        codec = WHOLE.get(stated, stated)
        return decoded(data, codec, name), codec
    # Nearly all files end here.
    text = as_utf8(data)
    if text is not None and not CONTROL.search(data):
        return text, "utf-8"
    codec = encoding_of(data, text is not None, name)
    return decoded(data, codec, name), codec


def decoded(data: bytes, codec: str, name: str, skipped: int = 0) -> str:
    """The text after a mark of some bytes.

    Raises:
        InvalidArgument: some bytes are none of this encoding.
    """
    try:
        return data[skipped:].decode(codec)
    except UnicodeDecodeError as error:
        raise damaged(name, codec, skipped + error.start) from None


def as_utf8(data: bytes) -> str | None:
    """The text if data is UTF-8 throughout."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def encoding_of(data: bytes, is_utf8: bool, name: str) -> str:
    """The codec of a text without mark; of UTF-8 only if it holds bytes that texts do not have.

    Raises:
        InvalidArgument: it is binary, or no encoding fits.
    """
    nul = data.find(b"\x00")
    if nul >= 0 and is_utf8 and is_text_with_nuls(data):
        # ASCII read two bytes at a time looks Chinese; its NUL is found later.
        return "utf-8"
    if nul >= 0:
        return utf_32(data) or likeliest(data, is_utf8, nul, name)
    if is_utf8:
        if JIS_ESCAPE.search(data):
            return "iso2022_jp_2"
        # UTF-16 of Cyrillic letters is ASCII with every second byte a 4.
        codec = likeliest(data, True, nul, name) if data.isascii() else ""
        return codec if codec.startswith("utf-16") else "utf-8"
    return "utf-8" if is_damaged_utf8(data) else likeliest(data, False, nul, name)


def is_text_with_nuls(data: bytes) -> bool:
    """Whether data is plain text but for some NULs: fewer than UTF-16 would have."""
    return data.count(0) * FEW_NULS < len(data) and not CONTROL.search(data.replace(b"\x00", b""))


def likeliest(data: bytes, is_utf8: bool, nul: int, name: str) -> str:
    """The codec whose characters are the likeliest.

    Raises:
        InvalidArgument: none is likely.
    """
    candidates = (WIDE if len(data) % 2 == 0 else ()) + (NARROW if nul < 0 else ())
    costs = {one.codec: cost(one, sample_for(one, data)) for one in candidates}
    likely = [codec for codec in costs if costs[codec][1] <= UNLIKELY_BITS]
    if likely:
        winner = min(likely, key=lambda codec: costs[codec][0])
        is_mixed = nul < 0 and is_mixed_with_utf8(data, winner, costs[winner][1])
        return "utf-8" if is_mixed else winner
    if is_utf8:
        # Its NUL or control characters are found later, and so told by their place in the text.
        return "utf-8"
    if nul >= 0:
        raise binary(name, nul)
    guess = from_bytes(sample(data)).best()
    if guess is not None and is_mixed_with_utf8(data, codecs.lookup(guess.encoding).name, UNLIKELY_BITS):
        return "utf-8"
    if guess is None or guess.encoding in {"ascii", "utf_8"}:
        raise InvalidArgument(
            "ENCODING_UNKNOWN", f"{name}: the text encoding cannot be told; save the file as UTF-8", name=name
        )
    return str(guess.encoding)


def best(codec: str, candidates: Sequence[Candidate], data: bytes) -> str:
    """The codec if all data is in it; otherwise the likeliest of some candidates."""
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return min(candidates, key=lambda one: cost(one, data[:SAMPLE_BYTES])).codec
    return codec


def cost(candidate: Candidate, data: bytes) -> tuple[float, float]:
    """Bits for each byte of a sample if it is what a candidate says, and for each character beyond ASCII.

    Control characters count for the latter: it tells text from what is none.
    """
    # A sample that was cut off may end in half a character.
    text = codecs.getincrementaldecoder(candidate.codec)("replace").decode(data, len(data) < SAMPLE_BYTES)
    bits = letters.BITS[candidate.language]
    each, clash = letters.CLASHES[candidate.language]
    clashes = each * sum(1 for _ in clash.finditer(text))
    within, beyond, count = 0.0, clashes, 0
    for character, times in Counter(text).items():
        one = bits.get(character, letters.OTHER_BITS) * times
        if character > "\x7f":
            beyond += one
            count += times
        elif character in letters.NO_TEXT:
            beyond += one
        else:
            within += one
    forgiven = FEW_CHARACTERS_BITS if count > 1 else 0.0
    each_beyond = (beyond - forgiven) / max(count, 1)
    return (candidate.prior + within + beyond) / max(len(data), 1), each_beyond


def sample_for(candidate: Candidate, data: bytes) -> bytes:
    """The part of a text by which a candidate is judged."""
    return data[:SAMPLE_BYTES] if candidate in WIDE else sample(data)


def sample(data: bytes) -> bytes:
    """Lines that hold more than ASCII, as far as they fit."""
    return b"".join(some_lines(data))[:SAMPLE_BYTES]


def some_lines(data: bytes) -> Iterator[bytes]:
    """Lines that hold more than ASCII, until there are enough."""
    size = 0
    for match in LINE_BEYOND_ASCII.finditer(data):
        yield match[0]
        size += len(match[0])
        if size >= SAMPLE_BYTES:
            return


def is_damaged_utf8(data: bytes) -> bool:
    """Whether data is UTF-8 but for a few bytes: no other encoding makes many sequences of it by chance."""
    text = data.decode(errors="surrogateescape")
    bad = sum(1 for _ in BAD_BYTE.finditer(text))
    good = len(text) - bad - len(data.translate(None, BEYOND_ASCII))
    return good > GOOD_FOR_A_BAD * bad or has_only_halves(data)


def has_only_halves(data: bytes) -> bool:
    """Whether data is UTF-8 but for halves of characters, as programs write them that think in UTF-16."""
    try:
        data.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def is_mixed_with_utf8(data: bytes, codec: str, bits: float) -> bool:
    """Whether a text of one byte a letter looks so only since UTF-8 and something else stand in one file.

    Args:
        data: the text.
        codec: what it is the likeliest in.
        bits: what each character beyond ASCII costs there.
    """
    if not codec.startswith(ONE_BYTE):
        return False
    text = data.decode(errors="surrogateescape")
    if bits > DOUBTFUL_BITS and UTF8_OF_THREE.search(text):
        return True
    pairs = sum(1 for _ in WESTERN_PAIR.finditer(text))
    return codec in LATIN and pairs > 0 and pairs >= sum(1 for _ in BAD_BYTE.finditer(text))


def utf_32(data: bytes) -> str:
    """The codec if data is UTF-32 without mark: of each four bytes, one is zero and one nearly."""
    for codec in ("utf-32-le", "utf-32-be"):
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if text.isprintable() or not letters.CONTROL.search(text):
            return codec
    return ""


def damaged(name: str, codec: str, offset: int) -> InvalidArgument:
    """The error for a text with bytes that its encoding does not have."""
    return InvalidArgument(
        "ENCODING_DAMAGED",
        f"{name}: the text is {codec}, but byte {offset} is none of it; the file is cut off, damaged or of "
        "mixed encodings: mend it there, and save it as UTF-8",
        name=name,
        offset=str(offset),
        encoding=codec,
    )


def binary(name: str, offset: int) -> InvalidArgument:
    """The error for a file that is no text."""
    return InvalidArgument(
        "TEXT_BINARY",
        f"{name}: byte {offset} of the file is NUL; it is no text file: save it as text, or leave it out",
        name=name,
        offset=str(offset),
    )
