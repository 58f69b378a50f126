"""Loading the base model, choosing where and in what precision it computes, and its loss."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from torch.nn import functional

from services.trainer.engine import attention, lora, norms, quantized, releases, selection
from services.trainer.engine.data import Sample
from services.trainer.engine.errors import BaseModelError, DeviceError
from services.trainer.engine.files import sha256_file, write_durably
from services.trainer.engine.head_loss import (
    PLAIN,
    HeadEnd,
    is_frozen_linear,
    learned_cross_entropy,
    token_cross_entropy,
)
from services.trainer.engine.head_probe import head_end_of
from services.trainer.engine.micro_batches import Batch, pack, pad
from services.trainer.engine.neftune import Noise
from services.trainer.engine.packed_models import Packing, apart, packing_of
from services.trainer.engine.parallel import group, place
from services.trainer.engine.parallel.divided import is_divided
from services.trainer.engine.prefixes import draws_at_random
from services.trainer.engine.spec import TrainSpec

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def run_here(work: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Compute something with a model all of which is on this device."""
    return work()


@dataclass(frozen=True)
class TrainableModel:
    """A frozen base with LoRA adapters, or a base of which some or all weights learn."""

    adapted: torch.nn.Module
    """A peft.PeftModel where there are adapters, else the same as `causal`."""
    causal: Any
    """The transformers model; where there are adapters, its linear layers are wrapped."""
    device: torch.device
    precision: str
    head_at_labels: bool
    """Whether the output head may run at the learned positions only."""
    packed: bool
    """Whether micro batches are packed rows, not padded ones."""
    logits_positions: int
    """Most positions whose logits exist at the same time, where the head runs at the learned ones only."""
    noise: Noise | None = None
    """What disturbs the embeddings while training."""
    run: Callable[[Callable[[], torch.Tensor]], torch.Tensor] = run_here
    """Computes something with the model, wherever its weights are."""
    masked: bool = False
    """Whether packed rows are kept apart by a mask, where the attention takes no segments."""
    shares_prefix: bool = False
    """Whether packed rows have what they begin with in common once."""
    head_end: HeadEnd = PLAIN
    """What the model does after the head, where it runs at the learned positions only."""

    @property
    def learned(self) -> list[torch.nn.Parameter]:
        """The weights that learn."""
        return [each for each in self.adapted.parameters() if each.requires_grad]

    @property
    def learned_fast(self) -> list[torch.nn.Parameter]:
        """Those of them to which LoRA+ gives the higher rate."""
        named = self.adapted.named_parameters()
        return [each for name, each in named if each.requires_grad and lora.learns_fast(name, each)]

    @property
    def head_size(self) -> tuple[int, torch.dtype]:
        """The output head's vocabulary and number format."""
        weight = self.causal.get_output_embeddings().weight
        return weight.shape[0], weight.dtype

    @property
    def recomputes_activations(self) -> bool:
        """Whether gradient checkpointing is on."""
        return releases.recomputes_activations(self.causal)

    def recompute_activations(self) -> None:
        """Turn gradient checkpointing on."""
        releases.enable_activation_checkpointing(self.causal)

    def summed_loss(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy of the learned tokens, summed, fp32."""
        return self.token_losses(batch).sum()

    def row_losses(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy of each row's learned tokens, summed, fp32 [rows]."""
        losses = self.token_losses(batch)
        return losses.new_zeros(batch.row_count).index_add(0, batch.rows, losses)

    def token_losses(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy of each learned token, fp32 [supervised].

        No attention mask: padding is on the right, a causal model's real tokens never see it, and packed
        rows have their segments. No cache: in transformers 5 one is made even when training unless refused.
        """
        return self.run(lambda: self._token_losses(batch))

    def _token_losses(self, batch: Batch) -> torch.Tensor:
        inputs: dict[str, Any] = {"input_ids": batch.ids, "use_cache": False}
        if batch.segments is not None:
            inputs |= {"position_ids": batch.place, **apart(batch.segments, self.causal, masked=self.masked)}
        if self.noise is not None:
            self.noise.expect(batch.lengths, packed=batch.segments is not None, device=self.device)
        if not self.head_at_labels:
            logits = self.causal(**inputs).logits.flatten(0, 1)[batch.positions]
            return functional.cross_entropy(logits.float(), batch.targets, reduction="none")
        hidden = self.causal.base_model(**inputs)[0].flatten(0, 1)[batch.positions]
        head = self.causal.get_output_embeddings()
        if is_frozen_linear(head):
            return token_cross_entropy(hidden, head, batch.targets, self.logits_positions, self.head_end)
        agreed = group.most if any(map(is_divided, head.parameters())) else int
        return learned_cross_entropy(
            hidden, head, batch.targets, self.logits_positions, self.head_end, agreed
        )

    def collate(self, samples: Sequence[Sample], pad_id: int, device: torch.device | None = None) -> Batch:
        """Lay samples out as a micro batch of the kind that this model takes, on its device or another."""
        place = device or self.device
        if self.packed:
            return pack(samples, place, share=self.shares_prefix)
        return pad(samples, pad_id, place)


def choose_device(spec: TrainSpec) -> tuple[torch.device, str]:
    """Return the device and the precision, "bf16", "fp16" or "fp32". Raises DeviceError."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device: torch sees no CUDA or DCU device; use auto or cpu")
    on_cuda = spec.device != "cpu" and torch.cuda.is_available()
    if spec.precision == "fp16" and not on_cuda:
        raise DeviceError("precision: fp16 needs a CUDA or DCU device; use auto, bf16 or fp32 on a CPU")
    if spec.threads:
        torch.set_num_threads(spec.threads)
    native = torch.cuda.is_bf16_supported() if on_cuda else cpu_computes_bf16()
    precision = spec.precision if spec.precision != "auto" else ("bf16" if native else "fp32")
    if not on_cuda:
        return torch.device("cpu"), precision
    if not place.is_child():
        return torch.device("cuda"), precision
    if torch.cuda.device_count() < place.local_size():
        raise DeviceError(f"devices: {place.local_size()} wanted, but torch sees {torch.cuda.device_count()}")
    return torch.device("cuda", place.local_rank()), precision


def cpu_computes_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the CPU multiplies bf16 in hardware; without that it is slower than fp32."""
    try:
        flags = cpuinfo.read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def context_length(folder: Path) -> int:
    """Most tokens of a row that the model was made for; no limit where its config names none."""
    config = json.loads((folder / "config.json").read_bytes())
    positions = config.get("text_config", config).get("max_position_embeddings")
    return positions if isinstance(positions, int) else sys.maxsize


def load_model(
    spec: TrainSpec, device: torch.device, precision: str, *, divided: bool = False
) -> TrainableModel:
    """Load the base model; add adapters, or choose which of its own weights learn. Raises BaseModelError.

    Where its weights are `divided` among devices, each layer's are fetched when the layer is called, so that
    layers compute for themselves, and `probed` comes when fetching works.
    """
    causal = _load_base(spec, precision, device, divided)
    if spec.gradient_checkpointing:
        releases.enable_activation_checkpointing(causal)
    if spec.attention == "auto":
        attention.install(causal)
    if device.type == "cuda" and not divided:
        norms.use_fused_norms(causal)
    adapted: torch.nn.Module = causal
    if spec.method == "lora":
        adapted = lora.add_adapters(causal, spec, lean=not divided)
    else:
        selection.select(causal, spec)
    adapted.train()
    noise = Noise(causal, spec.neftune_alpha) if spec.neftune_alpha else None
    trainable = TrainableModel(adapted, causal, device, precision, False, False, spec.logits_positions, noise)
    return trainable if divided else probed(trainable, spec)


def probed(trainable: TrainableModel, spec: TrainSpec) -> TrainableModel:
    """See what the model allows: its head at the learned positions only, and packed rows."""
    dtype = _DTYPES[trainable.precision]
    may_share = not spec.neftune_alpha and not draws_at_random(trainable.adapted, trainable.causal.config)
    seen: list[tuple[HeadEnd | None, Packing]] = []

    def look() -> torch.Tensor:
        end = head_end_of(trainable.causal)
        seen.append((end, packing_of(trainable.causal, spec, dtype, may_share=may_share)))
        return torch.zeros(())

    trainable.run(look)
    trainable.adapted.train()
    ((end, packing),) = seen
    return replace(
        trainable,
        head_at_labels=end is not None,
        head_end=end or PLAIN,
        packed=packing.packed,
        masked=packing.masked,
        shares_prefix=packing.shares,
    )


def _load_base(spec: TrainSpec, precision: str, device: torch.device, divided: bool) -> Any:
    folder = spec.base_model
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {releases.dtype_option(): _DTYPES[precision], "local_files_only": True}
    if spec.attention != "auto":
        options["attn_implementation"] = spec.attention
    if spec.quantization_bits:
        options |= quantized.loading_options(spec.quantization_bits, _DTYPES[precision])
    if (device.type == "cuda" and not divided) or spec.quantization_bits:
        # From the file to the device; on the way through the CPU a large model would need its size there too.
        options["device_map"] = {"": device}
    try:
        causal: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
        # Quantized weights are where they belong, and may not be moved.
        return causal if spec.quantization_bits else causal.to(device)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"base_model: cannot load the weights in {folder}: {error}") from error


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory in use so far: the allocator's on an accelerator, else the process's resident set."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Not getrusage: what it says begins with the resident set of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kibibytes = int(status.split("VmHWM:")[1].split()[0])
    return kibibytes * 1024


def versions() -> dict[str, str]:
    """Releases that a result depends on."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
    }


