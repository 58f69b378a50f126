"""TensorBoard's event files: byte for byte those of tensorboardX, and void where steps are done again."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.trainer.tracking.event_file import EventWriter, crc32c, file_name, masked, record, varint
from services.trainer.tracking.scalars import TokensSeen, scalars_of
from sishu.learn.tensorboard import EventFolder, folder_name
from sishu.trainer.v1.training_run_pb2 import TrainingRun
from tests.unit.learn.test_curves import step

# Of tensorboardX 2.6.5: an event with the version, and one with two scalars as a record.
HEAD = "0900002040fc54d9411a0d627261696e2e4576656e743a32"
RECORD = (
    "33000000000000000ca720560900005040fc54d94110ac022a250a110a0a747261696e2f6c6f7373150000c03f0a100a09"
    "6576616c2f6c6f737315000010403449f239"
)


def records(content: bytes) -> Iterator[bytes]:
    """What the records of a file hold; their checksums are right."""
    while content:
        length = struct.unpack("<Q", content[:8])[0]
        assert masked(content[:8]) == content[8:12]
        body, content = content[12 : 12 + length], content[12 + length :]
        assert masked(body) == content[:4]
        content = content[4:]
        yield body


def test_checksums_are_those_of_the_standard() -> None:
    # RFC 3720, B.4.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert (varint(0), varint(300)) == (b"\0", b"\xac\x02")


def test_events_are_those_of_tensorboardx() -> None:
    writer = EventWriter(1700000000.5)
    assert writer.head == record(bytes.fromhex(HEAD))
    assert writer.step(300, 1700000001.25, {"train/loss": 1.5, "eval/loss": 2.25}).hex() == RECORD


def test_a_step_that_is_done_again_makes_later_ones_void() -> None:
    writer = EventWriter(0)
    once = [list(records(writer.step(number, 1.0, {"a": 1.0}))) for number in (1, 2, 3)]
    assert [len(found) for found in once] == [1, 1, 1]
    start, again = records(writer.step(2, 1.0, {"a": 1.0}))
    assert (start[-4:], again) == (b"\x3a\x02\x08\x01", once[1][0])
    assert len(list(records(writer.step(3, 1.0, {"a": 1.0})))) == 1


def test_the_keys_are_those_that_swanlab_shows() -> None:
    values = {"step": 4, "epoch": 0.5, "loss": 2, "learning_rate": 1e-4, "grad_norm": 0.3, "tokens": 30}
    assert scalars_of({**values, "seconds": 2.0, "validation_loss": None}, 90) == {
        "train/loss": 2.0,
        "train/grad_norm": 0.3,
        "train/learning_rate": 1e-4,
        "train/epoch": 0.5,
        "train/global_step": 4.0,
        "train/num_input_tokens_seen": 90.0,
        "train/tokens_per_second": 15.0,
    }
    found = scalars_of({**values, "seconds": 0.0, "validation_loss": 2.5, "reward_accuracy": 0.5}, 90)
    assert (found["eval/loss"], found["train/rewards/accuracies"]) == (2.5, 0.5)
    assert found["train/tokens_per_second"] == 0


def test_tokens_of_a_step_that_is_done_again_count_once() -> None:
    seen = TokensSeen()
    assert [seen.after(number, 10) for number in (1, 2, 3)] == [10, 20, 30]
    assert [seen.after(number, 11) for number in (2, 3, 4)] == [21, 32, 43]
    # Of a step that was passed over there is none.
    assert seen.after(6, 10) == 53


def test_runs_have_folders_of_their_own(tmp_path: Path) -> None:
    run = TrainingRun(id="0190-abcdef", name="towns, 镇/../x")
    run.create_time.FromSeconds(1700000000)
    assert folder_name(run) == "towns--镇-..-x-abcdef"
    assert folder_name(TrainingRun(id="0190-abcdef", name="..")) == "run-abcdef"
    for _ in range(2):
        events = EventFolder(run, tmp_path)
        events.add([step(1, 2.0, tokens=5), step(2, 1.0, validation_loss=1.5)])
    events.add([step(3, 0.5)])
    (path,) = events.folder.iterdir()
    assert path.name == file_name(1700000000, run.id)
    found = list(records(path.read_bytes()))
    assert [body.count(b"train/loss") for body in found] == [0, 1, 1, 1]
    assert [b"eval/loss" in body for body in found] == [False, False, True, False]


def test_the_reader_of_this_test_finds_what_is_wrong() -> None:
    content = bytearray(record(b"abc"))
    content[13] ^= 1
    with pytest.raises(AssertionError):
        list(records(bytes(content)))
