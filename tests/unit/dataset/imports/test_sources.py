from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.dataset.examples.examples import ExamItem, Example, Lineage, Message, Preference, Quote
from services.dataset.exports.making import export
from services.dataset.exports.options import ExportOptions
from services.dataset.exports.shapes import SHAPES
from services.dataset.exports.shards import shard_at
from services.dataset.imports.disk import disk_errors
from services.dataset.imports.rows import Fault, Imported
from services.dataset.imports.sources import Choice, parts_in, zipped
from services.dataset.imports.sources.llama_factory import COLUMNS, REMOTE, TAGS
from services.dataset.versions.shards import write_shard
from services.runtime.errors import FailedPrecondition, InvalidArgument
from tests.support.small_disks import mounted
from tests.unit.dataset.imports.importing import chat, contents, imported, write
from tests.unit.dataset.makers import shard_of

Q, A = "Why does the pump stop?", "Since the valve is shut."
ALPACA = [{"instruction": Q, "input": "", "output": A, "system": "Be short."}]
SAID = ("sft", {"messages": chat(Q, A, system="Be short.")})


def folder_with(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        write(folder / name, content)
    return folder


def reason(path: Path, choice: Choice | None = None) -> str:
    with pytest.raises(InvalidArgument) as caught:
        imported(path, choice=choice)
    assert len(caught.value.message) > 30
    return caught.value.reason


def entry(tmp_path: Path, described: dict[str, Any], rows: Any = ALPACA, name: str = "a.json") -> Path:
    return folder_with(
        tmp_path / "lf", {"dataset_info.json": {"mine": {"file_name": name, **described}}, name: rows}
    )


def test_what_an_export_tells_of_those_left_out_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train.csv", "question,answer\nq,a\n")
    write(tmp_path / "data" / "left_out" / "train.csv.jsonl", [{"id": "1", "kind": "sft", "reason": "X"}])
    assert len(imported(tmp_path / "data")) == 1
    write(tmp_path / "data" / "left_out" / "other.csv", "question,answer\nq,b\n")
    assert len(imported(tmp_path / "data")) == 2


def test_a_folder_of_llama_factory_is_read_as_it_is_described(tmp_path: Path) -> None:
    assert contents(imported(entry(tmp_path, {}))) == [("sft", {"messages": chat(Q, A)})]
    with_system = {
        "columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    }
    assert contents(imported(entry(tmp_path, with_system))) == [SAID]
    assert {"prompt", "kto_tag", "messages"} < set(COLUMNS)


def test_words_of_messages_are_those_of_the_tags(tmp_path: Path) -> None:
    row = {"talk": [{"who": "me", "says": Q}, {"who": "it", "says": A}]}
    tags = {"role_tag": "who", "content_tag": "says", "user_tag": "me", "assistant_tag": "it"}
    described = {"formatting": "sharegpt", "columns": {"messages": "talk"}, "tags": tags}
    assert contents(imported(entry(tmp_path, described, [row]))) == [("sft", {"messages": chat(Q, A)})]
    tool = {"talk": [*row["talk"], {"who": "function_call", "says": "f()"}]}
    assert contents(imported(entry(tmp_path, described, [tool]))) == [("TOOLS_UNSUPPORTED", "talk[2].who")]
    assert len(TAGS) == 7


def test_ranking_kto_and_pretraining_are_read(tmp_path: Path) -> None:
    pair = [{"instruction": Q, "input": "", "chosen": A, "rejected": "No."}]
    columns = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}
    assert (
        contents(imported(entry(tmp_path, {"ranking": True, "columns": columns}, pair)))[0][0] == "preference"
    )
    chats = [
        {
            "conversations": [{"from": "human", "value": Q}],
            "chosen": {"from": "gpt", "value": A},
            "rejected": {"from": "gpt", "value": "No."},
        }
    ]
    described = {
        "ranking": True,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
    }
    assert contents(imported(entry(tmp_path, described, chats)))[0][0] == "preference"
    judged = [{**ALPACA[0], "tag": False}]
    columns = {"prompt": "instruction", "response": "output", "kto_tag": "tag"}
    (found,) = contents(imported(entry(tmp_path, {"columns": columns}, judged)))
    assert found[1]["preference"] == {"rejected": {"role": "assistant", "content": A}}
    text = imported(entry(tmp_path, {"columns": {"prompt": "text"}}, "one\ntwo\n", "a.txt"))
    assert [kind for kind, _ in contents(text)] == ["pretraining"] * 2


def test_a_dataset_may_be_a_folder_of_which_some_rows_are_taken(tmp_path: Path) -> None:
    info = {"mine": {"file_name": "rows", "num_samples": 2}}
    rows = {"rows/a.json": ALPACA * 3, "rows/b.json": ALPACA, "rows/notes.md": "x"}
    found = imported(folder_with(tmp_path / "lf", {"dataset_info.json": info, **rows}))
    assert [(one.file, one.row) for one in found] == [
        ("rows/a.json", 1),
        ("rows/a.json", 2),
        ("rows/b.json", 1),
    ]


@pytest.mark.parametrize("key", REMOTE)
def test_what_lies_elsewhere_is_refused(tmp_path: Path, key: str) -> None:
    assert reason(entry(tmp_path, {key: "org/name"})) == "DATASET_REMOTE"


@pytest.mark.parametrize(
    "described",
    [
        {"formatting": "poem"},
        {"columns": ["x"]},
        {"columns": {"prompt": 3}},
        {"formatting": "sharegpt", "tags": {"role_tag": 3}},
        {"num_samples": -1},
        {"file_name": 7},
    ],
)
def test_a_description_that_cannot_be_is_refused(tmp_path: Path, described: dict[str, Any]) -> None:
    assert reason(entry(tmp_path, described)) == "DATASET_INFO_INVALID"


def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "secret.json", ALPACA)
    for name in ("../secret.json", str(tmp_path / "secret.json"), "a\0b"):
        folder = folder_with(tmp_path / "lf", {"dataset_info.json": {"mine": {"file_name": name}}})
        assert reason(folder) == "PATH_UNSAFE"
    (tmp_path / "lf" / "link.json").symlink_to(tmp_path / "secret.json")
    folder_with(tmp_path / "lf", {"dataset_info.json": {"mine": {"file_name": "link.json"}}})
    assert reason(tmp_path / "lf") == "PATH_UNSAFE"
    folder_with(tmp_path / "lf", {"dataset_info.json": {"mine": {"file_name": "gone.json"}}})
    assert reason(tmp_path / "lf") == "FILE_MISSING"


