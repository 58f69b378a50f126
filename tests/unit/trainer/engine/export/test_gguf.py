"""Models as GGUF files, read back by others than who wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from services.trainer.engine.errors import BaseModelError, MergeError
from services.trainer.engine.export import gguf_file
from services.trainer.engine.export.exporting import export_gguf
from services.trainer.engine.export.gguf_check import TOLERANCES
from services.trainer.engine.export.gguf_layout import LAYOUTS
from services.trainer.engine.export.gguf_tokens import SPLITS
from services.trainer.registry.making import GGUF_ARCHITECTURES
from tests.unit.trainer.engine.tiny import CHATML

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
TEXT = "A text, 一段文字, with <|im_end|> and\n\tspaces 1234."


def saved(folder: Path, model: Any, tokenizer: Any) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def split_tokenizer(tokenizer: Any, split: str) -> Any:
    """The tokenizer with another way of splitting text."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    pattern = SPLITS[split][0]["pattern"]["Regex"]
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    marks = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=CHATML, **marks)  # type: ignore[no-untyped-call]


def sentencepiece_tokenizer() -> Any:
    """A BPE as SentencePiece makes them: words begin with ▁, and bytes stand for what is unknown."""
    merges = [("t", "h"), ("▁", "th"), ("▁th", "e"), ("r", "i"), ("v", "e"), ("ri", "ve"), ("▁", "rive")]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [*"▁abcdefghijklmnopqrstuvwxyz.,", *(left + right for left, right in merges)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    bpe = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))  # noqa: S106
    bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    marks = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=bpe, **marks)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0"])
def test_a_file_holds_the_model_in_each_number_format(base_model: Path, tmp_path: Path, kind: str) -> None:
    done = export_gguf(base_model, tmp_path / "out", kind, "My model/1")
    assert done.file == f"My-model-1-{kind}.gguf"
    assert done.tensor_error <= {"f32": 0, "f16": 1e-3, "bf16": 4e-3, "q8_0": 8e-3}[kind]
    assert done.exact_error < 1e-5
    assert done.logit_error <= TOLERANCES[kind]
    reader = gguf.GGUFReader(tmp_path / "out" / done.file)
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["tokenizer.ggml.pre"].contents() == "gpt-2"
    assert reader.fields["tokenizer.ggml.add_bos_token"].contents() is False
    kinds = {tensor.tensor_type.name.lower() for tensor in reader.tensors if len(tensor.shape) > 1}
    assert kinds == {kind}
    assert {tensor.tensor_type.name for tensor in reader.tensors if len(tensor.shape) == 1} == {"F32"}
    told = (tmp_path / "out" / "Modelfile").read_text(encoding="utf-8")
    assert told.startswith(f"FROM ./{done.file}\nTEMPLATE ")


def test_qwen_models_go_with_their_biases_norms_and_digits(tokenizer: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = split_tokenizer(tokenizer, "qwen2")
    for model in (
        Qwen2ForCausalLM(Qwen2Config(vocab_size=320, tie_word_embeddings=True, **SIZES)),
        Qwen3ForCausalLM(Qwen3Config(vocab_size=len(own), head_dim=32, **SIZES)),
    ):
        for name, parameter in model.named_parameters():
            if "bias" in name or "norm" in name:
                torch.nn.init.normal_(parameter.data, 1.0, 0.3)
        kind = model.config.model_type
        folder = saved(tmp_path / kind, model, own)
        done = export_gguf(folder, tmp_path / f"{kind}-out", "f32", "q")
        assert done.logit_error < 1e-5
        path = tmp_path / f"{kind}-out" / done.file
        assert gguf.GGUFReader(path).fields["tokenizer.ggml.pre"].contents() == "qwen2"
        read = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        assert read(TEXT)["input_ids"] == own(TEXT)["input_ids"]


def test_llama_3_positions_go_as_factors(tokenizer: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    own = split_tokenizer(tokenizer, "llama-bpe")
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(own), rope_parameters=rope, **SIZES))
    done = export_gguf(saved(tmp_path / "m", model, own), tmp_path / "out", "f32", "l")
    tensors = {each.name: each for each in gguf.GGUFReader(tmp_path / "out" / done.file).tensors}
    factors = tensors["rope_freqs.weight"].data
    assert len(factors) == 8
    assert factors[0] == pytest.approx(1)
    assert factors[-1] == pytest.approx(8)


