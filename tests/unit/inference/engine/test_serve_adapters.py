"""Adapters beside a base: loaded at run time, mixed in one batch, refused where they do not belong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import peft
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from services.inference.engine.adapters import CONFIG, WEIGHTS, Adapters, scaling, unmixable
from services.inference.engine.model import Model, load_model
from services.inference.engine.scheduler import Scheduler
from services.inference.engine.server import listening
from services.runtime.errors import InvalidArgument, NotFound
from tests.unit.inference.engine.tiny import NAME, Heard, ask, flags, greedy

# PEFT reads what transformers is about to rename.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*is_gradient_checkpointing", "ignore:Setting `save_embedding_layers`"
)


def make_adapter(folder: Path, place: Path, seed: int, **options: Any) -> Path:
    torch.manual_seed(seed)
    network = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = peft.LoraConfig(r=4, lora_alpha=32, init_lora_weights=False, **options)
    peft.get_peft_model(network, config).save_pretrained(str(place))
    return place


@pytest.fixture(scope="module")
def own(folder: Path) -> Model:
    """A model of this module's, since adapters change its layers."""
    return load_model(flags(folder))


@pytest.fixture(scope="module")
def places(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return {
        "one": make_adapter(folder, root / "one", 1, target_modules=["q_proj", "v_proj"]),
        "two": make_adapter(folder, root / "two", 2, target_modules="all-linear", use_rslora=True),
    }


@pytest.fixture
def scheduler(own: Model) -> Iterator[Scheduler]:
    scheduler = Scheduler(own, max_batch=4, max_queue=64)
    scheduler.start()
    yield scheduler
    scheduler.stop()


def merged(folder: Path, adapter: Path, tokens: list[int], count: int) -> str:
    network = load_model(flags(folder, adapter=adapter))
    scheduler = Scheduler(network, max_batch=1, max_queue=4)
    scheduler.start()
    try:
        return ask(scheduler, network, tokens, greedy(count)).wait().text
    finally:
        scheduler.stop()


def test_a_batch_of_many_adapters_says_what_each_says_when_merged(
    folder: Path, own: Model, places: dict[str, Path], scheduler: Scheduler
) -> None:
    tokens = own.render([{"role": "user", "content": "Where is the river?"}])
    bare = ask(scheduler, own, tokens, greedy(16)).wait().text
    adapters = [None, own.adapters.load("one", places["one"]), own.adapters.load("two", places["two"])]
    heard: list[Heard] = []
    for turn in range(6):
        asked = ask(scheduler, own, tokens, greedy(16), adapter=adapters[turn % 3])
        heard.append(asked)
    texts = [each.wait().text for each in heard]
    assert texts[:3] == texts[3:]
    assert texts[0] == bare
    assert texts[1] == merged(folder, places["one"], tokens, 16)
    assert texts[2] == merged(folder, places["two"], tokens, 16)
    assert len(set(texts)) == 3
    own.adapters.unload("one")
    assert own.adapters.find("one") is None
    with pytest.raises(NotFound):
        own.adapters.unload("one")


def test_what_one_adapter_computed_of_a_prompt_is_nothing_to_another(
    own: Model, places: dict[str, Path], scheduler: Scheduler
) -> None:
    tokens = own.render([{"role": "user", "content": "The same prompt for all"}])
    adapter = own.adapters.load("again", places["one"])
    ask(scheduler, own, tokens, greedy(2)).wait()
    first = ask(scheduler, own, tokens, greedy(2), adapter=adapter).wait()
    second = ask(scheduler, own, tokens, greedy(2), adapter=adapter).wait()
    assert (first.cached_tokens, second.cached_tokens) == (0, len(tokens) - 1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"use_dora": True, "target_modules": ["q_proj"]}, "ADAPTER_NOT_MIXABLE"),
        ({"target_modules": ["q_proj", "embed_tokens"]}, "ADAPTER_NOT_MIXABLE"),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "ADAPTER_NOT_MIXABLE"),
    ],
)
def test_what_cannot_be_mixed_is_refused(
    folder: Path, own: Model, tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        own.adapters.load("odd", make_adapter(folder, tmp_path / "odd", 3, **options))
    assert refused.value.reason == reason


def test_an_adapter_of_another_base_or_of_nothing_is_refused(
    own: Model, places: dict[str, Path], tmp_path: Path
) -> None:
    for name, shape in (("q_proj", (4, 50)), ("x_proj", (4, 48))):
        tensors = {
            f"base_model.model.model.layers.0.self_attn.{name}.lora_A.weight": torch.zeros(shape),
            f"base_model.model.model.layers.0.self_attn.{name}.lora_B.weight": torch.zeros(48, 4),
        }
        save_file(tensors, tmp_path / WEIGHTS)
        (tmp_path / CONFIG).write_bytes((places["one"] / CONFIG).read_bytes())
        with pytest.raises(InvalidArgument, match="another base"):
            own.adapters.load("foreign", tmp_path)
    with pytest.raises(InvalidArgument) as missing:
        own.adapters.load("none", tmp_path / "nowhere")
    assert missing.value.reason == "ADAPTER_INVALID"


def test_ranks_and_alphas_may_differ_by_module() -> None:
    config = {
        "r": 8,
        "lora_alpha": 16,
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"layers.1.q_proj": 6},
    }
    assert scaling(config, "model.layers.0.v_proj") == 2
    assert scaling(config, "model.layers.1.q_proj") == 3
    assert scaling({**config, "use_rslora": True}, "model.layers.1.v_proj") == pytest.approx(16 / 8**0.5)
    assert unmixable({"peft_type": "LORA"}) == ""
    assert "IA3" in unmixable({"peft_type": "IA3"})