def test_one_of_several_datasets_is_chosen_by_a_person(tmp_path: Path) -> None:
    info = {"one": {"file_name": "a.json"}, "two": {"file_name": "b.json"}}
    folder = folder_with(tmp_path / "lf", {"dataset_info.json": info, "a.json": ALPACA, "b.json": ALPACA * 2})
    assert reason(folder) == "DATASET_AMBIGUOUS"
    assert reason(folder, Choice(datasets=("three",))) == "DATASET_AMBIGUOUS"
    assert len(imported(folder, choice=Choice(datasets=("two",)))) == 2
    assert len(imported(folder, choice=Choice(datasets=("two", "one")))) == 3


def easy_dataset(folder: Path) -> Path:
    """What Easy Dataset writes for LLaMA-Factory: one dataset in three formats."""
    answer = f"<think>Look at the valve.</think>\n{A}"
    messages = [
        {"role": "system", "content": "reasoning language: English\n\nBe short."},
        {"role": "user", "content": Q, "thinking": None},
        {"role": "assistant", "content": A, "thinking": "Look at the valve."},
    ]
    multilingual = {
        "reasoning_language": "English",
        "developer": "Be short.",
        "user": Q,
        "analysis": "Look at the valve.",
        "final": A,
        "messages": messages,
    }
    key = "[Easy Dataset] [x1]"
    columns = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    tags = {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }
    info = {
        f"{key} Alpaca": {"file_name": "alpaca.json", "columns": columns},
        f"{key} ShareGPT": {
            "file_name": "sharegpt.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": tags,
        },
        f"{key} multilingual-thinking": {"file_name": "multi.json", "formatting": "multilingual-thinking"},
    }
    return folder_with(
        folder,
        {
            "dataset_info.json": json.dumps(info, indent=2),
            "alpaca.json": json.dumps([{**ALPACA[0], "output": answer}], indent=2),
            "sharegpt.json": [{"messages": chat(Q, answer, system="Be short.")}],
            "multi.json": "\n".join([json.dumps(multilingual, indent=2)] * 2),
        },
    )


