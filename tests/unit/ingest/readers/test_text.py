from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.cleaning import clean, moved
from services.ingest.readers import ReadOptions, read_document
from services.runtime.encodings import decode
from services.runtime.errors import InvalidArgument
from tests.support.read_files import read_bytes, refusal, source_of

CHINESE = (
    "退货政策规定，客户在收到商品后三十天内可以退货。退款将在七个工作日内到账。本公司成立于1998年，主营业务为工业机器人、数控机床"
    "及其配套软件的研发与销售。根据《中华人民共和国劳动合同法》第三十九条规定，劳动者严重违反用人单位规章制度的，用人单位可以解除"
    "劳动合同。糖尿病患者应当定期监测血糖水平，避免摄入过多的碳水化合物。变压器的绕组温升不得超过65K，油箱内的压力应保持在0.05 "
    "MPa以下。"
)
TRADITIONAL = (
    "退貨政策規定，客戶在收到商品後三十天內可以退貨。退款將在七個工作日內到帳。本公司成立於1998年，主要業務為工業機器人、數控機床"
    "及其配套軟體的研發與銷售。依據勞動基準法第十二條規定，勞工有下列情形之一者，雇主得不經預告終止契約。糖尿病患者應當定期監測血"
    "糖水平，避免攝入過多的碳水化合物。"
)
JAPANESE = (
    "返品規定では、お客様は商品到着後三十日以内に返品することができます。返金は七営業日以内に行われます。当社は1998年に設立され、"
    "産業用ロボット、工作機械およびソフトウェアの開発と販売を行っています。東京都千代田区に本社があり、従業員数は約五百名です。"
)
KOREAN = (
    "반품 규정에 따르면 고객은 상품을 받은 후 삼십일 이내에 반품할 수 있습니다. 환불은 칠 영업일 이내에 이루어집니다. 당사는 "
    "1998년에 설립되어 산업용 로봇, 공작기계 및 소프트웨어의 개발과 판매를 하고 있습니다."
)
GERMAN = (
    "Käufer können die Ware innerhalb von dreißig Tagen zurückgeben. Die Rückerstattung erfolgt über das ursprüngliche "
    "Zahlungsmittel. Für Schäden, die während des Transports entstehen, haftet der Spediteur gemäß § 425 HGB."
)
FRENCH = (
    "Le client peut retourner la marchandise dans les trente jours suivant la réception. Le remboursement sera effectué "
    "sous sept jours ouvrés à compter de l'acceptation. La société a été créée en 1998."
)
SPANISH = (
    "El cliente podrá devolver la mercancía en un plazo de treinta días desde su recepción. ¿Cómo se hará el reembolso? "
    "La compañía se fundó en 1998 y diseña máquinas para la producción de piñones."
)
RUSSIAN = (
    "Покупатель может вернуть товар в течение тридцати дней после получения. Возврат денег производится в течение семи "
    "рабочих дней. Компания основана в 1998 году."
)
CASES = [
    *((encoding, CHINESE) for encoding in ("utf-8", "gb18030", "gbk", "gb2312")),
    ("big5", TRADITIONAL),
    *((encoding, JAPANESE) for encoding in ("shift_jis", "cp932", "euc_jp", "iso2022_jp")),
    *((encoding, KOREAN) for encoding in ("euc_kr", "cp949")),
    *((encoding, text) for encoding in ("latin-1", "cp1252") for text in (GERMAN, FRENCH, SPANISH)),
    *((encoding, RUSSIAN) for encoding in ("cp1251", "koi8-r")),
    *(
        (f"utf-{bits}-{order}", text)
        for bits in (16, 32)
        for order in ("le", "be")
        for text in (CHINESE, TRADITIONAL, JAPANESE, KOREAN, GERMAN, RUSSIAN)
    ),
]


def starts(text: str, size: int) -> list[str]:
    """Pieces of a text from many places, that tell an encoding at all."""
    pieces = [text[at : at + size] for at in range(0, len(text) - size + 1, 7)] or [text]
    return [piece for piece in pieces if not piece.isascii()]


@pytest.mark.parametrize(("encoding", "text"), CASES)
@pytest.mark.parametrize("size", [20, 50, 500])
def test_sentences_are_decoded_whatever_their_encoding(encoding: str, text: str, size: int) -> None:
    for piece in starts(text * 3 if size == 500 else text, size):
        assert decode(piece.encode(encoding), "a.txt") == piece


