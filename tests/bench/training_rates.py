"""Real tokens a second of the engine beside LLaMA-Factory and TRL, on a CPU, with SmolLM2-135M, in one run.

All learn the same rows with LoRA of rank 16 on all linear layers, in steps of about the same number of tokens.
Each is a process that does a step when it is asked to, and the sides of a comparison are asked in turn; a ratio
is the median over the rounds of (engine / peer), each of neighbouring steps. First LLaMA-Factory's settings are
tried for a few rounds each; the best goes on. Prints one JSON object:

- `vs_llamafactory_default`: its defaults (fp32, 8 padded rows, activations recomputed);
- `vs_llamafactory_best`: the setting that is fastest here, named by `llamafactory_best`, beside the engine as
  it chooses its precision; `vs_llamafactory_fp32`: the fastest that computes in fp32, beside the engine in fp32;
  `vs_llamafactory_tried`: what the choice was made by, and `llamafactory_failed` why some have no figure;
- `vs_trl_packing`: TRL's SFTTrainer with packing, beside the engine in fp32;
- `cpu_ratios`: the same of tokens a second of CPU time, which others on the machine hardly change;
- `tokens_per_second`: medians of each side when it was last compared; mind that these depend on what else ran;
- `loss_gap`: the loss of LLaMA-Factory's adapter less the engine's, over the latter, both after one pass over
  the rows and measured on them by one and the same plain forward pass (`loss`; `loss_base`: before);
- `startup_s`, `llamafactory_startup_s`, `trl_startup_s`: from the start of the process to the first step;
- `train_peak_mb` and `peak_mb_of`: largest resident set, of the engine and of each side.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.runtime.base_models import resolve_base_model
from services.trainer.engine.model import cpu_computes_bf16
from tests.bench import training_settings as settings
from tests.bench.peers_environments import CACHE, PeerError
from tests.bench.training_losses import losses
from tests.bench.training_rows import Rows, make_rows
from tests.bench.training_settings import LLAMAFACTORY_SETTINGS, Setting
from tests.bench.training_sides import Place, Side, Turn, engine_side, side

ENGINE = "engine"
Round = tuple[Turn, Turn]
"""Of the engine and of a peer."""


@dataclass
class Bench:
    """What is measured on, and what was found."""

    place: Place
    model: Path
    """In bf16, as it comes."""
    exact: Path
    """The same in fp32."""
    rows: Rows
    settings: list[str]
    trials: int
    rounds: int
    found: dict[str, list[Round]] = field(default_factory=dict)
    tried: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    startup: dict[str, list[float]] = field(default_factory=dict)

    def engine(self, name: str, precision: str = "fp32", **more: Any) -> AbstractContextManager[Side]:
        """The engine; its rows never end unless `more` says so."""
        spec = {**settings.engine_spec(self.model, self.rows, precision), "epochs": 1000.0, **more}
        return engine_side(name, spec, self.place)

    def llamafactory(self, setting: Setting, run: str) -> AbstractContextManager[Side]:
        """LLaMA-Factory; `run` tells its runs apart."""
        name = f"llamafactory_{setting.name}_{run}"
        model = self.exact if setting.precision == "fp32" else self.model
        arguments = settings.llamafactory_arguments(setting, model, self.rows, self.place.folder / name)
        python = settings.llamafactory_python()
        return side(name, python, "peers_llamafactory", arguments, self.place)

    def trl(self) -> AbstractContextManager[Side]:
        """TRL with packing."""
        arguments = settings.trl_arguments(self.exact, self.rows, self.place.folder / "trl")
        return side("trl", settings.trl_python(), "peers_trl", arguments, self.place)


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training_rates")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--trials", type=int, default=3, help="rounds by which the best setting is chosen")
    names = [each.name for each in LLAMAFACTORY_SETTINGS if each.tried]
    parser.add_argument("--settings", nargs="+", choices=names, default=names, help="those that are tried")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each comparison")
    parser.add_argument("--threads", type=int, default=0, help="of each side; 0: torch's own choice")
    flags = parser.parse_args()
    # Whoever ends this ends the sides too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="sishu-training-") as name:
        folder = Path(name)
        model = resolve_base_model("builtin", CACHE / "models", progress=tell)
        place = Place(folder, flags.threads)
        rows = make_rows(folder, flags.rows)
        exact = settings.in_fp32(model, folder / "fp32")
        bench = Bench(place, model, exact, rows, flags.settings, flags.trials, flags.rounds)
        print(json.dumps(measured(bench)))


def measured(bench: Bench) -> dict[str, Any]:
    """All comparisons, and what they say."""
    default = next(each for each in LLAMAFACTORY_SETTINGS if not each.tried)
    with bench.engine(ENGINE) as ours:
        took(bench, ENGINE, ours)
        ours.turn()
        for setting in LLAMAFACTORY_SETTINGS:
            if setting.name in bench.settings:
                attempt(bench, ours, setting)
        compare(bench, ours, "llamafactory_default", bench.llamafactory(default, "default"), bench.rounds)
        compare(bench, ours, "trl_packing", bench.trl(), bench.rounds)
    exact = fastest(bench, {"fp32"})
    best = fastest(bench, {"fp32", "bf16"}) if bench.tried else None
    facts: dict[str, Any] = {
        "llamafactory_best": best and best.name,
        "llamafactory_best_fp32": exact and exact.name,
    }
    if exact:
        facts |= whole_pass(bench, exact)
    native = cpu_computes_bf16()
    if best and (native or best is not exact):
        with bench.engine("engine_auto", "auto") as ours:
            ours.turn()
            compare(bench, ours, "llamafactory_best", bench.llamafactory(best, "best"), bench.rounds)
    elif "llamafactory_fp32" in bench.found:
        bench.found["llamafactory_best"] = bench.found["llamafactory_fp32"]
    return report(bench) | facts


def attempt(bench: Bench, ours: Side, setting: Setting) -> None:
    """Try a setting of LLaMA-Factory for a few rounds."""
    found = compare(bench, ours, f"tried_{setting.name}", bench.llamafactory(setting, "tried"), bench.trials)
    if found:
        bench.tried[setting.name] = ratio(found)


def fastest(bench: Bench, precisions: set[str]) -> Setting | None:
    """The setting beside which the engine looks worst."""
    known = [
        each for each in LLAMAFACTORY_SETTINGS if each.name in bench.tried and each.precision in precisions
    ]
    return min(known, key=lambda each: bench.tried[each.name], default=None)


def compare(
    bench: Bench, ours: Side, name: str, peer: AbstractContextManager[Side], rounds: int
) -> list[Round]:
    """Rounds of the engine and a peer, after one that does not count; none where the peer fails."""
    try:
        with peer as theirs:
            took(bench, name, theirs)
            theirs.turn()
            found = in_turn(ours, theirs, rounds)
    except PeerError as error:
        bench.failed[name] = str(error)
        tell(f"{name} failed: {error}")
        return []
    bench.found[name] = found
    tell(
        f"{name}: engine / peer {ratio(found):.2f}, of CPU time {cpu_ratio(found):.2f}, {[round(one.rate / two.rate, 2) for one, two in found]}"
    )
    return found


def in_turn(ours: Side, theirs: Side, rounds: int) -> list[Round]:
    """Steps in turn until there are so many rounds or one side has no rows left."""
    found: list[Round] = []
    while len(found) < rounds and not (ours.ended or theirs.ended):
        found.append((ours.turn(), theirs.turn()))
    return found


def whole_pass(bench: Bench, setting: Setting) -> dict[str, Any]:
    """One pass over the rows by the engine and by LLaMA-Factory in fp32, and the losses afterwards."""
    with ExitStack() as sides:
        ours = sides.enter_context(bench.engine("engine_pass", epochs=settings.EPOCHS))
        theirs = sides.enter_context(bench.llamafactory(setting, "pass"))
        took(bench, ENGINE, ours)
        took(bench, "llamafactory_pass", theirs)
        pairs = in_turn(ours, theirs, sys.maxsize)
        bench.found["llamafactory_fp32"] = pairs[1:]
        for each in (ours, theirs):
            while not each.ended:
                each.turn()
            each.finish()
    engine, peer = (
        bench.place.folder / "engine_pass" / "adapter",
        bench.place.folder / f"llamafactory_{setting.name}_pass",
    )
    base, mine, other = losses(bench.model, bench.rows.messages, [None, engine, peer])
    tell(f"loss before {base:.4f}, of the engine {mine:.4f}, of LLaMA-Factory {other:.4f}")
    figures = {"base": base, ENGINE: mine, "llamafactory": other}
    return {"loss_gap": round((other - mine) / mine, 4), "loss": {k: round(v, 4) for k, v in figures.items()}}


def took(bench: Bench, name: str, started: Side) -> None:
    """Keep how long a side took to start."""
    key = "llamafactory" if "llamafactory" in started.name else "trl" if "trl" in name else ENGINE
    bench.startup.setdefault(key, []).append(started.startup_s)


def ratio(found: list[Round]) -> float:
    """Median over the rounds."""
    return statistics.median(ours.rate / theirs.rate for ours, theirs in found)


def cpu_ratio(found: list[Round]) -> float:
    """The same of CPU time."""
    return statistics.median(ours.cpu_rate / theirs.cpu_rate for ours, theirs in found)


def report(bench: Bench) -> dict[str, Any]:
    """The figures as they are printed."""
    final = {name: found for name, found in bench.found.items() if not name.startswith("tried_")}
    rates = {name: statistics.median(theirs.rate for _, theirs in found) for name, found in final.items()}
    peaks = {name: max(theirs.peak_mb for _, theirs in found) for name, found in bench.found.items()}
    mine = [ours for found in bench.found.values() for ours, _ in found]
    startup = {name: round(statistics.median(found), 1) for name, found in bench.startup.items()}
    return {
        **{f"vs_{name}": round(ratio(final[name]), 2) if name in final else None for name in COMPARED},
        "cpu_ratios": {name: round(cpu_ratio(found), 2) for name, found in bench.found.items()},
        "vs_llamafactory_tried": {name: round(value, 2) for name, value in bench.tried.items()},
        "llamafactory_failed": bench.failed,
        "tokens_per_second": {
            ENGINE: round(statistics.median(each.rate for each in mine), 1),
            **{name: round(rate, 1) for name, rate in rates.items()},
        },
        "rounds": {name: [round(a.rate / b.rate, 2) for a, b in found] for name, found in final.items()},
        "startup_s": startup.get(ENGINE),
        "llamafactory_startup_s": startup.get("llamafactory"),
        "trl_startup_s": startup.get("trl"),
        "train_peak_mb": round(max(each.peak_mb for each in mine)),
        "peak_mb_of": {name: round(value) for name, value in peaks.items()},
        "versions": {"llamafactory": settings.LLAMAFACTORY, "trl": settings.TRL},
    }


COMPARED = ("llamafactory_default", "llamafactory_best", "llamafactory_fp32", "trl_packing")


def tell(line: str) -> None:
    """Say something to the person who waits."""
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main()
