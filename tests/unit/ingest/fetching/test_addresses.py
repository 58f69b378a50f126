from __future__ import annotations

from pathlib import Path

import pytest

from services.ingest.config import FetchConfig
from services.ingest.fetching.addresses import is_allowed, networks
from services.ingest.fetching.fetcher import Fetcher
from services.runtime.config import read
from services.runtime.errors import InvalidArgument
from tests.unit.ingest.fetching.servers import PAGE, answering, failure, fetcher, page, served

PRIVATE_HOSTS = [
    "127.0.0.1",
    "localhost",
    "0.0.0.0",  # noqa: S104  # nothing is bound to it
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "127.1",
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
async def test_private_addresses_are_refused_in_every_notation(tmp_path: Path, host: str) -> None:
    error = await failure(fetcher(""), f"http://{host}/latest/meta-data", tmp_path / "file")
    assert (error.code, error.reason) == ("INVALID_ARGUMENT", "ADDRESS_PRIVATE")
    assert "SISHU_INGEST_PRIVATE_ADDRESSES" in error.message
    assert error.metadata["host"] == host.strip("[]")


@pytest.mark.parametrize("host", ["0177.0.0.1", "127.0.0.1.", "a..b", "-", "a b", "[::1", "%31%32"])
async def test_odd_hosts_end_in_an_error_with_a_reason(tmp_path: Path, host: str) -> None:
    error = await failure(fetcher(""), f"http://{host}/", tmp_path / "file")
    assert error.reason in {"URL_INVALID", "ADDRESS_PRIVATE", "URL_UNREACHABLE"}


async def test_a_name_with_one_private_address_among_its_addresses_is_refused(tmp_path: Path) -> None:
    for answer in (["93.184.216.34", "10.0.0.5"], ["10.0.0.5", "93.184.216.34"], ["2606:4700::1", "::1"]):
        resolve, _ = answering(answer)
        error = await failure(fetcher("", resolve), "https://mixed.example/", tmp_path / "file")
        assert error.reason == "ADDRESS_PRIVATE"
        assert "mixed.example" in error.message
        assert "10.0.0.5" not in str(vars(error))


async def test_a_name_that_changes_its_address_between_check_and_connection_changes_nothing(
    tmp_path: Path,
) -> None:
    resolve, asked = answering(["127.0.0.1"], ["127.0.0.2"])
    async with served(page()) as url:
        fetched = await fetcher(resolve=resolve).fetch(
            url.replace("127.0.0.1", "rebind.example"), tmp_path / "file"
        )
    assert fetched.size_bytes == len(PAGE)
    assert asked == ["rebind.example"]


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://a.example/",
        "ftp://a.example/",
        "data:text/html,hello",
        "a.example/page",
        "//a.example",
        "http://",
        "http:///page",
        "https://user:hunter2@a.example/",
        "https://user@a.example/",
        "http://user:hunter2/x@a.example:y/",
        "http://a.example:99999/",
        "http://a.example/\nHost: b",
        "http://a\u0000.example/",
        "http://xn--\u2603.example/",
        "http://a.example/\ud800",
        "",
        "http://a.example/" + "a" * 70000,
    ],
)
async def test_what_is_no_web_address_is_refused_and_never_repeated(tmp_path: Path, url: str) -> None:
    error = await failure(fetcher(), url, tmp_path / "file")
    assert (error.code, error.reason, error.field) == ("INVALID_ARGUMENT", "URL_INVALID", "url")
    assert "hunter2" not in str(vars(error))


async def test_keys_in_a_query_are_not_told(tmp_path: Path) -> None:
    async with served(page(status=404)) as url:
        error = await failure(fetcher(), f"{url}a?key=hunter2", tmp_path / "file")
    assert "hunter2" not in str(vars(error))
    assert f"{url}a" in error.message


def test_networks_are_read_and_nonsense_is_refused() -> None:
    assert networks("") == ()
    assert is_allowed("10.1.2.3", networks("10.1.0.0/16, fd00::/8"))
    assert is_allowed("::ffff:10.1.2.3", networks("10.1.0.0/16"))
    assert not is_allowed("10.2.2.3", networks("10.1.0.0/16"))
    assert is_allowed("127.0.0.1", networks("all"))
    assert is_allowed("::1", networks("true"))
    assert is_allowed("93.184.216.34", ())
    assert is_allowed("2606:4700:4700::1111", ())
    assert is_allowed("64:ff9b::5db8:d822", ())
    with pytest.raises(InvalidArgument, match="SISHU_INGEST_PRIVATE_ADDRESSES"):
        Fetcher(read(FetchConfig, {"SISHU_INGEST_PRIVATE_ADDRESSES": "the intranet"}))
