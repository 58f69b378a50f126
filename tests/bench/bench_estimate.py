"""How near estimates of memory come to what training takes.

`python -m tests.bench.bench_estimate` (or `make bench-estimate`) runs the part below in a process of its own and
prints one JSON object as its last line; the part's own docstring says what its figures are.
"""

from __future__ import annotations

from tests.bench.parts import print_figures

PARTS = ("estimate_memory",)
PROMISED = ("estimate_error_max", "estimate_error_median", "cases")


if __name__ == "__main__":
    print_figures(PARTS, PROMISED, {})