def test_a_project_of_easy_dataset_is_read_once(tmp_path: Path) -> None:
    folder = easy_dataset(tmp_path / "easy")
    thought = [
        *chat(Q, system="Be short."),
        {"role": "assistant", "content": A, "reasoning": "Look at the valve."},
    ]
    assert contents(imported(folder)) == [("sft", {"messages": thought})]
    assert contents(imported(folder / "alpaca.json")) == [("sft", {"messages": thought})]
    assert contents(imported(folder / "sharegpt.json")) == [("sft", {"messages": thought})]
    found = contents(imported(folder / "multi.json"))
    assert [kind for kind, _ in found] == ["sft", "sft"]
    assert found[0][1]["messages"][1:] == thought[1:]


EXAMPLES = [
    Example(
        "1", "p", "sft", [Message("user", Q), Message("assistant", A, "Look.")], score=4.5, labels=["泵"]
    ),
    Example(
        "2",
        "p",
        "conversation",
        [Message(one["role"], one["content"]) for one in chat(Q, A, "So?", "Open it.")],
    ),
    Example(
        "3",
        "p",
        "preference",
        [Message("user", Q)],
        preference=Preference(Message("assistant", A), Message("assistant", "No."), "wrong"),
    ),
    Example("4", "p", "pretraining", [Message("assistant", A)]),
    Example(
        "5",
        "p",
        "exam_item",
        [Message("user", Q), Message("assistant", "b")],
        exam_item=ExamItem(type="single_choice", text=Q, choices=["a", "b"], correct=[1]),
        quotes=[Quote(A, "c", "d", 1, 3, 9)],
        lineage=Lineage(document_id="d", heading_path=["x"]),
    ),
]


def test_shards_of_our_own_are_read_as_they_were(tmp_path: Path) -> None:
    table = shard_of(EXAMPLES)
    (tmp_path / "v").mkdir()
    write_shard(tmp_path / "v" / "train-00000.parquet", table)
    write(tmp_path / "v" / "manifest.json", {"schema": 1})
    found = imported(tmp_path / "v")
    wanted = table.to_pylist()
    assert all(isinstance(one, Imported) for one in found)
    for one, row, example in zip(found, wanted, EXAMPLES, strict=True):
        assert isinstance(one, Imported)
        assert (one.kind, one.content.decode(), one.score) == (row["kind"], row["content"], row["score"])
        assert (list(one.labels), one.language, one.key) == (row["labels"], row["language"], example.key)
        assert one.characters == example.characters
        assert json.loads(one.lineage or b"{}") == json.loads(row["lineage"])


def test_exports_of_our_own_are_read_as_they_were(tmp_path: Path) -> None:
    write_shard(tmp_path / "train.parquet", shard_of(EXAMPLES[:2]))
    shards = [shard_at("train", tmp_path / "train.parquet")]
    export(shards, ExportOptions(shape="messages_jsonl"), tmp_path / "lines")
    export(shards, ExportOptions(bundle="llama_factory", reasoning="none"), tmp_path / "factory")
    plain = [("sft", {"messages": chat(Q, A)}), ("conversation", {"messages": chat(Q, A, "So?", "Open it.")})]
    assert contents(imported(tmp_path / "lines" / "train.jsonl")) == plain
    assert contents(imported(tmp_path / "factory")) == plain
    assert contents(imported(tmp_path / "factory", choice=Choice(datasets=("sishu_alpaca",)))) == plain


def plain(kind: str, keeps_reasoning: bool) -> list[tuple[str, Any]]:
    """What `EXAMPLES` of a kind are without what only our own shapes hold."""
    one, *rest = chat(Q, A)
    look = [{**rest[0], "reasoning": "Look."}] if keeps_reasoning else rest
    sides = {"chosen": rest[0], "rejected": {"role": "assistant", "content": "No."}}
    said: dict[str, tuple[str, Any]] = {
        "sft": ("sft", {"messages": [one, *look]}),
        "conversation": ("conversation", {"messages": chat(Q, A, "So?", "Open it.")}),
        "preference": ("preference", {"messages": [one], "preference": sides}),
        "pretraining": ("pretraining", {"messages": rest}),
        "exam_item": ("sft", {"messages": chat(Q, "b")}),
    }
    return [said[kind]]


