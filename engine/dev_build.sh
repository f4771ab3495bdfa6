#!/usr/bin/env bash
# Builds the Python module into the tree (engine/_engine*.so), in build/dev; one build at a time.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="${PYTHON:-$root/.venv/bin/python}"
mkdir -p "$root/build/dev"
exec 9>"$root/build/dev/.lock"
flock 9
cmake -S "$root" -B "$root/build/dev" -G Ninja -DPython_EXECUTABLE="$python" >"$root/build/dev/configure.log" ||
  { cat "$root/build/dev/configure.log" >&2; exit 1; }
ninja -C "$root/build/dev" "$@"