def test_ten_characters_mostly_tell_their_encoding() -> None:
    pieces = [(encoding, piece) for encoding, text in CASES for piece in starts(text, 10)]
    right = sum(decode(piece.encode(encoding), "a.txt") == piece for encoding, piece in pieces)
    assert right / len(pieces) > 0.98


@pytest.mark.parametrize("encoding", ["gbk", "big5", "shift_jis", "euc_kr"])
def test_words_in_a_table_tell_their_encoding(encoding: str) -> None:
    words = {
        "gbk": "姓名,部门\n张伟,销售部\n",
        "big5": "姓名,電話\n陳大文,0912\n",
        "shift_jis": "商品名,価格\nりんご,100\n",
        "euc_kr": "이름,부서\n김철수,영업부\n",
    }[encoding]
    assert decode(words.encode(encoding), "a.csv") == words


def test_one_word_of_another_language_tells_its_encoding() -> None:
    assert decode("It’s a “quote”".encode("cp1252"), "a.txt") == "It’s a “quote”"
    assert decode("50 € per m²".encode("cp1252"), "a.txt") == "50 € per m²"
    mixed = "The word 道 means way, and 德 means virtue."
    assert decode(mixed.encode("gbk"), "a.txt") == mixed


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
        ("gb18030", b"\x84\x31\x95\x33"),
    ],
)
def test_a_byte_order_mark_decides_and_is_no_text(encoding: str, mark: bytes) -> None:
    assert decode(mark + "a字".encode(encoding), "a.txt") == "a字"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_utf_8_is_always_read_as_it_is(text: str) -> None:
    if not set(text) & set(map(chr, range(0x20))) and not text.startswith("\ufeff"):
        assert decode(text.encode(), "a.txt") == text


@given(st.binary(max_size=300))
def test_any_bytes_end_in_text_without_halves_of_characters_or_in_a_typed_error(data: bytes) -> None:
    try:
        text = decode(data, "a.txt")
    except InvalidArgument as error:
        assert error.reason in {"ENCODING_DAMAGED", "ENCODING_UNKNOWN", "TEXT_BINARY"}
    else:
        text.encode()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("名,値\na,1\n", "gb18030"), ("測試文件", "big5"), ("你好世界", "gbk"), ("報告", "big5")],
)
def test_some_characters_of_chinese_are_no_other_language(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize(
    ("data", "encoding", "offset"),
    [
        ("中文".encode() + "中文文本".encode("gbk") + b"\xff", "utf-8", 6),
        (b"abc \xed\xa0\x80 def", "utf-8", 4),
        ("Größe, ".encode() + "Größe".encode("latin-1"), "utf-8", 11),
        (CHINESE[:20].encode() + b"\xff" + CHINESE[20:].encode(), "utf-8", 60),
        (CHINESE.encode()[:-1], "utf-8", len(CHINESE.encode()) - 3),
        (CHINESE.encode("gbk")[:200] + b"\xff" + CHINESE.encode("gbk")[201:], "gb18030", 200),
        (b"\xff\xfe\x00\xd8a\x00", "utf-16-le", 2),
        (f"退货\ud800{CHINESE}".encode("utf-8", "surrogatepass"), "utf-8", 6),
        (CHINESE.encode() + CHINESE[:5].encode("gbk"), "utf-8", len(CHINESE.encode())),
    ],
)
def test_damage_is_told_by_its_place_and_never_replaced(data: bytes, encoding: str, offset: int) -> None:
    with pytest.raises(InvalidArgument, match="save it as UTF-8") as raised:
        decode(data, "a.txt")
    assert raised.value.reason == "ENCODING_DAMAGED"
    assert raised.value.metadata == {"name": "a.txt", "encoding": encoding, "offset": str(offset)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\x85"])
def test_text_of_any_encoding_and_line_end_reads_the_same(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    lines = "退货政策规定，客户在收到商品后三十天内可以退货。\n退款将在七个工作日内到账。\n"
    assert read_bytes(tmp_path, lines.replace("\n", line_end).encode(encoding), "a.txt").text == lines


def test_markdown_and_plain_text_stay_as_they_are(tmp_path: Path) -> None:
    text = (
        "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n* item\n\n\u2028 a\x0cb 🙂 e\u0301 \u202eשלום\u202c\n"
    )
    for name, syntax in (("a.md", "markdown"), ("a.txt", "plain")):
        reading = read_bytes(tmp_path, text.encode(), name)
        assert (reading.text, reading.syntax, reading.page_starts) == (text, syntax, ())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "TEXT_EMPTY"),
        (b" \r\n\t\n", "TEXT_EMPTY"),
        (b"\xef\xbb\xbf", "TEXT_EMPTY"),
        (b"text with \x00 inside", "TEXT_BINARY"),
        (b"\xff\xd8 not \x00 text", "TEXT_BINARY"),
        (bytes(range(1, 256)) * 8, "ENCODING_UNKNOWN"),
    ],
)
def test_a_text_of_no_use_is_refused_by_name(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, "handbook/a.txt").reason == reason


