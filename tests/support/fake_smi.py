"""A node of the tests: a program on the PATH that answers as `hy-smi` does, or as a driver in trouble lets it.

What it prints was written from the formats that public documents and parsers describe; no card was at hand.
"""

from __future__ import annotations

from pathlib import Path

TEXT_TABLE = """
================================= System Management Interface ==================================
================================================================================================
HCU     Temp     AvgPwr     Perf     PwrCap     VRAM%      HCU%      Mode
0       60.0C    113.0W     auto     400.0W     85%        12.5%     Normal
1       58.0C    97.0W      auto     400.0W     50%        0.0%      Normal
================================================================================================
======================================== End of SMI Log ========================================
"""
OLD_TEXT_TABLE = """
DCU  Temp   AvgPwr  SCLK     MCLK    Fan   Perf  PwrCap  VRAM%  DCU%
1    51.0C  40.0W   319Mhz   800Mhz  0.0%  auto  300.0W  3%     0%
"""
TEXT_FIELDS = """
HCU[0]\t\t\t: Card Series:\t\t K100_AI
HCU[0]\t\t\t: HCU use (%): 12.5
HCU[0]\t\t\t: vram Total Memory (MiB): 65520
HCU[0]\t\t\t: vram Total Used Memory (MiB): 32760
HCU[0]\t\t\t: Average Graphics Package Power (W): 113.0
HCU[0]\t\t\t: Temperature (Sensor edge) (C): 41.0
HCU[0]\t\t\t: Temperature (Sensor junction) (C): 60.0
HCU[0] : Bus Id : 0000:09:00.0 : Healthy
HCU[1]\t\t\t: Card Series:\t\t K100_AI
HCU[1]\t\t\t: HCU use (%): 0.0
HCU[1]\t\t\t: vram Total Memory (MiB): 65520
HCU[1]\t\t\t: vram Total Used Memory (MiB): 2
"""
DCU_JSON = (
    '{"card0": {"Device ID": "0x6210", "Card Series": "DCU x", "Average Graphics Package Power (W)": "80.0", '
    '"Temperature (Sensor edge) (C)": "41.0", "Temperature (Sensor junction) (C)": "39.0", '
    '"Temperature (Sensor mem) (C)": "44.0", "": "", "DCU use (%)": "7", '
    '"vram Total Memory (MiB)": "65520", "vram Total Used Memory (MiB)": "2"}}'
)
HCU_JSON = (
    'WARNING: this driver is new\n{"card0": {"Card Series": "K100_AI", "HCU use (%)": "12.5", '
    '"HCU memory use (%)": "50", "Temperature (Sensor core) (C)": "60.0", '
    '"Average Graphics Package Power (W)": "113.0", "vram Total Memory (MiB)": "65520", '
    '"vram Total Used Memory (MiB)": "32760"}, "card1": {"Card Series": "K100_AI", "HCU use (%)": 0.0, '
    '"vram Total Memory (MiB)": 65520, "vram Total Used Memory (MiB)": 2}}'
)
BROKEN_JSON = (
    '{"card0": {"Card Series": "K100_AI", "": "", "": "", "Average Graphics Package Power (W)": "91.0"'
    '"Average GFX Core Power (W)": "20.0""Average Memory Power (W)": "38.0", "HCU use (%)": 33.0 '
    '"vram Total Memory (MiB)": "65520", "vram Total Used Memory (MiB)": "2",}\n'
    '"card1": {"HCU use (%)": "4.0"}}'
)
TORN_JSON = HCU_JSON[:200]
AMD_JSON = (
    '{"card0": {"GPU use (%)": "99", "VRAM Total Memory (B)": "17163091968", '
    '"VRAM Total Used Memory (B)": "8581545984", "Current Socket Graphics Package Power (W)": "203.0", '
    '"Max Graphics Package Power (W)": "225.0", "Card series": "Instinct"}, "system": {"Driver version": "6"}}'
)
NVIDIA_CSV = (
    "0, NVIDIA H100 80GB HBM3, 37, 1024, 81559, 45, 121.53, 700.00\n"
    "1, NVIDIA H100 80GB HBM3, [N/A], 0, 81559, 30, [Not Supported], 700.00\n"
)

PROGRAM = """#!/bin/sh
PATH=/usr/bin:/bin
case "$*" in *format=csv*) way=csv ;; *--json*) way=json ;; ?*) way=fields ;; *) way=table ;; esac
cd '{folder}' || exit 1
echo $way >> calls
pause=$(cat pause)
[ "$pause" = 0 ] || sleep "$pause"
[ ! -e $way ] || cat $way
"""


class FakeSmi:
    """The program, and what it answers from now on.

    Args:
        folder: goes on the PATH.
        name: of the program.
    """

    def __init__(self, folder: Path, name: str = "hy-smi") -> None:
        self.path = folder / name
        self._answers = folder / "answers"
        self._answers.mkdir(parents=True)
        self.answer()

    def answer(self, **ways: str) -> None:
        """Answer so from now on, at once: texts by how it is asked.

        Args:
            ways: `json`, `fields`, `table`, `csv`; without one it prints nothing.
        """
        for way in ("json", "fields", "table", "csv"):
            (self._answers / way).unlink(missing_ok=True)
        for way, text in ways.items():
            (self._answers / way).write_text(text, encoding="utf-8")
        self.pause(0)
        self.path.write_text(PROGRAM.format(folder=self._answers), encoding="utf-8")
        self.path.chmod(0o755)

    def pause(self, seconds: float) -> None:
        """Wait so long before each answer from now on."""
        (self._answers / "pause").write_text(str(seconds), encoding="utf-8")

    def vanish(self) -> None:
        """Be on the PATH no more."""
        self.path.unlink()

    @property
    def calls(self) -> list[str]:
        """How it was asked so far."""
        calls = self._answers / "calls"
        return calls.read_text(encoding="utf-8").split() if calls.exists() else []
