from __future__ import annotations

import pytest

from services.ingest.documents import check_name
from services.ingest.fetching.fetcher import parse_url
from services.ingest.fetching.names import document_name, file_name, format_of_answer
from services.ingest.formats import BY_MEDIA_TYPE
from services.runtime.errors import InvalidArgument


@pytest.mark.parametrize(
    ("content_type", "names", "media_type"),
    [
        ("text/html; charset=gb2312", ("a.pdf",), "text/html"),
        ("TEXT/HTML", ("a",), "text/html"),
        ("application/xhtml+xml", ("a",), "text/html"),
        ("", ("a",), "text/html"),
        ("", ("a.pdf",), "application/pdf"),
        ("application/pdf", ("a",), "application/pdf"),
        ("text/plain; charset=utf-8", ("README.md",), "text/markdown"),
        ("text/plain", ("main.py",), "text/x-python"),
        ("text/plain", ("a",), "text/plain"),
        ("text/x-rst", ("a.rst",), "text/plain"),
        (
            "application/octet-stream",
            ("", "report.DOCX"),
            BY_MEDIA_TYPE["application/pdf"].media_type.replace(
                "pdf", "vnd.openxmlformats-officedocument.wordprocessingml.document"
            ),
        ),
        ("application/octet-stream", ("report.csv", "download"), "text/csv"),
        ("application/zip", ("book.epub",), "application/epub+zip"),
        ("application/zip", ("a",), "application/zip"),
        ("application/ld+json", ("a",), "application/json"),
        ("application/atom+xml", ("feed",), "text/x-xml"),
        ("application/x-ndjson", ("a",), "application/jsonl"),
        ("application/vnd.unknown", ("a.txt",), "text/plain"),
        (
            "application/vnd.ms-excel.sheet.macroEnabled.12",
            ("a",),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
    ],
)
def test_the_format_is_told_by_content_type_and_by_the_name_where_that_is_vague(
    content_type: str, names: tuple[str, ...], media_type: str
) -> None:
    assert format_of_answer(content_type, *names).media_type == media_type


@pytest.mark.parametrize("content_type", ["image/png", "video/mp4", "application/octet-stream", "nonsense"])
def test_a_format_that_nothing_tells_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidArgument, match="page, a text"):
        format_of_answer(content_type, "a", "http://a.example/a")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", ""),
        ("inline", ""),
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename=a.pdf", "a.pdf"),
        ("attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
        ("attachment; filename=\"report.pdf\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
        ("attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf; filename=\"report.pdf\"", "报告.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\a.pdf"', "a.pdf"),
        ('attachment; filename="报告.pdf"', "报告.pdf"),
        ("attachment; filename*=GB18030'zh'%B1%A8%B8%E6.pdf", "报告.pdf"),
        ("attachment; filename*=nonsense''%FF.pdf", "\ufffd.pdf"),
        ("attachment; filename*=idna''x.pdf", "x.pdf"),
        ("attachment; filename*=idna''%FF.pdf", "\ufffd.pdf"),
        ("attachment; filename*=undefined''%FF.pdf", "\ufffd.pdf"),
        ("attachment; filename*0*=idna''x; filename*1*=y.pdf", ""),
        ("attachment; filename*=", ""),
    ],
)
def test_the_file_name_is_read_in_every_notation(header: str, name: str) -> None:
    assert file_name(header) == name


@pytest.mark.parametrize(
    ("url", "filename", "name"),
    [
        ("https://a.example", "", "a.example/index.html"),
        ("https://a.example/", "", "a.example/index.html"),
        ("https://a.example/docs/", "", "a.example/docs/index.html"),
        ("https://a.example/docs", "", "a.example/docs.html"),
        ("https://A.example:8443/x/page.htm", "", "a.example_8443/x/page.htm"),
        ("https://a.example/page.php", "", "a.example/page.php.html"),
        ("https://a.example/v1.2", "", "a.example/v1.2.html"),
        ("https://a.example/%E9%80%80%E8%B4%A7", "", "a.example/退货.html"),
        ("https://a.example/download/7", "returns.html", "a.example/download/7/returns.html"),
    ],
)
def test_a_document_is_named_after_host_and_path(url: str, filename: str, name: str) -> None:
    assert document_name(parse_url(url), filename, BY_MEDIA_TYPE["text/html"]) == name


def test_every_url_has_a_name_of_its_own_that_a_document_may_have() -> None:
    urls = [
        "http://a.example/a?x=1",
        "http://a.example/a?x=2",
        "http://a.example/a",
        "http://a.example/a/b",
        "http://a.example/a%2Fb",
        "http://a.example/a_b",
        "http://a.example/a%5Cb",
        "http://a.example//a//b",
        "http://a.example/%2e%2e/%2e%2e/etc/passwd",
        "http://a.example/%00%0a",
        "http://a.example/" + "x" * 400,
        "http://a.example/" + "x" * 401,
        "http://a.example/" + "/".join("y" * 50 for _ in range(30)),
        "http://a.example/" + "/".join("y" * 50 for _ in range(31)),
        "http://" + ".".join(["h" * 60] * 4) + "/" + "z" * 300,
        "http://[2606:4700::1111]:81/a",
    ]
    names = [document_name(parse_url(url), "", BY_MEDIA_TYPE["text/html"]) for url in urls]
    for name in names:
        check_name(name)
        assert len(name) <= 500
        assert name.endswith(".html")
    assert len(set(names)) == len(urls)