async def test_adapters_come_and_go_by_http(own: Model, folder: Path, places: dict[str, Path]) -> None:
    fresh = replace(
        own, adapters=Adapters(own.network, own.tokenizer, own.dtype, own.device, own.adapters.mix)
    )
    config = flags(folder, runtime_adapters=True)
    async with (
        listening(config, fresh) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1") as http,
    ):

        async def post(path: str, **body: Any) -> httpx.Response:
            return await http.post(path, content=json.dumps(body))

        assert (
            await post("/load_lora_adapter", lora_name="one", lora_path=str(places["one"]))
        ).status_code == 200
        assert [each["id"] for each in (await http.get("/models")).json()["data"]] == [NAME, "one"]
        talk = [{"role": "user", "content": "Where?"}]
        said = [
            (await post("/chat/completions", model=name, messages=talk, temperature=0, max_tokens=9)).json()
            for name in (NAME, "one")
        ]
        assert [each["model"] for each in said] == [NAME, "one"]
        assert said[0]["choices"] != said[1]["choices"]
        assert (await post("/unload_lora_adapter", lora_name="one")).status_code == 200
        assert (await post("/chat/completions", model="one", messages=talk)).status_code == 404
        assert (await post("/unload_lora_adapter", lora_name="one")).status_code == 404
        wrong = await post("/load_lora_adapter", lora_name=NAME, lora_path="/")
        assert wrong.json()["error"]["param"] == "lora_name"
    async with listening(flags(folder), fresh) as port, httpx.AsyncClient() as http:
        refused = await http.post(f"http://127.0.0.1:{port}/v1/load_lora_adapter", json={"lora_name": "x"})
        assert refused.status_code == 404


def test_the_tensors_are_those_of_the_file(own: Model, places: dict[str, Path]) -> None:
    adapter = own.adapters.load("checked", places["one"])
    tensors = load_file(places["one"] / WEIGHTS)
    assert len(adapter.pairs) * 2 == len(tensors)
    assert adapter.bytes == sum(tensor.nbytes for tensor in tensors.values())
