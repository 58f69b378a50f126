"""`python -m services.trainer.engine.probe`: what this Python and the machine's devices can do.

Prints a JSON object a line: one when a check begins, one with what it found. A driver may end the process or
let it hang; then the last line says in which check. It imports torch, and else only what it looks for.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from services.trainer.engine import probe_peers
from services.trainer.engine.parallel.launch import tie_to_parent

LIBRARIES = ("transformers", "peft", "deepspeed", "flash_attn", "bitsandbytes", "triton", "safetensors")
DTK = ("/opt/dtk/.dtk_version", "/opt/dtk/.info/version")
ABSENT, FAILED, PASSED = "absent", "failed", "passed"
GEMM_SECONDS = 0.5
GEMM_SIZES = {"cuda": 8192, "cpu": 768}
BF16_ERROR = 0.02
"""Of a product in bf16, relative: its 8 bits of mantissa give some thousandths."""
ATTENTION_ERROR = 0.05
NO_KERNEL = re.compile("no (available kernel|viable backend)", re.IGNORECASE)

Found = dict[str, Any]


class Absent(Exception):  # no error: something is not here
    """What a check looks for is not installed."""


def main(arguments: list[str]) -> int:
    """Do all checks, or those that use no device."""
    parser = argparse.ArgumentParser(prog="python -m services.trainer.engine.probe", description=__doc__)
    parser.add_argument("--facts", action="store_true", help="do nothing on a device, as others use it")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    given = parser.parse_args(arguments)
    checks: list[tuple[str, Callable[[], Found]]] = [("libraries", libraries), ("torch", facts)]
    if not given.facts:
        checks += list(_on_device(given.device))
    for name, check in checks:
        _say(name, "began")
        _say(name, *_outcome(check))
    return 0


def _on_device(wanted: str) -> Iterator[tuple[str, Callable[[], Found]]]:
    """The checks that use a device."""
    yield "bf16", lambda: bf16(_device(wanted))
    for backend in ("flash", "efficient", "math"):
        yield f"sdpa_{backend}", lambda backend=backend: sdpa(_device(wanted), backend)  # type: ignore[misc]
    yield "gemm", lambda: gemm(_device(wanted))
    yield "all_gather", lambda: all_gather(_device(wanted))
    # Libraries of others come last: they are the likeliest to end the process.
    yield "flash_attn", lambda: flash_attn(_device(wanted))
    yield "bitsandbytes", lambda: bitsandbytes(_device(wanted))


def _outcome(check: Callable[[], Found]) -> tuple[str, Found]:
    try:
        return PASSED, check()
    except Absent as missing:
        return ABSENT, {"message": str(missing)}
    except Exception as error:  # whatever a driver, a kernel or a package raises
        return FAILED, {"message": f"{type(error).__name__}: {_first_line(error)}"}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:500]


def _say(name: str, state: str, found: Found | None = None) -> None:
    print(json.dumps({"check": name, "state": state, **(found or {})}), flush=True)


def libraries() -> Found:
    """Versions of the packages that a run may need; nothing is imported."""
    versions: dict[str, str] = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {"python": platform.python_version(), "versions": versions, "dtk": dtk_version()}


def dtk_version(places: tuple[str, ...] = DTK) -> str:
    """Release of DTK; empty where there is none."""
    root = os.environ.get("ROCM_PATH")
    for place in ([f"{root}/.dtk_version"] if root else []) + list(places):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            lines = Path(place).read_text(encoding="utf-8").strip().splitlines()
            if lines:
                return lines[0].strip()[:100]
    return ""


def facts() -> Found:
    """What torch is made for, and the devices that it sees."""
    import torch  # noqa: PLC0415 - a check: it may be missing, or fail to load a library
    from torch import distributed  # noqa: PLC0415

    there = torch.cuda.is_available()
    devices = []
    for index in range(torch.cuda.device_count() if there else 0):
        about: Any = torch.cuda.get_device_properties(index)
        kind = getattr(about, "gcnArchName", "") or f"sm_{about.major}{about.minor}"
        devices.append(
            {"index": index, "name": about.name, "memory_bytes": about.total_memory, "architecture": kind}
        )
    can_meet = distributed.is_available()
    return {
        "torch": torch.__version__,
        "hip": torch.version.hip or "",
        "cuda": torch.version.cuda or "",
        "devices": devices,
        "nccl": can_meet and distributed.is_nccl_available(),
        "gloo": can_meet and distributed.is_gloo_available(),
        "threads": torch.get_num_threads(),
    }


def _device(wanted: str) -> Any:
    import torch  # noqa: PLC0415

    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def _dtype(device: Any) -> Any:
    """What a run would compute in."""
    import torch  # noqa: PLC0415

    native = device.type == "cuda" or _cpu_computes_bf16()
    return torch.bfloat16 if native else torch.float32


def _cpu_computes_bf16() -> bool:
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def bf16(device: Any) -> Found:
    """Products and gradients in bf16 that are right and keep its range, which fp16 in its place would not."""
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    left, right = (torch.randn(256, 256, device=device).bfloat16().requires_grad_() for _ in range(2))
    product = left @ right
    product.sum().backward()  # type: ignore[no-untyped-call]
    exact = left.detach().float() @ right.detach().float()
    error = float((product.detach().float() - exact).norm() / exact.norm())
    large = float((torch.full((4, 4), 1e30, device=device).bfloat16() * 1e6).float().max())
    if not (error < BF16_ERROR and 5e35 < large < 2e36 and left.grad is not None):
        raise ArithmeticError(f"a product is wrong by {error:.3g} of its size, 1e30 x 1e6 is {large:.3g}")
    native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_computes_bf16()
    return {"native": bool(native), "error": error}


def sdpa(device: Any, backend: str) -> Found:
    """Torch's attention by one of its kernels, forward and backward, held against fp32."""
    import torch  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415
    from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: PLC0415

    kinds = {
        "flash": SDPBackend.FLASH_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "math": SDPBackend.MATH,
    }
    query, key, value = _attention_inputs(device, (1, 4, 128, 64))
    try:
        with sdpa_kernel(kinds[backend]):
            found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            found.sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        # How torch says that it was built without the kernel, or that the device cannot run it.
        if NO_KERNEL.search(str(error)):
            raise Absent(_first_line(error)) from None
        raise
    query, key, value = (each.detach().float() for each in (query, key, value))
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        exact = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    return _held_against(found, exact)