def test_a_sentencepiece_vocabulary_goes_with_scores(tmp_path: Path) -> None:
    own = sentencepiece_tokenizer()
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(own), **SIZES))
    folder = saved(tmp_path / "m", model, own)
    done = export_gguf(folder, tmp_path / "out", "f32", "s")
    path = tmp_path / "out" / done.file
    fields = gguf.GGUFReader(path).fields
    assert fields["tokenizer.ggml.model"].contents() == "llama"
    assert fields["tokenizer.ggml.add_space_prefix"].contents() is True
    scores = dict(
        zip(
            fields["tokenizer.ggml.tokens"].contents(),
            fields["tokenizer.ggml.scores"].contents(),
            strict=True,
        )
    )
    assert scores["th"] == 0 > scores["▁the"] > scores["▁rive"]
    types = fields["tokenizer.ggml.token_type"].contents()
    assert types[:4] == [
        gguf.TokenType.UNKNOWN,
        gguf.TokenType.CONTROL,
        gguf.TokenType.CONTROL,
        gguf.TokenType.BYTE,
    ]
    assert "is not translated here" in (tmp_path / "out" / "Modelfile").read_text(encoding="utf-8")
    # Of tokenizer.model, where there is one, come the scores as they are: two pieces, (th, -7.5) and (x, -1).
    pieces = (
        b"\x0a\x09\x0a\x02th\x15\x00\x00\xf0\xc0" + b"\x0a\x08\x0a\x01x\x15\x00\x00\x80\xbf\x12\x02\x08\x01"
    )
    (folder / "tokenizer.model").write_bytes(pieces)
    done = export_gguf(folder, tmp_path / "again", "f32", "s")
    found = gguf.GGUFReader(tmp_path / "again" / done.file).fields["tokenizer.ggml.scores"].contents()
    assert [found[own.convert_tokens_to_ids(piece)] for piece in ("th", "x", "▁the")] == [-7.5, -1, 0]


def test_what_does_not_go_is_refused_with_what_does(tokenizer: Any, base_model: Path, tmp_path: Path) -> None:
    gpt2 = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2))
    folder = saved(tmp_path / "gpt2", gpt2, tokenizer)
    with pytest.raises(
        BaseModelError, match=r"GPT2LMHeadModel is not written as GGUF here.*Qwen2ForCausalLM"
    ):
        export_gguf(folder, tmp_path / "out", "f16", "g")
    copy = Path(shutil.copytree(base_model, tmp_path / "copy"))
    whole = json.loads((copy / "tokenizer.json").read_bytes())
    whole["pre_tokenizer"] = {"type": "Whitespace"}
    (copy / "tokenizer.json").write_text(json.dumps(whole))
    with pytest.raises(BaseModelError, match="way of splitting text is none of those"):
        export_gguf(copy, tmp_path / "out", "f16", "g")
    assert not (tmp_path / "out").exists()
    assert sorted(LAYOUTS) == sorted(GGUF_ARCHITECTURES)


def test_a_file_that_is_not_the_model_is_not_there(
    base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        # The rows of queries and keys as transformers has them: each tensor is right, the model is not.
        patched.setattr(gguf_file, "swapped", lambda name, tensor, config: tensor)
        with pytest.raises(MergeError, match=r"the logits of .* differ by"):
            export_gguf(base_model, tmp_path / "out", "f32", "m")
    assert not list(tmp_path.glob("*out*"))
    (tmp_path / "out").mkdir()
    with pytest.raises(MergeError, match="is there already"):
        export_gguf(base_model, tmp_path / "out", "f32", "m")
