from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from services.ingest.documents import check_name
from tests.support.read_files import read_bytes, refusal, source_of, zipped


def renamed(files: dict[str, bytes], encoding: str) -> bytes:
    """A zip whose names are in an encoding that it does not tell, as old Windows programs write them."""
    stream, names = io.BytesIO(), list[tuple[str, bytes]]()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, (name, content) in enumerate(files.items()):
            raw = name.encode(encoding)
            names.append((f"{number:02}".ljust(len(raw), "q"), raw))
            archive.writestr(names[-1][0], content)
    data = stream.getvalue()
    for stand_in, raw in names:
        data = data.replace(stand_in.encode(), raw)
    return data


def members(folder: Path, data: bytes) -> dict[str, bytes]:
    """The files that come out of an archive, by name."""
    reading = read_bytes(folder, data, "a.zip")
    for member in reading.members:
        check_name(member.name)
    kept = source_of(folder, data, "a.zip").folder / "members"
    return {member.name: (kept / member.file).read_bytes() for member in reading.members}


def test_files_come_out_with_their_paths_and_bytes(tmp_path: Path) -> None:
    inner = zipped([("deep.md", "deep")])
    data = zipped([("a.md", "# A"), ("folder/", ""), ("folder/b.csv", b"x,y\n1,2\n"), ("more.zip", inner)])
    assert members(tmp_path, data) == {"a.md": b"# A", "folder/b.csv": b"x,y\n1,2\n", "more.zip": inner}


def test_the_text_lists_all_files_and_says_why_some_are_left_out(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("passwords.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    device = zipfile.ZipInfo("tape.txt")
    device.external_attr = (stat.S_IFCHR | 0o666) << 16
    reading = read_bytes(
        tmp_path,
        zipped(
            [
                ("读我.md", "x"),
                ("run.exe", "MZ"),
                ("LICENSE", "x"),
                ("__MACOSX/._a.md", "x"),
                ("src/.git/config.ini", "x"),
                ("~$plan.docx", "x"),
                ("empty.txt", ""),
                (link, "/etc/passwd"),
                (device, ""),
                ("../a.exe", "MZ"),
            ]
        ),
        "a.zip",
    )
    assert reading.text == (
        "- 读我.md\n"
        "- run.exe: left out, files of kind .exe are not read\n"
        "- LICENSE: left out, files of kind (no ending) are not read\n"
        "- __MACOSX/._a.md: left out, it is hidden\n"
        "- src/.git/config.ini: left out, it is hidden\n"
        "- ~$plan.docx: left out, it is hidden\n"
        "- empty.txt: left out, it is empty\n"
        "- passwords.txt: not read, see its document\n"
        "- tape.txt: not read, see its document\n"
        "- a.exe: left out, files of kind .exe are not read\n"
    )
    refusals = {member.name: member.refusal and member.refusal.reason for member in reading.members}
    assert refusals == {"读我.md": None, "passwords.txt": "ARCHIVE_LINK", "tape.txt": "ARCHIVE_LINK"}


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["退货政策.txt", "合同/附件一.md"], "gbk"),
        (["退貨政策.txt", "合約/附件一.md"], "big5"),
        (["返品について.txt", "契約書.md"], "cp932"),
        (["반품 규정.txt"], "cp949"),
        (["Größe.txt", "Überblick.md"], "cp437"),
        (["Договор.txt"], "cp866"),
        (["退货政策.txt", "résumé.md"], "utf-8"),
    ],
)
def test_names_are_decoded_as_the_program_meant_them(tmp_path: Path, names: list[str], encoding: str) -> None:
    data = renamed(dict.fromkeys(names, b"text"), encoding)
    assert list(members(tmp_path, data)) == names


