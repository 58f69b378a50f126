"""How fast the built-in engine answers, alone and for many, beside transformers' `generate`.

`python -m tests.bench.bench_inference` (or `make bench-inference`) runs the part below in a process of its own
and prints one JSON object as its last line; the part's own docstring says what its figures are.
"""

from __future__ import annotations

from tests.bench.parts import print_figures

PARTS = ("inference_engine",)
PROMISED = ("batch8_vs_sequential", "single_vs_generate", "ttft_p99_s", "rss_growth_mb")


if __name__ == "__main__":
    print_figures(PARTS, PROMISED, {})
