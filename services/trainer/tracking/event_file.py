"""TensorBoard's event files: records of TFRecord, each an `Event` in protobuf's wire format.

Written by hand as it is little: TensorBoard and tensorboardX bring much more, and take seconds to be read.
Only the standard library. The formats are those of tensorflow/core/lib/io/record_writer.h and
tensorflow/core/util/event.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache

from services.trainer.tracking.scalars import Scalars

VERSION = b"brain.Event:2"
START = b"\x08\x01"
"""`SessionLog` with status START: what stands in the file for this step and later ones is void."""

WALL_TIME, STEP, FILE_VERSION, SUMMARY, SESSION_LOG = 1, 2, 3, 5, 7
VALUE, TAG, SIMPLE_VALUE = 1, 1, 2
VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5
"""Wire types."""

POLYNOMIAL = 0x82F63B78
"""Of CRC-32C, its bits the other way round."""
MASK = 0xA282EAD8


def file_name(seconds: int, run_id: str) -> str:
    """A name by which TensorBoard knows an event file."""
    return f"events.out.tfevents.{seconds}.{run_id}"


class EventWriter:
    """Makes the bytes of an event file, piece by piece.

    Args:
        seconds: Unix time when the run was created.
    """

    def __init__(self, seconds: float) -> None:
        self._last = 0
        self.head = record(field(WALL_TIME, DOUBLE, seconds) + field(FILE_VERSION, BYTES, VERSION))
        """What the file begins with."""

    def step(self, number: int, seconds: float, scalars: Scalars) -> bytes:
        """The records of a step; one that is done again makes what was said of later ones void.

        Args:
            number: of the step.
            seconds: Unix time when it ended.
            scalars: values by their tags.
        """
        again = b""
        if number <= self._last:
            again = record(event(number, seconds) + field(SESSION_LOG, BYTES, START))
        self._last = number
        values = b"".join(field(VALUE, BYTES, value(tag, each)) for tag, each in scalars.items())
        return again + record(event(number, seconds) + field(SUMMARY, BYTES, values))


def event(number: int, seconds: float) -> bytes:
    """What every event of a step begins with."""
    return field(WALL_TIME, DOUBLE, seconds) + field(STEP, VARINT, number)


def value(tag: str, number: float) -> bytes:
    """A scalar in a summary."""
    return field(TAG, BYTES, tag.encode()) + field(SIMPLE_VALUE, FLOAT, number)


def field(number: int, kind: int, content: float | bytes) -> bytes:
    """A field of a message.

    Args:
        number: of the field.
        kind: wire type.
        content: its value, of a type that goes with it.
    """
    key = varint(number << 3 | kind)
    if isinstance(content, bytes):
        return key + varint(len(content)) + content
    if kind == VARINT:
        return key + varint(int(content))
    return key + struct.pack("<d" if kind == DOUBLE else "<f", content)


def varint(number: int) -> bytes:
    """A number that is not below 0, seven bits a byte."""
    return bytes(_sevens(number))


def _sevens(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def record(content: bytes) -> bytes:
    """A record of TFRecord: length, its checksum, content, its checksum."""
    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


def masked(content: bytes) -> bytes:
    """The checksum of some bytes as TFRecord has it."""
    checksum = crc32c(content)
    turned = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", (turned + MASK) & 0xFFFFFFFF)


def crc32c(content: bytes) -> int:
    """CRC-32C (RFC 3720, B.4)."""
    found, steps = 0xFFFFFFFF, table()
    for byte in content:
        found = steps[(found ^ byte) & 0xFF] ^ found >> 8
    return found ^ 0xFFFFFFFF


@cache
def table() -> tuple[int, ...]:
    """What each byte does to a checksum."""
    found = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)  # noqa: PLW2901 - shifted out bit by bit
        found.append(byte)
    return tuple(found)
