from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.unit.ingest.readers.readings import png, read, refusal

NAME = "mail.eml"


def message(body: str = "Hello.\n", **head: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Ann <ann@a.b>"
    made["To"] = "Bob <bob@a.b>, Cy <cy@a.b>"
    made["Subject"] = head.pop("Subject", "The pump")
    made["Date"] = "Thu, 26 Nov 2026 10:00:00 +0100"
    for name, value in head.items():
        made[name] = value
    made.set_content(body)
    return made


HEAD = "# The pump\n\nFrom: Ann <ann@a.b>\nTo: Bob <bob@a.b>, Cy <cy@a.b>\nDate: Thu, 26 Nov 2026 10:00:00 +0100\n\n"


def test_a_mail_has_its_head_and_its_body(tmp_path: Path) -> None:
    data = message("Hello.\n\n> quoted\n\n# no heading\n-- \nAnn\n", Cc="Dee <d@a.b>").as_bytes()
    assert read(tmp_path, data, NAME).text == (
        HEAD.replace("Date", "Cc: Dee <d@a.b>\nDate") + "Hello.\n\n> quoted\n\n\\# no heading\n\\--\nAnn\n"
    )


def test_of_two_forms_the_richer_one_is_read(tmp_path: Path) -> None:
    made = message("plain form")
    made.add_alternative(
        "<h2>Order</h2><table><tr><td>a|b<td>x<br>y</table><p><b>rich</b> form</p>", subtype="html"
    )
    assert read(tmp_path, made.as_bytes(), NAME).text == (
        HEAD + "## Order\n\n| a\\|b | x<br>y |\n| --- | --- |\n\n**rich** form\n"
    )


def test_an_empty_rich_form_does_not_hide_the_plain_one(tmp_path: Path) -> None:
    made = message("plain form")
    made.add_alternative("<html><body></body></html>", subtype="html")
    assert read(tmp_path, made.as_bytes(), NAME).text == HEAD + "plain form\n"


def test_pictures_stand_where_the_body_shows_them(tmp_path: Path) -> None:
    made = message("plain")
    made.add_alternative('<p>see <img src="cid:dot" alt="dot"> here</p>', subtype="html")
    made.get_payload()[1].add_related(png(), "image", "png", cid="<dot>")  # type: ignore[union-attr,index]
    made.add_attachment(png(3), "image", "png", filename="photo.png")
    reading = read(tmp_path, made.as_bytes(), NAME)
    dot, photo = reading.images
    assert reading.text == f"{HEAD}see ![dot](images/{dot.name}) here\n\n![](images/{photo.name})\n"


def test_attachments_become_members_under_safe_names(tmp_path: Path) -> None:
    made = message()
    for name, kind in (
        ("a.pdf", "pdf"),
        ("a.pdf", "pdf"),
        ("../../etc/b.docx", "x"),
        ("c.exe", "x"),
        ("报告.md", "x"),
        ("x\u202etxt.exe", "x"),
        ("..", "x"),
    ):
        made.add_attachment(f"data of {name}".encode(), "application", kind, filename=name)
    reading = read(tmp_path, made.as_bytes(), NAME)
    assert reading.text.endswith(
        "Attachments: a.pdf, a (2).pdf, b.docx, c.exe, 报告.md, xtxt.exe, attachment-7\n"
    )
    assert [member.name for member in reading.members] == ["a.pdf", "a (2).pdf", "b.docx", "报告.md"]
    assert (tmp_path / "members" / reading.members[2].file).read_bytes() == b"data of ../../etc/b.docx"


def test_an_attachment_without_an_ending_gets_that_of_its_kind(tmp_path: Path) -> None:
    made = message()
    made.add_attachment(b"%PDF", "application", "pdf", filename="report")
    assert [member.name for member in read(tmp_path, made.as_bytes(), NAME).members] == ["report.pdf"]


def test_a_mail_in_a_mail_is_a_member(tmp_path: Path) -> None:
    made = message()
    made.add_attachment(message("Inner.", Subject="First: one/two"))
    reading = read(tmp_path, made.as_bytes(), NAME)
    (member,) = reading.members
    inner = read(tmp_path, (tmp_path / "members" / member.file).read_bytes(), NAME).text
    assert (
        member.name.endswith(".eml") and inner.startswith("# First: one/two\n") and inner.endswith("Inner.\n")
    )


@pytest.mark.parametrize("charset", ["utf-8", "gb18030", "big5", "shift_jis", "iso-8859-1"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_any_charset_is_read(tmp_path: Path, charset: str, encoding: str) -> None:
    text = {"iso-8859-1": "Grüße", "shift_jis": "返品は三十日"}.get(charset, "退回三十天")
    made = message(Subject=text)
    made.set_content(text, charset=charset, cte=encoding)
    reading = read(tmp_path, made.as_bytes(policy=SMTP), NAME)
    assert reading.text.startswith(f"# {text}\n") and reading.text.endswith(f"\n\n{text}\n")


def test_letters_without_any_declaration_are_told(tmp_path: Path) -> None:
    words = "退货政策规定，客户在收到商品后三十天内可以退货。"
    raw = f"From: x@a.b\r\nSubject: {words}\r\nTo: y@a.b\r\n\r\n{words}\r\n".encode("gb18030")
    text = read(tmp_path, raw, NAME).text
    assert text.startswith(f"# {words}\n") and text.endswith(f"\n\n{words}\n")


def test_what_gb2312_lacks_is_not_lost(tmp_path: Path) -> None:
    raw = (
        b"From: x@a.b\nContent-Type: text/plain; charset=gb2312\n\n"
        + "镕".encode("gb18030")
        + "基".encode("gb2312")
    )
    assert read(tmp_path, raw, NAME).text == "From: x@a.b\n\n镕基\n"


def test_flowed_lines_are_joined(tmp_path: Path) -> None:
    raw = b"From: x@a.b\nContent-Type: text/plain; format=flowed\n\none \ntwo\nthree\n"
    assert read(tmp_path, raw, NAME).text == "From: x@a.b\n\none two\nthree\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "EML_UNREADABLE"),
        (b"no mail at all", "EML_UNREADABLE"),
        (b"%PDF-1.7\n\x00", "EML_UNREADABLE"),
        (b"From: x@a.b\n\ntext \x00 text", "TEXT_BINARY"),
        (
            b"From: x@a.b\nContent-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n",
            "FILE_ENCRYPTED",
        ),
        (
            b"From: x@a.b\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAAAA\n",
            "FILE_ENCRYPTED",
        ),
    ],
)
def test_a_mail_of_no_use_says_why(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, NAME) == reason


def test_a_part_that_is_not_closed_ends_where_the_next_begins(tmp_path: Path) -> None:
    raw = (
        b"From: x@a.b\nContent-Type: multipart/mixed; boundary=o\n\n--o\n"
        b"Content-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--o\n\ntwo\n--o--\n"
    )
    assert read(tmp_path, raw, NAME).text == "From: x@a.b\n\none\n\ntwo\n"
    assert refusal(tmp_path, raw.removesuffix(b"--o--\n"), NAME) == "EML_UNREADABLE"


def test_broken_structure_never_ends_in_an_unforeseen_error(tmp_path: Path) -> None:
    made = message()
    made.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    whole = made.as_bytes()
    assert read(tmp_path, whole, NAME).text.startswith("# The pump")
    for end in range(200, len(whole) - 3, 23):
        assert refusal(tmp_path, whole[:end], NAME) == "EML_UNREADABLE"
    deep = b"From: x@a.b\n" + b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000)
    )
    try:
        read(tmp_path, deep + b"\ntext", NAME)
    except Exception as error:
        assert getattr(error, "reason", "") == "EML_UNREADABLE"


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("us-ascii", "utf-8", "充电器是 UTF-8 内容"),
        ("iso-8859-1", "utf-8", "Größe und 中文"),
        ("windows-1252", "utf-8", "Größe und 中文"),
        ("us-ascii", "gb18030", "退货政策规定，客户在三十天内可以退货。"),
        ("iso-8859-1", "iso-8859-1", "Größe"),
    ],
)
def test_a_body_is_not_read_by_a_charset_it_cannot_be_in(
    tmp_path: Path, declared: str, encoding: str, text: str
) -> None:
    head = f"From: x@a.b\nContent-Type: text/plain; charset={declared}\nContent-Transfer-Encoding: 8bit\n\n"
    assert read(tmp_path, head.encode() + text.encode(encoding), NAME).text.endswith(f"\n{text}\n")


