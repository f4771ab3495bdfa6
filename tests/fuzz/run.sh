#!/usr/bin/env bash
# Runs every fuzzer for some seconds: tests/fuzz/run.sh SECONDS. What crashes one is written to build/fuzz/crashes.
# Installs clang and atheris where they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds="${1:-60}"
build=build/fuzz
python="$PWD/.venv/bin/python"
export PATH="$PWD/.venv/bin:$PATH" PYTHONPATH="$PWD"

clang=$(command -v clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14 | head -1 || true)
if [ -z "$clang" ]; then
  [ "$(id -u)" = 0 ] || { echo "error: clang and its runtime are needed: apt-get install clang libclang-rt-dev" >&2; exit 1; }
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends clang-14 libclang-rt-14-dev >/dev/null ||
    apt-get install -y -qq --no-install-recommends clang libclang-rt-dev >/dev/null
  clang=$(command -v clang++ clang++-14 | head -1)
fi
"$python" -c 'import atheris' 2>/dev/null ||
  "$python" -m pip install -qq --disable-pip-version-check -c constraints.txt atheris

cmake -S . -B $build -G Ninja -DFEATDSL_FUZZ=ON -DFEATDSL_SANITIZE=ON -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$clang" -DPython_EXECUTABLE="$python" >$build.log 2>&1 ||
  { cat $build.log >&2; exit 1; }
ninja -C $build program_fuzzer rows_fuzzer

"$python" -m tests.fuzz.seeds $build/seeds
mkdir -p $build/crashes
failed=0
say() {
  echo "crash: $1; a file in $build/crashes, to replay: $2 FILE" >&2
  failed=1
}
for fuzzer in program rows; do
  mkdir -p $build/corpus/$fuzzer
  echo "==> $fuzzer, $seconds s"
  ASAN_OPTIONS=allocator_may_return_null=1 $build/engine/${fuzzer}_fuzzer -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 \
    -max_len=65536 -print_final_stats=1 -verbosity=0 -artifact_prefix=$build/crashes/$fuzzer- $build/corpus/$fuzzer $build/seeds/$fuzzer tests/fuzz/found ||
    say $fuzzer "$build/engine/${fuzzer}_fuzzer"
done
for fuzzer in check bundle; do
  mkdir -p $build/corpus/$fuzzer
  echo "==> $fuzzer, $seconds s"
  "$python" -m tests.fuzz.fuzzer $fuzzer -max_total_time="$seconds" -timeout=60 -rss_limit_mb=3000 -max_len=20000 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix=$build/crashes/$fuzzer- $build/corpus/$fuzzer $build/seeds/$fuzzer ||
    say $fuzzer "python -m tests.fuzz.fuzzer $fuzzer"
done
exit $failed
