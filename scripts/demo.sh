#!/usr/bin/env bash
# The main job on the English examples, in a stack of its own, so that a user's stack is left alone (`make demo`).
set -euo pipefail
cd -P "$(dirname "$0")/.."

for name in ${!SISHU_@}; do unset "$name"; done
export SISHU_HOME="$PWD/out/demo-home"
sishu="$PWD/.venv/bin/sishu"

trap '"$sishu" down' EXIT
"$sishu" up
"$sishu" learn \
  examples/company-profile.md \
  examples/support-handbook.txt \
  examples/product-datasheet.pdf \
  examples/annual-report.docx \
  --out out/demo --name demo
echo "The report: $PWD/out/demo/report.html"