def test_the_unicode_name_beside_an_old_one_counts(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("old.txt")
    name = "新名.txt".encode()
    field = b"\x01" + struct.pack("<I", zlib.crc32(b"old.txt")) + name
    entry.extra = struct.pack("<HH", 0x7075, len(field)) + field
    assert list(members(tmp_path, zipped([(entry, "x")]))) == ["新名.txt"]


def test_names_with_odd_spaces_accents_and_separators_become_plain(tmp_path: Path) -> None:
    data = zipped(
        [("a\u3000b.txt", "1"), ("e\u0301.txt", "2"), ("./x//y.txt", "3"), ("win\\dir\\z.txt", "4")]
    )
    assert list(members(tmp_path, data)) == ["a b.txt", "é.txt", "x/y.txt", "win/dir/z.txt"]


def test_two_files_of_one_name_are_both_kept(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped([("a.md", "first"), ("a.md", "second")])
    assert members(tmp_path, data) == {"a.md": b"first", "a (2).md": b"second"}


@pytest.mark.parametrize(
    ("packed_as", "name"),
    [
        ("../a.md", "a.md"),
        ("/etc/a.md", "etc/a.md"),
        ("C:\\a.md", "a.md"),
        ("c:a.md", "a.md"),
        ("x/../../a.md", "x/a.md"),
        ("..\\a.md", "a.md"),
        ("\\\\host\\a.md", "host/a.md"),
        ("a\x1b.md", "a_.md"),
    ],
)
def test_a_name_that_leads_out_of_the_archive_refuses_its_file_and_no_other(
    tmp_path: Path, packed_as: str, name: str
) -> None:
    data = zipped([(packed_as, "bad"), ("good.md", "good")])
    assert members(tmp_path, data) == {name: b"bad", "good.md": b"good"}
    bad, good = read_bytes(tmp_path, data, "a.zip").members
    assert good.refusal is None
    assert bad.refusal is not None
    assert (bad.refusal.code, bad.refusal.reason) == ("INVALID_ARGUMENT", "ARCHIVE_PATH_UNSAFE")
    assert bad.refusal.message.startswith(f"a.zip/{name}: ")
    assert bad.refusal.metadata == {"name": f"a.zip/{name}", "member": packed_as}


def test_a_name_of_tricks_alone_is_in_the_list(tmp_path: Path) -> None:
    names = ("..", ".", "../..", "C:", "a.md")
    reading = read_bytes(tmp_path, zipped([(name, "text") for name in names]), "a.zip")
    why = ": left out, files of kind (no ending) are not read"
    listed = [line.removesuffix(why) for line in reading.text.split("\n")]
    assert listed == ["- _ (2)", "- _", "- _ (3)", "- _ (4)", "- a.md", ""]


def test_a_name_that_tricks_takes_no_other_file_its_name(tmp_path: Path) -> None:
    data = zipped([("../a.md", "bad"), ("a.md", "good")])
    assert members(tmp_path, data) == {"a (2).md": b"bad", "a.md": b"good"}


def test_a_damaged_file_is_refused_and_no_other(tmp_path: Path) -> None:
    whole = bytearray(zipped([("good.md", "x" * 100), ("bad.md", "hello world " * 50)]))
    whole[whole.index(b"bad.md") + 10] ^= 0xFF
    assert members(tmp_path, bytes(whole)) == {"good.md": b"x" * 100, "bad.md": b""}
    _, bad = read_bytes(tmp_path, bytes(whole), "a.zip").members
    assert bad.refusal is not None
    assert (bad.refusal.reason, bad.refusal.metadata["member"]) == ("ZIP_UNREADABLE", "bad.md")


def test_an_encrypted_file_among_others_is_refused_alone(tmp_path: Path) -> None:
    data = bytearray(zipped([("open.md", "open"), ("secret.md", "secret"), ("folder/", "")]))
    data[data.rindex(b"PK\x01\x02", 0, data.rindex(b"secret.md")) + 8] |= 1
    opened, secret = read_bytes(tmp_path, bytes(data), "a.zip").members
    assert opened.refusal is None
    assert secret.refusal is not None
    assert (secret.refusal.reason, secret.refusal.metadata["member"]) == ("FILE_ENCRYPTED", "secret.md")
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(tmp_path, bytes(data), "a.zip").reason == "FILE_ENCRYPTED"


def test_a_bomb_is_told_by_its_member(tmp_path: Path) -> None:
    error = refusal(tmp_path, zipped([("good.md", "x"), ("bomb.md", bytes(30_000_000))]), "a.zip")
    assert (error.reason, error.metadata["member"]) == ("ARCHIVE_BOMB", "bomb.md")


def test_an_archive_without_files_holds_no_text(tmp_path: Path) -> None:
    assert refusal(tmp_path, zipped([]), "a.zip").reason == "TEXT_EMPTY"
