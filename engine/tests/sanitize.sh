#!/usr/bin/env bash
# The engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer: the native ones, then tests/engine through the
# Python module. Arguments are passed on to pytest.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
python="${PYTHON:-$root/.venv/bin/python}"
build="$root/build/sanitize"
module="$build/module"

# The instrumented module lies in a copy of the package, apart from the one in the tree.
mkdir -p "$module/engine"
cp "$root/engine/__init__.py" "$module/engine/"
cmake -S "$root" -B "$build" -G Ninja -DFEATDSL_SANITIZE=ON -DCMAKE_BUILD_TYPE=Release \
  -DPython_EXECUTABLE="$python" -DFEATDSL_MODULE_DIR="$module/engine" >/dev/null
ninja -C "$build" engine_tests _engine

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
"$build/engine/engine_tests"
FEATDSL_SIMD=scalar "$build/engine/engine_tests"

# Python itself leaks by design, so leaks are looked for in the native tests only.
asan="$(g++ -print-file-name=libasan.so)"
cpp="$(g++ -print-file-name=libstdc++.so)"
cd "$root"
LD_PRELOAD="$asan $cpp" ASAN_OPTIONS=detect_leaks=0 PYTHONPATH="$module:$root" \
  "$python" -m pytest -p no:cacheprovider -o pythonpath="$module" tests/engine "$@"
