from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from services.runtime import base_models
from services.runtime.base_models import describe_base_model, resolve_base_model
from services.runtime.errors import InvalidArgument, NotFound, SishuError, Unavailable

# Stands in for the interpreter: does what the child would do, at once or slowly, without torch.
CHILD = """#!{python}
import pathlib, sys, time
work, *operands = sys.argv[3:]
log = pathlib.Path({log!r})
log.open("a").write(work + "\\n")
time.sleep({seconds})
{ending}
folder = pathlib.Path(operands[1])
(folder / "config.json").write_text('{{"architectures": ["LlamaForCausalLM"]}}')
(folder / "tokenizer.json").write_text("{{}}")
(folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{{}}")
"""


def safetensors(path: Path, **tensors: tuple[str, list[int]]) -> None:
    header = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}
        for name, (dtype, shape) in tensors.items()
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    config = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192}
    (path / "config.json").write_text(json.dumps(config))
    (path / "tokenizer.json").write_text("{}")
    safetensors(path / "model.safetensors", a=("BF16", [3, 4]), b=("F32", [2]))
    (path / "chat_template.jinja").write_text("{{ messages }}")
    return path


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF" + bytes(20))
    return path


def child(tmp_path: Path, *, seconds: float = 0, ending: str = "") -> str:
    path = tmp_path / "python"
    text = CHILD.format(python=sys.executable, log=str(tmp_path / "log"), seconds=seconds, ending=ending)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_model_folder_is_its_own_answer(folder: Path, tmp_path: Path) -> None:
    assert resolve_base_model(str(folder), tmp_path / "cache") == folder.resolve()


def test_the_facts_come_from_the_files(folder: Path) -> None:
    info = describe_base_model(folder)
    assert (info.architecture, info.parameters, info.dtype) == ("LlamaForCausalLM", 14, "BF16")
    assert info.context_length == 8192
    assert info.chat_template_sha256 == hashlib.sha256(b"{{ messages }}").hexdigest()


def test_the_digest_follows_the_weights_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    before = describe_base_model(folder).sha256
    moved = folder.rename(tmp_path / "elsewhere")
    assert describe_base_model(moved).sha256 == before
    safetensors(moved / "model.safetensors", a=("BF16", [3, 5]))
    assert describe_base_model(moved).sha256 != before


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("config.json", b"{", "not JSON"),
        ("config.json", b"[]", "no JSON object"),
        ("model.safetensors", b"\x10", "its header is no JSON"),
        (
            "model.safetensors.index.json",
            b'{"weight_map": {"a": "lost.safetensors"}}',
            "lacks lost.safetensors",
        ),
    ],
)
def test_a_damaged_folder_is_named_with_its_fault(
    folder: Path, name: str, content: bytes, fault: str
) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(InvalidArgument, match=fault):
        describe_base_model(folder)


def test_a_folder_without_a_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InvalidArgument, match="no tokenizer"):
        resolve_base_model(str(folder), tmp_path)


@pytest.mark.parametrize("name", ["./none", "none.gguf", "/no/such/place", "a/b/c"])
def test_an_unknown_reference_says_what_is_accepted(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"builtin.*gguf.*hub id"):
        resolve_base_model(name, tmp_path)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("hello")
    with pytest.raises(InvalidArgument, match="does not begin with"):
        resolve_base_model(str(tmp_path / "x.gguf"), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_gguf_file_is_converted_once(gguf: Path, tmp_path: Path) -> None:
    cache, python = tmp_path / "cache", child(tmp_path)
    first, second = (resolve_base_model(str(gguf), cache, python=python) for _ in range(2))
    assert first == second
    assert hashlib.sha256(gguf.read_bytes()).hexdigest() in first.name
    assert (tmp_path / "log").read_text() == "convert\n"
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


def test_two_at_once_convert_once(gguf: Path, tmp_path: Path) -> None:
    cache, python = tmp_path / "cache", child(tmp_path, seconds=0.5)
    found: list[Path] = []

    def resolve() -> None:
        found.append(resolve_base_model(str(gguf), cache, python=python))

    threads = [threading.Thread(target=resolve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 3
    assert len(set(found)) == 1
    assert (tmp_path / "log").read_text() == "convert\n"


def test_progress_is_said_while_the_work_lasts(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_models, "_BEAT_SECONDS", 0.1)
    lines: list[str] = []
    resolve_base_model(
        str(gguf), tmp_path / "cache", python=child(tmp_path, seconds=0.5), progress=lines.append
    )
    assert len(lines) > 3
    assert all("converting small.gguf" in line for line in lines)


@pytest.mark.parametrize(
    ("ending", "kind", "fault"),
    [
        ("sys.exit('unknown quantization Q9')", InvalidArgument, "unknown quantization Q9"),
        ("import os; os.kill(os.getpid(), 9)", Unavailable, "signal 9"),
        (
            'print(\'{"kind": "NotFound", "reason": "X", "message": "gone"}\'); sys.exit(3)',
            NotFound,
            "gone",
        ),
    ],
)
def test_a_failed_conversion_leaves_nothing_and_can_be_repeated(
    gguf: Path, tmp_path: Path, ending: str, kind: type[SishuError], fault: str
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(kind, match=fault):
        resolve_base_model(str(gguf), cache, python=child(tmp_path, ending=ending))
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    assert resolve_base_model(str(gguf), cache, python=child(tmp_path)).is_dir()


def test_a_killed_conversion_ends_its_child_and_is_done_anew(gguf: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    script = (
        "import sys; from pathlib import Path; from services.runtime.base_models import resolve_base_model\n"
        "resolve_base_model(sys.argv[1], Path(sys.argv[2]), python=sys.argv[3])"
    )
    slow = child(tmp_path, seconds=0, ending="sys.stdin.buffer.read(); sys.exit(1)")
    command = [sys.executable, "-c", script, str(gguf), str(cache), slow]
    with subprocess.Popen(command, cwd=Path(base_models.__file__).parents[2]) as parent:
        deadline = time.monotonic() + 60
        while not (tmp_path / "log").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(parent.pid, signal.SIGKILL)
    # The partial folder of the dead is there; the next caller removes it.
    assert [path for path in cache.iterdir() if path.is_dir()]
    done = resolve_base_model(str(gguf), cache, python=child(tmp_path))
    assert [path for path in cache.iterdir() if path.is_dir()] == [done]


def test_the_hub_out_of_reach_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub", reason="the hub's client comes with the engine's packages")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match="local Hugging Face folder or GGUF file"):
        resolve_base_model("nobody/nothing", tmp_path / "cache")
