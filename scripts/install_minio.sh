#!/usr/bin/env bash
# Build the MinIO server once and keep it outside the checkout: the storage tests run against it.
# They look for it in $SISHU_TEST_MINIO, then in the folder below.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/progress.sh

# The last state of its source; the project publishes no later one.
version="v0.0.0-20260212201848-7aac2a2c5b7c"
folder="${XDG_CACHE_HOME:-$HOME/.cache}/sishu/bin"

main() {
  if [[ -n "${SISHU_TEST_MINIO:-}" ]]; then
    say "SISHU_TEST_MINIO names $SISHU_TEST_MINIO"
    [[ -x "$SISHU_TEST_MINIO" ]]
    return
  fi
  if ! command -v go >/dev/null; then
    say "needs Go 1.24 or later on the PATH"
    return 1
  fi
  if ! installed; then
    mkdir -p "$folder"
    fresh="$(mktemp -d "$folder/build.XXXXXX")"
    trap 'rm -rf "$fresh"' EXIT
    say "building MinIO, once; this takes minutes"
    GOBIN="$fresh" with_heartbeat "still building" go install -ldflags '-s -w' "github.com/minio/minio@$version"
    mv "$fresh/minio" "$folder/minio"
  fi
  say "$folder/minio"
}

installed() {
  [[ "$(go version -m "$folder/minio" 2>/dev/null)" == *"github.com/minio/minio"?"$version"* ]]
}

main
