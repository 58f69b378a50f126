"""What devices have and can do at most, each number with its source.

Peaks are of dense matrix products, in operations a second. `UNCONFIRMED` marks numbers of which no datasheet
of the vendor was found; plans on them tell settings apart and are no promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

UNCONFIRMED = "unconfirmed: "
_NVIDIA = "NVIDIA's datasheet"
_HBLAS = "wangzy0327/hblas-bench DCU-bench.md, which calls it official"
PCIE4 = 14.8e9
"""Bytes a second that a card receives while eight on PCIe 4.0 gather weights: what remains of a published run
of a 32B model on eight K100-AI, 9.16 s a micro-batch, when its products are taken off (docs/estimates.md)."""
NVLINK_SHARE = 0.75
"""Of a link's one-way rate that collectives reach. Assumed."""
EFFICIENCY = 0.5
"""Share of the peak that matrix products reach, where no probe has measured it. Assumed."""


@dataclass(frozen=True)
class Accelerator:
    """One device of its kind."""

    name: str
    memory_bytes: float
    peaks: Mapping[str, float]
    """Operations a second by number format."""
    bandwidth: float
    """Bytes a second from its own memory."""
    gather_rate: float
    """Bytes a second that one device receives while several gather weights."""
    link: str
    """What joins the devices of a machine."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """By what it is the source of."""
    aliases: tuple[str, ...] = ()
    """Other names, as drivers print them."""
    efficiency: float = EFFICIENCY

    @property
    def is_cpu(self) -> bool:
        """Whether it is a processor that computes in the machine's own memory."""
        return self.name == "CPU"

    def peak(self, precision: str) -> float:
        """Operations a second in a number format; where it has none of its own, in fp32."""
        return self.peaks.get(precision, self.peaks["fp32"])


def _nvlink(both_ways: float) -> float:
    return both_ways / 2 * NVLINK_SHARE