def test_a_nul_is_told_by_its_place(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"text with \x00 inside", "a.txt").metadata["offset"] == "10"


def test_a_file_that_no_encoding_makes_short_enough_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(500_000_000)
    from services.ingest.readers import Source, read_document

    with pytest.raises(InvalidArgument) as raised:
        read_document(Source(path, "large.txt", "text/plain", tmp_path))
    assert raised.value.reason == "TEXT_TOO_LARGE"
    assert raised.value.metadata["chars"] == "125000000"


def test_a_text_is_as_long_as_it_may_be_or_refused(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "字".encode() * 100, "a.txt", 100).text == "字" * 100
    assert refusal(tmp_path, b"x" * 101, "a.txt", 100).reason == "TEXT_TOO_LARGE"


@pytest.mark.parametrize(
    "data", [b"binary \x00", b"ab\x00cdefg", b"a page of text with one \x00 in it, no more"]
)
def test_ascii_with_a_nul_is_never_taken_for_chinese(tmp_path: Path, data: bytes) -> None:
    assert refusal(tmp_path, data, "a.txt").reason == "TEXT_BINARY"


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("one\n\ftwo\n\fthree\n", [0, 4, 9]),
        ("\fone\n\ftwo\n\f\n", [0, 5]),
        ("one page\n\f", []),
        ("no form feed\n", []),
        ("one\n\f\fthree\n", [0, 4, 5]),
    ],
)
def test_form_feeds_part_the_pages_of_plain_text(tmp_path: Path, text: str, starts: list[int]) -> None:
    reading = read_bytes(tmp_path, text.encode(), "a.txt")
    assert (reading.text, list(reading.page_starts)) == (text, starts)
    assert not read_bytes(tmp_path, text.encode(), "a.md").page_starts


def test_cleaning_finds_running_lines_and_page_numbers_between_form_feeds(tmp_path: Path) -> None:
    pages = [f"ACME Annual Report\n\nWords of page {word}.\n\n{n}\n" for n, word in enumerate("abcd", 1)]
    reading = read_bytes(tmp_path, "\f".join(pages).encode(), "a.txt")
    rules = ("page_numbers", "repeated_lines")
    changes = clean(reading.text, reading.page_starts, rules, reading.syntax)
    text = moved(reading, changes).text
    assert "ACME" not in text and not any(digit in text for digit in "1234")
    assert all(f"Words of page {word}." in text for word in "abcd")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.json", "a.html", "a.py"])
@pytest.mark.parametrize(
    ("data", "stated", "encoding"),
    [
        ("Grüße".encode("cp1252"), "", "cp1252"),
        ("Grüße".encode(), "", "utf-8"),
        ("Zażółć".encode("iso8859-2"), "iso8859-2", "iso8859-2"),
        ("測試".encode("big5"), "big5", "big5"),
        ("退货".encode("gb18030"), "gb2312", "gb18030"),
        (codecs.BOM_UTF8 + "退货".encode(), "gb18030", "utf-8"),
    ],
)
def test_the_encoding_can_be_stated_and_is_told(
    tmp_path: Path, name: str, data: bytes, stated: str, encoding: str
) -> None:
    if name == "a.json":
        data = data[:3] + b'"' + data[3:] + b'"' if data.startswith(codecs.BOM_UTF8) else b'"' + data + b'"'
    source = replace(source_of(tmp_path, data, name), options=ReadOptions(encoding=stated))
    reading = read_document(source)
    text = data.removeprefix(codecs.BOM_UTF8).decode(encoding).strip('"')
    assert reading.encoding == encoding and text in reading.text