@pytest.mark.parametrize(
    ("charset", "text"), [("iso-8859-2", "Zażółć gęślą jaźń"), ("big5", "測試文件"), ("utf-8", "測試")]
)
def test_an_attachment_is_read_in_the_charset_that_the_mail_names(
    tmp_path: Path, charset: str, text: str
) -> None:
    made = message()
    made.add_attachment(text.encode(charset), "text", "plain", filename="a.txt")
    made.get_payload(1).set_param("charset", charset)  # type: ignore[union-attr]
    member = read(tmp_path, made.as_bytes(), NAME).members[0]
    inner = tmp_path / "inner"
    inner.mkdir()
    assert read(inner, (tmp_path / "members" / member.file).read_bytes(), "a.txt").text.strip() == text


def test_an_attachment_keeps_its_bytes_where_its_charset_is_wrong(tmp_path: Path) -> None:
    made = message()
    made.add_attachment("中文".encode(), "text", "plain", filename="a.txt")
    made.get_payload(1).set_param("charset", "iso-8859-1")  # type: ignore[union-attr]
    member = read(tmp_path, made.as_bytes(), NAME).members[0]
    assert (tmp_path / "members" / member.file).read_bytes() == "中文".encode()


def test_a_bounce_says_what_became_of_the_message(tmp_path: Path) -> None:
    data = (
        b"From: m@a.b\nContent-Type: multipart/report; report-type=delivery-status; boundary=Q\n\n"
        b"--Q\nContent-Type: text/plain\n\nIt came back.\n"
        b"--Q\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a.b\n\n"
        b"Final-Recipient: rfc822; z@a.b\nStatus: 5.1.1\nDiagnostic-Code: smtp;\n 550 no such user\n\n"
        b"--Q\nContent-Type: text/rfc822-headers\n\nSubject: original\n\n--Q--\n"
    )
    text = read(tmp_path, data, NAME).text
    assert text.endswith(
        "It came back.\n\nReporting-MTA: dns; a.b\n\nFinal-Recipient: rfc822; z@a.b\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 no such user\n\nSubject: original\n"
    )