ACCELERATORS = (
    Accelerator(
        "K100-AI",
        65520 * 2**20,
        {"bf16": 196e12, "fp16": 196e12, "fp32": 49e12},
        896e9,
        PCIE4,
        "PCIe 4.0 x16",
        {
            "memory": "65520 MiB: gpustack's recorded rocm-smi output of DTK 24.04.3",
            "peak": _HBLAS,
            "bandwidth": _HBLAS,
            "link": "dcu-in-action, topology of eight cards: PCIE between all",
        },
        ("K100_AI", "K100AI", "gfx928"),
    ),
    Accelerator(
        "K100",
        64e9,
        {"fp16": 100e12, "fp32": 24.5e12},
        768e9,
        PCIE4,
        "PCIe 4.0 x16",
        {
            "memory": UNCONFIRMED + "public surveys say 32 to 64 GB",
            "peak": _HBLAS + "; fp32 " + UNCONFIRMED + "a quarter of it",
            "bandwidth": "dcu-in-action docs/img/DCU规格参数.png",
            "link": "dcu-in-action docs/img/DCU规格参数.png: no interconnect of cards",
        },
        ("gfx926",),
    ),
    Accelerator(
        "Z100",
        32e9,
        {"fp16": 24e12, "fp32": 12e12},
        1024e9,
        PCIE4,
        "PCIe 4.0 x16",
        {"memory": UNCONFIRMED + "Z100L; a Z100 may have 16 GB", "peak": UNCONFIRMED + "public surveys"},
        ("Z100L", "gfx906"),
    ),
    Accelerator(
        "BW1000",
        64e9,
        {"bf16": 480e12, "fp16": 480e12, "fp32": 60e12},
        1600e9,
        PCIE4,
        "not published",
        {
            "memory": UNCONFIRMED + "public notes of eight cards of 64 GB",
            "peak": UNCONFIRMED + "480 TFLOPS of half numbers in hblas-bench, of a BW200; fp32 assumed",
            "bandwidth": UNCONFIRMED + "assumed; the vendor publishes nothing",
        },
        ("BW", "BW200", "gfx936"),
    ),
    Accelerator(
        "A100-80G",
        81920 * 2**20,
        {"bf16": 312e12, "fp16": 312e12, "fp32": 19.5e12},
        2039e9,
        _nvlink(600e9),
        "NVLink 3, 600 GB/s both ways",
        {"memory": _NVIDIA, "peak": _NVIDIA, "bandwidth": _NVIDIA, "link": _NVIDIA},
        ("A100", "A100-SXM4-80GB"),
    ),
    Accelerator(
        "A800-80G",
        81920 * 2**20,
        {"bf16": 312e12, "fp16": 312e12, "fp32": 19.5e12},
        2039e9,
        _nvlink(400e9),
        "NVLink 3, 400 GB/s both ways",
        {"memory": _NVIDIA, "peak": _NVIDIA, "bandwidth": _NVIDIA, "link": _NVIDIA},
        ("A800", "A800-SXM4-80GB", "A800 80GB PCIe"),
    ),
    Accelerator(
        "H100-PCIe",
        81559 * 2**20,
        {"bf16": 756e12, "fp16": 756e12, "fp32": 51e12},
        2000e9,
        PCIE4,
        "PCIe 5.0 x16; taken as PCIe 4.0",
        {"memory": _NVIDIA, "peak": _NVIDIA, "bandwidth": _NVIDIA, "link": _NVIDIA},
        ("H100 PCIe",),
    ),
    Accelerator(
        "A100-40G",
        40960 * 2**20,
        {"bf16": 312e12, "fp16": 312e12, "fp32": 19.5e12},
        1555e9,
        _nvlink(600e9),
        "NVLink 3, 600 GB/s both ways",
        {"memory": _NVIDIA, "peak": _NVIDIA, "bandwidth": _NVIDIA, "link": _NVIDIA},
        ("A100-SXM4-40GB",),
    ),
    Accelerator(
        "H100",
        81559 * 2**20,
        {"bf16": 989.4e12, "fp16": 989.4e12, "fp32": 66.9e12},
        3350e9,
        _nvlink(900e9),
        "NVLink 4, 900 GB/s both ways",
        {"memory": "81559 MiB, as nvidia-smi says of the SXM card", "peak": _NVIDIA, "bandwidth": _NVIDIA},
        ("H100-SXM", "H100 80GB HBM3"),
    ),
    Accelerator(
        "H200",
        143771 * 2**20,
        {"bf16": 989.4e12, "fp16": 989.4e12, "fp32": 66.9e12},
        4800e9,
        _nvlink(900e9),
        "NVLink 4, 900 GB/s both ways",
        {"memory": "143771 MiB, as nvidia-smi says", "peak": _NVIDIA, "bandwidth": _NVIDIA},
    ),
    Accelerator(
        "H20",
        97871 * 2**20,
        {"bf16": 148e12, "fp16": 148e12, "fp32": 44e12},
        4000e9,
        _nvlink(900e9),
        "NVLink 4, 900 GB/s both ways",
        {"memory": "96 GB card; 97871 MiB as nvidia-smi says", "peak": _NVIDIA, "bandwidth": _NVIDIA},
    ),
    Accelerator(
        "RTX-4090",
        24564 * 2**20,
        {"bf16": 165.2e12, "fp16": 165.2e12, "fp32": 82.6e12},
        1008e9,
        PCIE4,
        "PCIe 4.0 x16, no direct access between cards",
        {
            "memory": "24564 MiB, as nvidia-smi says",
            "peak": "NVIDIA Ada whitepaper, sums in fp32",
            "bandwidth": _NVIDIA,
        },
        ("4090", "GeForce RTX 4090"),
    ),
    Accelerator(
        "RTX-3090",
        24576 * 2**20,
        {"bf16": 71e12, "fp16": 71e12, "fp32": 35.6e12},
        936e9,
        PCIE4,
        "PCIe 4.0 x16",
        {
            "memory": "24576 MiB, as nvidia-smi says",
            "peak": "NVIDIA GA102 whitepaper, sums in fp32",
            "bandwidth": _NVIDIA,
        },
        ("3090", "GeForce RTX 3090"),
    ),
    Accelerator(
        "CPU",
        16e9,
        {"bf16": 357e9, "fp32": 134e9},
        40e9,
        5e9,
        "one machine's memory",
        {
            "memory": "give --memory-gb, or let the trainer look at its machine",
            "peak": "measured on two cores of an AMD EPYC Zen 4 with avx512_bf16; others differ widely",
            "bandwidth": UNCONFIRMED + "assumed",
        },
        ("cpu",),
    ),
)


class UnknownAcceleratorError(ValueError):
    """No device of that name is in the table."""


def find_accelerator(name: str) -> Accelerator:
    """The device that a name means, however it is spelt: `K100_AI`, `k100-ai`, `NVIDIA A100-SXM4-80GB`.

    Raises:
        UnknownAcceleratorError: none; the message lists those that there are.
    """
    wanted = _plain(name)
    for exact in (True, False):
        for each in ACCELERATORS:
            if _means(wanted, (each.name, *each.aliases), exact=exact):
                return each
    names = ", ".join(each.name for each in ACCELERATORS)
    raise UnknownAcceleratorError(f"no device named {name!r} is known; known are {names}")


def _means(wanted: str, names: Iterable[str], *, exact: bool) -> bool:
    plain = [_plain(each) for each in names]
    # Drivers put the vendor before the name.
    return wanted in plain if exact else any(len(each) > 2 and wanted.endswith(each) for each in plain)


def _plain(name: str) -> str:
    return "".join(each for each in name.lower() if each.isalnum()).removeprefix("nvidia")
