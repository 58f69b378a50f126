#!/usr/bin/env bash
# Run the engine's tests on the oldest releases that it supports and on the pinned ones (`make test-engine-floor`).
# Both sets have DeepSpeed, so that runs on several devices are tested too. Each has an environment of its own
# in build/. $ENGINE_SETS names one of the two, `floor` or `today`; arguments go to pytest.
set -euo pipefail
cd -P "$(dirname "$0")/.."
. scripts/progress.sh

places="$PWD/build/engine"
# What DeepSpeed's older releases need while they are built, as they look at torch.
build_tools=(setuptools wheel ninja py-cpuinfo)

main() {
  local name
  for name in ${ENGINE_SETS:-floor today}; do
    "install_$name"
    run_tests "$name" "$@"
  done
}

# A vendor's stack of 2025: see constraints-engine-floor.txt. This DeepSpeed is older than its torch, and can be
# imported since the engine mends it (`releases.mend_deepspeed`).
install_floor() {
  environment floor ">=3.10,<3.13"
  install floor constraints-engine-floor.txt torch numpy "${build_tools[@]}"
  install floor constraints-engine-floor.txt --no-build-isolation \
    torch numpy transformers peft accelerate deepspeed safetensors hypothesis pytest pytest-asyncio pytest-timeout
}

install_today() {
  environment today ">=3.11,<3.15"
  install today constraints.txt torch "${build_tools[@]}"
  install today constraints.txt --no-build-isolation \
    torch transformers peft accelerate deepspeed safetensors hypothesis pytest pytest-asyncio pytest-timeout
}

environment() {
  if [[ ! -x "$places/$1/bin/python" ]]; then
    say "$1: making an environment"
    uv venv --quiet --no-python-downloads --python "$2" "$places/$1"
  fi
}

install() {
  local name="$1" pins="$2"
  shift 2
  VIRTUAL_ENV="$places/$name" with_heartbeat "$name: installing" uv pip install --quiet -c "$pins" "$@"
}

run_tests() {
  local name="$1" warnings=()
  shift
  # Old releases warn of what newer ones have mended; on today's a warning is an error.
  [[ "$name" == today ]] || warnings=(-W default)
  say "$name: $("$places/$name/bin/python" -c "$show")"
  # DeepSpeed builds a small operator with ninja.
  PATH="$places/$name/bin:$PATH" PYTHONPATH="$PWD" \
    "$places/$name/bin/python" -m pytest -p no:cacheprovider ${warnings[@]+"${warnings[@]}"} \
    tests/unit/trainer/engine "$@"
}

show='import platform
from importlib.metadata import version
print("python", platform.python_version(), *(f"{n} {version(n)}" for n in ("torch", "transformers", "peft", "deepspeed")))'

main "$@"