@pytest.mark.parametrize("file_type", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"custom"}))
def test_a_folder_of_any_shape_of_ours_is_read_as_it_was(tmp_path: Path, name: str, file_type: str) -> None:
    write_shard(tmp_path / "train.parquet", shard_of(EXAMPLES))
    shards = [shard_at("train", tmp_path / "train.parquet")]
    export(shards, ExportOptions(shape=name, file_type=file_type), tmp_path / "out")
    found = contents(imported(tmp_path / "out"))
    shape = SHAPES[name]
    if name == "structured":
        assert found == [(row["kind"], json.loads(row["content"])) for row in shard_of(EXAMPLES).to_pylist()]
        return
    wanted = [one for kind in shape.kinds for one in plain(kind, shape.reasoning[0] == "field")]
    if name.startswith(("kto", "judgements")):
        ((kind, pair),) = wanted
        sides = pair["preference"].items()
        wanted = [(kind, {**pair, "preference": {side: answer}}) for side, answer in sides]
    assert sorted(found, key=str) == sorted(wanted, key=str)


def test_the_folder_for_hugging_face_is_read_as_it_was(tmp_path: Path) -> None:
    write_shard(tmp_path / "train.parquet", shard_of(EXAMPLES))
    shards = [shard_at("train", tmp_path / "train.parquet")]
    export(shards, ExportOptions(bundle="hugging_face"), tmp_path / "out")
    wanted = [(row["kind"], json.loads(row["content"])) for row in shard_of(EXAMPLES).to_pylist()]
    assert contents(imported(tmp_path / "out")) == wanted


def test_a_folder_of_hugging_face_is_read_by_its_splits(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"question": Q, "answer": A}])
    (tmp_path / "hf" / "data").mkdir(parents=True)
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        pq.write_table(table, tmp_path / "hf" / "data" / f"{name}.parquet")
    files = [one.file for one in imported(tmp_path / "hf")]
    assert files == [
        f"data/{name}.parquet"
        for name in ("test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002")
    ]
    assert len(imported(tmp_path / "hf", choice=Choice(splits=("train",)))) == 2
    assert reason(tmp_path / "hf", Choice(splits=("dev",))) == "SPLIT_MISSING"
    card = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
- config_name: other
  data_files: {files}