def _attention_inputs(device: Any, shape: tuple[int, ...]) -> list[Any]:
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return [torch.randn(shape, device=device, dtype=dtype, requires_grad=True) for _ in range(3)]


def _held_against(found: Any, exact: Any) -> Found:
    error = float((found.detach().float() - exact).norm() / exact.norm())
    if not error < ATTENTION_ERROR:
        raise ArithmeticError(f"its relative error is {error:.3g}")
    return {"error": error}


def flash_attn(device: Any) -> Found:
    """The package flash_attn, forward and backward."""
    import torch  # noqa: PLC0415
    from torch.nn import functional  # noqa: PLC0415

    package = _imported("flash_attn")
    if device.type != "cuda":
        raise Absent("it works on accelerators only")
    # Its heads come after the positions.
    inputs = _attention_inputs(device, (1, 128, 4, 64))
    found = package.flash_attn_func(*inputs, causal=True)
    found.sum().backward()
    query, key, value = (each.detach().float().transpose(1, 2) for each in inputs)
    with torch.no_grad():
        exact = functional.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)
    return _held_against(found, exact)


def bitsandbytes(device: Any) -> Found:
    """Weights to 4 bits and back."""
    import torch  # noqa: PLC0415

    package = _imported("bitsandbytes")
    weights = torch.randn(64, 64, device=device)
    packed, state = package.functional.quantize_4bit(weights, quant_type="nf4")
    back = package.functional.dequantize_4bit(packed, state)
    error = float((back - weights).norm() / weights.norm())
    if not error < 0.2:
        raise ArithmeticError(f"4-bit weights come back with a relative error of {error:.3g}")
    return {"error": error}


def _imported(name: str) -> Any:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        raise Absent(f"{name} is not installed") from None
    return importlib.import_module(name)


def gemm(device: Any) -> Found:
    """Operations a second of a square product, of each device by itself."""
    import torch  # noqa: PLC0415

    dtype, size = _dtype(device), GEMM_SIZES[device.type]
    places = [device]
    if device.type == "cuda":
        places = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    rates = [_gemm_rate(place, dtype, size) for place in places]
    return {"size": size, "dtype": str(dtype).removeprefix("torch."), "flops": rates}


def _gemm_rate(device: Any, dtype: Any, size: int) -> float:
    import torch  # noqa: PLC0415

    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(2):
        torch.mm(left, right)
    _wait(device)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < GEMM_SECONDS or not done:
        for _ in range(4):
            torch.mm(left, right)
        done += 4
        # Launches return at once; without this thousands would be under way.
        _wait(device)
    return 2.0 * size**3 * done / (time.perf_counter() - began)


def _wait(device: Any) -> None:
    """Until the device has done what it was told."""
    import torch  # noqa: PLC0415

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def all_gather(device: Any) -> Found:
    """Bytes a second that each process receives: devices by NCCL (on a DCU, RCCL), or two by gloo."""
    import torch  # noqa: PLC0415

    ranks = torch.cuda.device_count() if device.type == "cuda" else 2
    return probe_peers.meet("nccl" if device.type == "cuda" else "gloo", ranks)


if __name__ == "__main__":
    tie_to_parent()
    sys.exit(main(sys.argv[1:]))
