"""What a probe means for training, in words: what to mend, and what not to expect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from services.trainer.estimating.accelerators import find_accelerator
from services.trainer.estimating.estimates import Hardware
from services.trainer.node.peaks import peak_flops
from services.trainer.node.probing import ABSENT, ENDED, FAILED, Probe
from services.trainer.presets import ACCELERATOR, PRESETS

SLOW_GEMM = 0.4
"""Share of the published peak under which something is wrong; well-kept cards reach 0.5 to 0.8."""
UNEVEN = 0.8
"""Share of the fastest card under which one holds up the others."""
TAKEN = 0.05
"""Share of a card's memory that an idle driver may hold."""
DRIVERS = {"24.04": (6, 2, 26), "25.04": (6, 2, 26), "26.04": (6, 3, 30)}
"""Oldest driver of K100-AI for a release of DTK, as the vendor's compatibility table has them."""
ZERO3_CARDS = 2


@dataclass(frozen=True)
class Advice:
    """One thing to say; `metadata` has every variable part of the message."""

    reason: str
    message: str
    metadata: dict[str, str] = field(default_factory=dict)


def advise(probe: Probe) -> list[Advice]:
    """Everything that there is to say, the worst first."""
    return [one for look in LOOKS for one in look(probe)]


def _ended(probe: Probe) -> Iterator[Advice]:
    for check in probe.checks:
        if check.outcome == ENDED:
            yield Advice(
                "PROBE_ENDED",
                f"the probe died or hung in {check.name} ({check.message}); the checks after it were not "
                "done: look there first",
                {"check": check.name, "said": check.message},
            )


def _torch(probe: Probe) -> Iterator[Advice]:
    check = probe.check("torch")
    if check is not None and check.outcome == FAILED:
        yield Advice(
            "TORCH_MISSING",
            f"{probe.python} cannot load torch ({check.message}); set "
            "SISHU_ENGINE_PYTHON to a Python that can",
            {"python": probe.python, "said": check.message},
        )
    if not probe.passed("torch") or probe.found("torch", "devices"):
        return
    seen = len(probe.sample.accelerators)
    if not seen:
        yield Advice("NO_ACCELERATOR", "there is no accelerator: runs compute on the CPU")
        return
    built = probe.found("torch", "torch")
    yield Advice(
        "TORCH_SEES_NO_DEVICE",
        f"{probe.sample.tool} sees {seen} cards, and torch {built} none: it is not the vendor's build, or "
        "the service may not open the devices (groups video and render); install the wheel for this driver",
        {"tool": probe.sample.tool, "cards": str(seen), "torch": str(built)},
    )


def _busy(probe: Probe) -> Iterator[Advice]:
    if probe.is_busy:
        yield Advice(
            "NODE_BUSY",
            "a run has the devices, so nothing was measured on them; probe again when it has ended",
        )


def _telemetry(probe: Probe) -> Iterator[Advice]:
    if probe.sample.reason:
        yield Advice(
            "TELEMETRY_SILENT",
            f"the cards' tool gives nothing: {probe.sample.message}",
            {"said": probe.sample.message},
        )
    for card in probe.sample.accelerators:
        if not probe.is_busy and (card.memory_share or 0) > TAKEN:
            share = f"{card.memory_share or 0:.0%}"
            yield Advice(
                "MEMORY_TAKEN",
                f"of card {card.index} {share} of the memory is in use by another program; end "
                "it before training",
                {"card": str(card.index), "share": share},
            )


def _driver(probe: Probe) -> Iterator[Advice]:
    dtk = ".".join(re.findall(r"\d+", str(probe.found("libraries", "dtk", "")))[:2])
    oldest, driver = DRIVERS.get(dtk), tuple(map(int, re.findall(r"\d+", probe.driver)[:3]))
    if oldest and driver and driver < oldest:
        wanted = ".".join(map(str, oldest))
        yield Advice(
            "DRIVER_TOO_OLD",
            f"DTK {dtk} needs driver {wanted} on K100-AI, and this is {probe.driver}; update the driver",
            {"dtk": dtk, "wanted": wanted, "driver": probe.driver},
        )
    built = str(probe.found("torch", "torch", ""))
    match = re.search(r"dtk(\d\d)(\d\d)", built)
    if match and dtk and f"{match[1]}.{match[2]}" != dtk:
        yield Advice(
            "TORCH_FOR_OTHER_DTK",
            f"torch {built} was built for another release than DTK {dtk}; the two must be the same",
            {"torch": built, "dtk": dtk},
        )


