"""Write trl_losses.json: what the losses of TRL 0.24.0 give on fixed tensors.

`python -m tests.unit.trainer.engine.make_trl_losses FOLDER`, where FOLDER holds TRL's unpacked wheel. Only the
methods that compute the losses are taken from it, so that nothing else of TRL need be installed.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # as TRL calls it

GOLDEN = Path(__file__).with_name("trl_losses.json")
BETA, GAMMA, SMOOTHING, DESIRABLE, UNDESIRABLE = 0.2, 0.7, 0.1, 1.5, 0.75


def method_of(folder: Path, trainer: str, name: str) -> Any:
    """A method of a trainer, as a function of (self, ...)."""
    tree = ast.parse((folder / "trl" / "trainer" / f"{trainer}_trainer.py").read_text(encoding="utf-8"))
    found: list[ast.stmt] = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    names: dict[str, Any] = {
        "torch": torch,
        "F": F,
        "FDivergenceType": SimpleNamespace(**dict.fromkeys(KINDS)),
    }
    exec(compile(ast.Module(found[:1], []), trainer, "exec"), names)  # noqa: S102  # that is the point
    return names[name]


KINDS = ("ALPHA_DIVERGENCE", "JS_DIVERGENCE")


def main(folder: Path) -> None:
    """Compute and write."""
    torch.manual_seed(7)
    given = {name: -torch.rand(6) * 40 - 0.1 for name in ("chosen", "rejected", "ref_chosen", "ref_rejected")}
    given |= {name: -torch.rand(6) * 3 - 0.01 for name in ("mean_chosen", "mean_rejected")}
    given |= {"kl": -torch.rand(12) * 40, "ref_kl": -torch.rand(12) * 40 - 4}
    here = SimpleNamespace(device=torch.device("cpu"), gather_for_metrics=lambda value: value)
    trainer = SimpleNamespace(
        accelerator=here,
        beta=BETA,
        label_smoothing=SMOOTHING,
        simpo_gamma=GAMMA,
        alpha=0.0,
        reference_free=False,
        f_divergence_type="reverse_kl",
        desirable_weight=DESIRABLE,
        undesirable_weight=UNDESIRABLE,
        calculate_KL=True,
    )
    pair = (given["chosen"], given["rejected"], given["ref_chosen"], given["ref_rejected"])
    means = (given["mean_chosen"], given["mean_rejected"])
    losses = {
        "dpo": method_of(folder, "dpo", "dpo_loss")(trainer, *pair)[0],
        "orpo": method_of(folder, "orpo", "odds_ratio_loss")(trainer, *means)[0],
    }
    trainer.loss_type = "simpo"
    losses["simpo"] = method_of(folder, "cpo", "cpo_loss")(trainer, *means)[0]
    trainer.loss_type = "kto"
    judged = (pair[0], pair[1], given["kl"], pair[2], pair[3], given["ref_kl"])
    losses["kto"] = method_of(folder, "kto", "kto_loss")(trainer, *judged)[0]
    told = {name: tensor.tolist() for name, tensor in {**given, **losses}.items()}
    GOLDEN.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