---
# Card
"""
    write(tmp_path / "hf" / "README.md", card.format(files="data/test-*.parquet"))
    assert len(imported(tmp_path / "hf")) == 2
    assert len(imported(tmp_path / "hf", choice=Choice(datasets=("other",)))) == 1
    assert reason(tmp_path / "hf", Choice(datasets=("third",))) == "DATASET_AMBIGUOUS"
    for bad in ("../x", "/etc/passwd", "[1]"):
        write(tmp_path / "hf" / "README.md", card.format(files=bad))
        assert reason(tmp_path / "hf", Choice(datasets=("other",))) == "PATH_UNSAFE"
    write(tmp_path / "hf" / "README.md", card.format(files="gone.csv"))
    assert reason(tmp_path / "hf", Choice(datasets=("other",))) == "FILE_MISSING"
    write(tmp_path / "hf" / "README.md", "---\na: [\n---\n")
    assert reason(tmp_path / "hf") == "DATASET_INFO_INVALID"


def save(folder: Path, state: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist([{"question": Q, "answer": A}])
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        out.write_table(table)
    write(folder / "state.json", {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], **state})
    write(folder / "dataset_info.json", {"features": {}})


def test_saved_datasets_of_hugging_face_are_read(tmp_path: Path) -> None:
    save(tmp_path / "one", {})
    assert contents(imported(tmp_path / "one")) == [("sft", {"messages": chat(Q, A)})]
    save(tmp_path / "many" / "train", {})
    save(tmp_path / "many" / "test", {})
    write(tmp_path / "many" / "dataset_dict.json", {"splits": ["train", "test"]})
    assert [one.file for one in imported(tmp_path / "many")] == [
        f"{split}/data-00000-of-00001.arrow" for split in ("train", "test")
    ]
    assert len(imported(tmp_path / "many", choice=Choice(splits=("test",)))) == 1
    save(tmp_path / "some", {"_indices_files": [{"filename": "i.arrow"}]})
    assert reason(tmp_path / "some") == "DATASET_INFO_INVALID"
    save(tmp_path / "out", {"_data_files": [{"filename": "../one/data-00000-of-00001.arrow"}]})
    assert reason(tmp_path / "out") == "PATH_UNSAFE"


def test_a_folder_of_several_formats_asks_which(tmp_path: Path) -> None:
    folder = folder_with(
        tmp_path / "f",
        {"a.json": ALPACA, "b.csv": f"question,answer\n{Q},{A}\n", ".hidden.json": "{", "LICENSE.txt": "x"},
    )
    assert reason(folder) == "FORMATS_MIXED"
    assert contents(imported(folder, choice=Choice(files="*.json"))) == [SAID]
    assert reason(folder, Choice(files="*.parquet")) == "FILES_MISSING"
    (tmp_path / "none").mkdir()
    assert reason(tmp_path / "none") == "FILES_MISSING"


def packed(path: Path, members: Mapping[str, bytes | str], **entry_facts: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = entry_facts.get("external_attr", 0)
            archive.writestr(info, content)
    return path


def test_a_zip_is_read_as_its_folder(tmp_path: Path) -> None:
    folder = easy_dataset(tmp_path / "easy")
    members = {f"outer/{path.name}": path.read_bytes() for path in folder.iterdir()}
    found = imported(packed(tmp_path / "e.zip", members))
    assert [(one.file, one.row) for one in found] == [("sharegpt.json", 1)]
    (one,) = imported(packed(tmp_path / "中.zip", {"数据.jsonl": json.dumps(ALPACA[0])}))
    assert one.file == "数据.jsonl"


@pytest.mark.parametrize("name", ["../a.json", "/a.json", "C:\\a.json", "x/../../a.json", "a\x07.json"])
def test_a_zip_with_a_name_that_leads_out_of_it_is_refused(tmp_path: Path, name: str) -> None:
    assert reason(packed(tmp_path / "z.zip", {name: json.dumps(ALPACA)})) == "ARCHIVE_PATH_UNSAFE"
    assert not (tmp_path / "a.json").exists()


def test_links_bombs_and_damage_in_a_zip_are_refused(tmp_path: Path) -> None:
    link = packed(tmp_path / "l.zip", {"a.json": "/etc/passwd"}, external_attr=0o120777 << 16)
    assert reason(link) == "ARCHIVE_PATH_UNSAFE"
    assert reason(packed(tmp_path / "b.zip", {"a.json": b" " * (64 << 20)})) == "ARCHIVE_BOMB"
    assert reason(write(tmp_path / "d.zip", b"PK\x03\x04 rubbish")) == "FILE_DAMAGED"
    assert reason(packed(tmp_path / "n.zip", {"inner.zip": b"x"})) == "FILES_MISSING"


def test_a_zip_is_not_unpacked_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "SPARE_BYTES", 1 << 60)
    path = packed(tmp_path / "z.zip", {"a.json": json.dumps(ALPACA)})
    with pytest.raises(FailedPrecondition) as caught, disk_errors():
        imported(path)
    assert caught.value.reason == "DISK_FULL"
    assert not list((tmp_path / "scratch").rglob("a.json"))


def test_a_disk_that_fills_while_a_zip_is_unpacked_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "z.zip", {"a.json": json.dumps(ALPACA), "b.json": b"[]" * (1 << 20)})
    # Someone else fills it after the look at it.
    monkeypatch.setattr(zipped, "check_room", lambda *_: None)
    with mounted(tmp_path / "scratch", "256k"), pytest.raises(FailedPrecondition) as caught, disk_errors():
        imported(path)
    assert caught.value.reason == "DISK_FULL"


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_disk_that_fills_while_a_table_is_unpacked_is_no_damage(tmp_path: Path, ending: str) -> None:
    rows = pa.table({"question": [Q] * 50_000, "answer": [f"{A} {n * 7919}" for n in range(50_000)]})
    pq.write_table(rows, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    path = tmp_path / f"a.parquet.{ending}"
    with pa.CompressedOutputStream(str(path), {"gz": "gzip", "zst": "zstd"}[ending]) as target:
        target.write((tmp_path / "a.parquet").read_bytes())
    with mounted(tmp_path / "scratch", "256k"), pytest.raises(FailedPrecondition) as caught, disk_errors():
        imported(path)
    assert caught.value.reason == "DISK_FULL"


def test_sheets_are_parts_of_their_own(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = "问答"
    page.append(["question", "answer"])
    page.append([Q, A])
    book.create_sheet("Empty")
    more = book.create_sheet("More")
    more.append(["问题", "答案", "评分"])
    more.append([Q, None, 5])
    book.save(tmp_path / "t.xlsx")
    found = imported(tmp_path / "t.xlsx")
    assert [(one.file, one.row) for one in found] == [("t.xlsx#问答", 2), ("t.xlsx#More", 2)]
    assert isinstance(found[1], Fault)
    assert found[1].reason == "TEXT_EMPTY"
    assert [part.name for part in parts_in(tmp_path / "t.xlsx", "t.xlsx", tmp_path, Choice())][
        1
    ] == "t.xlsx#Empty"
