"""Bytes of a file, unpacked where it is packed, and never more than a packed file may hold."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from services.runtime import encodings
from services.runtime.archives import bomb
from services.runtime.errors import InvalidArgument

PACKED_ENDINGS = (".gz", ".zst", ".bz2", ".xz")
MAGIC = (
    (b"\x1f\x8b", ".gz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"BZh", ".bz2"),
    (b"\xfd7zXZ\x00", ".xz"),
)
MOST_RATIO = 500
"""How many times larger than its packed bytes a file may be; real data sets reach 50."""
FREE_BYTES = 256 << 20
"""The ratio counts beyond so many unpacked bytes; less can harm nobody."""
BUFFER_BYTES = 1 << 20
SAMPLE_BYTES = 1 << 20
"""So much of a file tells its encoding."""
UNPACKERS: Mapping[str, Callable[[Path], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
DAMAGES = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
"""What unpacking damaged bytes ends in."""


class Unpacked(io.RawIOBase):
    """A stream of unpacked bytes that ends as a bomb where there are too many.

    Args:
        stream: unpacks.
        name: of the file, for messages.
        most_bytes: how many bytes it may give.
    """

    def __init__(self, stream: IO[bytes], name: str, most_bytes: int) -> None:
        self._stream = stream
        self._name = name
        self._left = most_bytes

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there is something.

        Raises:
            InvalidArgument: the file is damaged, or made to swell.
        """
        try:
            data = self._stream.read(len(buffer))
        except DAMAGES as error:
            raise damaged(self._name, str(error)) from error
        self._left -= len(data)
        if self._left < 0:
            raise bomb(self._name, f"it unpacks to more than {MOST_RATIO} times its size")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close both streams."""
        self._stream.close()
        super().close()


class Transcoded(io.RawIOBase):
    """A text of another encoding as UTF-8; bytes that are none of it become such as UTF-8 has not."""

    def __init__(self, stream: IO[bytes], codec: str, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = codecs.getincrementaldecoder(codec)("surrogateescape")
        self._rest = b""

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there is something.

        Raises:
            InvalidArgument: bytes are none of the encoding, and it has no place for such.
        """
        while not self._rest:
            data = self._stream.read(BUFFER_BYTES)
            try:
                self._rest = self._decoder.decode(data, not data).encode("utf-8", "surrogatepass")
            except UnicodeError as error:
                raise damaged(self._name, str(error)) from error
            if not data:
                break
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close both streams."""
        self._stream.close()
        super().close()


@contextmanager
def opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where its first bytes say that it is packed.

    Raises:
        InvalidArgument: it is damaged, or made to swell.
    """
    with path.open("rb") as file:
        packed = packing_of(file.read(8))
    if not packed:
        with path.open("rb", BUFFER_BYTES) as stream:
            yield stream
        return
    most = FREE_BYTES + MOST_RATIO * path.stat().st_size
    with io.BufferedReader(Unpacked(unpacker(path, packed), name, most), BUFFER_BYTES) as stream:
        yield stream


def packing_of(head: bytes) -> str:
    """How a file is packed by its first bytes; empty if it is not."""
    return next((packed for magic, packed in MAGIC if head.startswith(magic)), "")


def unpacker(path: Path, packed: str) -> IO[bytes]:
    """A stream that unpacks a file."""
    if packed == ".zst":
        stream: IO[bytes] = pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return stream
    unpacked: IO[bytes] = UNPACKERS[packed](path)
    return unpacked


@contextmanager
def opened_text(path: Path, name: str, stated: str = "") -> Iterator[IO[bytes]]:
    """A text in UTF-8, without its byte order mark; a text of another encoding is transcoded.

    Args:
        path: the file.
        name: its name, for messages.
        stated: the codec that it is said to be in.

    Raises:
        InvalidArgument: the file is damaged or made to swell, or no encoding fits.
    """
    with opened(path, name) as stream:
        sample = stream.read(SAMPLE_BYTES)
    codec, mark = codec_of(sample, name, stated)
    with opened(path, name) as stream:
        stream.read(mark)
        if codec == "utf-8":
            yield stream
            return
        with io.BufferedReader(Transcoded(stream, codec, name), BUFFER_BYTES) as text:
            yield text


def codec_of(sample: bytes, name: str, stated: str = "") -> tuple[str, int]:
    """The codec of a text by its first bytes, and the length of its mark.

    Raises:
        InvalidArgument: it is binary, or no encoding fits.
    """
    for mark, codec in encodings.MARKS:
        if sample.startswith(mark):
            return codec, len(mark)
    if stated:
        return stated, 0
    # The sample may end in the middle of a character.
    whole = sample[: sample.rfind(b"\n") + 1] if len(sample) == SAMPLE_BYTES else sample
    whole = whole or sample[:-4]
    if encodings.as_utf8(whole) is not None and b"\0" not in whole:
        return "utf-8", 0
    return encodings.encoding_of(whole, encodings.as_utf8(whole) is not None, name), 0


@contextmanager
def seekable(path: Path, name: str, folder: Path) -> Iterator[Path]:
    """A file that can be read at any place: itself, or an unpacked copy in a folder.

    Raises:
        InvalidArgument: it is damaged, or made to swell.
    """
    with path.open("rb") as file:
        packed = packing_of(file.read(8))
    if not packed:
        yield path
        return
    copy = folder / f"unpacked-{path.stem}"
    try:
        with opened(path, name) as stream, copy.open("wb") as target:
            shutil.copyfileobj(stream, target, BUFFER_BYTES)
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def damaged(name: str, why: str) -> InvalidArgument:
    """The error for a file that cannot be read."""
    return InvalidArgument(
        "FILE_DAMAGED",
        f"{name}: the file cannot be read ({why}); it is damaged or cut off: send it again",
        name=name,
    )


def unpacked_name(name: str) -> str:
    """The name of a file without the ending that says how it is packed."""
    ending = next((one for one in PACKED_ENDINGS if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)]