def text_sha256(text: str) -> str:
    """Hex SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def base_model_sha256(folder: Path, cache: Path) -> str:
    """Hex digest over the weight files in name order: the lines "name NUL sha256 LF".

    `cache` spares reading files again whose size and time of change are the same.
    """
    files = weight_files(folder)
    known = _read_cache(cache)
    now = {_fingerprint(path): path for path in files}
    digests = {key: known.get(key) or sha256_file(path) for key, path in now.items()}
    if digests != known:
        write_durably(cache, json.dumps(digests).encode())
    return text_sha256("".join(f"{now[key].name}\0{digest}\n" for key, digest in digests.items()))


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder: those that the index names, or all where there is no index."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        files = sorted(folder.glob("*.safetensors"))
    else:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        files = [folder / name for name in sorted(names)]
    if not files or not all(path.is_file() for path in files):
        raise BaseModelError(
            f"base_model: {folder} lacks .safetensors weights; convert or copy the model again"
        )
    return files


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}"


def _read_cache(cache: Path) -> dict[str, str]:
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def count(parameters: Iterable[torch.nn.Parameter]) -> int:
    """Number of weights; a shared one counts once, and one that is divided among devices is whole."""
    return sum(getattr(each, "ds_numel", None) or quantized.weights_in(each) for each in parameters)