def _bf16(probe: Probe) -> Iterator[Advice]:
    check = probe.check("bf16")
    if check is not None and check.outcome == FAILED:
        yield Advice(
            "BF16_WRONG",
            f"bf16 does not work ({check.message}); train with --precision fp32 until the software is mended",
            {"said": check.message},
        )
    elif probe.passed("bf16") and not probe.found("bf16", "native"):
        yield Advice(
            "BF16_SLOW",
            "bf16 is right here but not native; --precision auto computes in fp32, which is faster",
        )


def _attention(probe: Probe) -> Iterator[Advice]:
    if not probe.passed("sdpa_math") or probe.passed("sdpa_flash") or probe.passed("flash_attn"):
        return
    yield Advice(
        "FLASH_MISSING",
        "no flash attention works: rows of some thousand tokens need more memory and are slower; for rows of "
        "up to 2,048 tokens it matters little",
    )


def _libraries(probe: Probe) -> Iterator[Advice]:
    versions = probe.found("libraries", "versions", {})
    cards = len(probe.found("torch", "devices", []))
    for name in ("transformers", "peft", "safetensors"):
        if versions and name not in versions:
            yield Advice(
                "LIBRARY_MISSING",
                f"{probe.python} has no {name}, without which the engine cannot train; install it there",
                {"python": probe.python, "library": name},
            )
    if cards > 1 and "deepspeed" not in versions:
        yield Advice(
            "DEEPSPEED_MISSING",
            "without deepspeed a model must fit on each card: --deepspeed-stage cannot be used",
        )
    check = probe.check("bitsandbytes")
    if check is not None and check.outcome in {ABSENT, FAILED}:
        yield Advice(
            "BITSANDBYTES_MISSING",
            f"bitsandbytes does not work ({check.message}): no --quantization-bits and no adamw_8bit",
            {"said": check.message},
        )


def _speed(probe: Probe) -> Iterator[Advice]:
    rates: list[float] = list(probe.found("gemm", "flops", []))
    devices = probe.found("torch", "devices", [])
    if not rates or not devices:
        return
    best = max(rates)
    peak = peak_flops(str(devices[0]["name"]))
    if peak and best < SLOW_GEMM * peak:
        yield Advice(
            "GEMM_SLOW",
            f"the fastest card reaches {best / 1e12:.0f} of the {peak / 1e12:.0f} TFLOPS that are published; "
            "look at its power limit, its temperature and the build of torch",
            {"reached": f"{best / 1e12:.0f}", "published": f"{peak / 1e12:.0f}"},
        )
    for device, rate in zip(devices, rates, strict=False):
        if rate < UNEVEN * best:
            yield Advice(
                "CARD_SLOW",
                f"card {device['index']} computes at {rate / best:.0%} of the fastest and holds up every "
                "step; look at its power and temperature, or leave it out",
                {"card": str(device["index"]), "share": f"{rate / best:.0%}"},
            )


def _collectives(probe: Probe) -> Iterator[Advice]:
    check = probe.check("all_gather")
    devices = probe.found("torch", "devices", [])
    if devices and check is not None and check.outcome in {FAILED, ENDED}:
        yield Advice(
            "COLLECTIVE_FAILED",
            f"the devices cannot gather from each other ({check.message}); on cards over PCIe set "
            "NCCL_P2P_DISABLE=1 for the service and probe again, then look at ACS and NUMA balancing",
            {"said": check.message},
        )
    rate, rates = probe.found("all_gather", "bytes_per_second"), probe.found("gemm", "flops", [])
    if rate and rates and len(devices) >= ZERO3_CARDS:
        yield _forecast(len(devices), float(devices[0]["memory_bytes"]), min(rates), float(rate))


def _forecast(count: int, memory: float, flops: float, rate: float) -> Advice:
    """What the measured speeds give for a model of 32B at ZeRO-3, in the plans of the presets."""
    hardware = Hardware(
        find_accelerator(ACCELERATOR), free_bytes=memory, products_rate=flops, gather_rate=rate
    )
    speeds = {
        name: preset.estimate_on(hardware, count).speed.tokens_per_second for name, preset in PRESETS.items()
    }
    told = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
    return Advice(
        "ZERO3_FORECAST",
        f"products at {flops / 1e12:.0f} TFLOPS and gathers at {rate / 1e9:.1f} GB/s a card give for a 32B "
        f"model at ZeRO-3, in real tokens a second: {told}",
        {"flops": f"{flops / 1e12:.0f}", "rate": f"{rate / 1e9:.1f}", "speeds": told},
    )


LOOKS: tuple[Callable[[Probe], Iterator[Advice]], ...] = (
    _ended,
    _torch,
    _busy,
    _telemetry,
    _driver,
    _bf16,
    _collectives,
    _libraries,
    _attention,
    _speed,
)
