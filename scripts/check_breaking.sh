#!/usr/bin/env bash
# Hold the contract against the last release: nothing that a client relies on may have changed.
set -euo pipefail
cd "$(dirname "$0")/.."

release="$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)"
if [[ -z "$release" ]]; then
  echo "buf breaking: there is no release yet to compare with"
  exit
fi
before="$(mktemp -d)"
trap 'rm -rf "$before"' EXIT
git archive "$release" protos | tar -x -C "$before"
buf breaking protos --against "$before/protos"
echo "buf breaking: nothing breaks the clients of $release"
