#!/usr/bin/env bash
# The environments of the model servers that tests and examples run: Triton (with its Python backend, torch in it) and
# TensorFlow (with the real stubs of TensorFlow Serving, and tritonclient). Each is made once, apart from ours: one
# wants an old numpy, the other is large. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

for name in triton tensorflow; do
  place=.venv-$name
  list=.ci/environments/$name.txt
  wanted=$(sha256sum <"$list")
  [ "$(cat "$place/.packages" 2>/dev/null)" != "$wanted" ] || continue
  printf '\033[1m==>\033[0m making %s (about a minute the first time)\n' "$place"
  [ -x "$place/bin/python" ] || "$(readlink -f .venv/bin/python)" -m venv "$place"
  # --no-deps: the list is whole, and tensorflow-serving-api would bring the larger build of TensorFlow
  "$place/bin/python" -m pip install -qq --disable-pip-version-check --no-deps -r "$list"
  echo "$wanted" >"$place/.packages"
done
