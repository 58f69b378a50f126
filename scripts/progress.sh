# shellcheck shell=bash
# Sourced by the other scripts: what they say while they work.

say() {
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
}

# heartbeat TEXT: say every 8 s how long this has been going on, until killed.
heartbeat() {
  local since=$SECONDS
  # A sleep that outlives its killed shell must not hold the terminal or a pipe open.
  while sleep 8 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    say "$1 ($((SECONDS - since)) s)"
  done
}

# with_heartbeat TEXT COMMAND...: run a command that may be silent for long.
with_heartbeat() {
  local text="$1" beat code=0
  shift
  heartbeat "$text" &
  beat=$!
  "$@" || code=$?
  kill "$beat" 2>/dev/null || true
  wait "$beat" 2>/dev/null || true
  return "$code"
}
