#!/usr/bin/env bash
# Runs every fuzzer for some seconds: tests/fuzz/run.sh SECONDS. What one says is in build/fuzz/<fuzzer>.log; what crashes it
# is written to build/fuzz/crashes. Installs clang with its runtime and atheris where they are missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds="${1:-60}"
build=build/fuzz
python="$PWD/.venv/bin/python"
export PATH="$PWD/.venv/bin:$PATH" PYTHONPATH="$PWD"

# A clang that has the fuzzers' runtime, which some systems pack apart.
find_clang() {
  local candidate
  for candidate in clang++ clang++-{20..14}; do
    if command -v "$candidate" >/dev/null &&
      echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, long) { return 0; }' |
      "$candidate" -fsanitize=fuzzer,address -x c++ - -o /dev/null 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

clang=$(find_clang)
if [ -z "$clang" ]; then
  version=$(apt-cache policy clang 2>/dev/null | sed -n 's/.*Candidate: [^:]*:\([0-9]*\).*/\1/p')
  packages="clang${version:+-$version} libclang-rt${version:+-$version}-dev"
  if [ "$(id -u)" != 0 ]; then
    echo "error: clang with the runtime of its fuzzers is missing" >&2
    echo "help: run this line, then the same command again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages" >&2
    exit 1
  fi
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $packages >/dev/null
  clang=$(find_clang)
fi
"$python" -c 'import atheris' 2>/dev/null ||
  "$python" -m pip install -qq --disable-pip-version-check -c constraints.txt atheris

mkdir -p $build/crashes
cmake -S . -B $build -G Ninja -DFEATDSL_FUZZ=ON -DFEATDSL_SANITIZE=ON -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$clang" -DPython_EXECUTABLE="$python" >$build/build.log 2>&1 &&
  ninja -C $build program_fuzzer rows_fuzzer arrow_fuzzer keys_fuzzer >>$build/build.log 2>&1 ||
  { cat $build/build.log >&2; exit 1; }
"$python" -m tests.fuzz.seeds $build/seeds
mkdir -p $build/seeds/arrow

failed=0
run() {
  local fuzzer=$1 log=$build/$1.log
  shift
  mkdir -p $build/corpus/$fuzzer
  local common=(-max_total_time="$seconds" -rss_limit_mb=3000 -print_final_stats=1 -verbosity=0
    -artifact_prefix=$build/crashes/$fuzzer- $build/corpus/$fuzzer $build/seeds/$fuzzer)
  if ! "$@" "${common[@]}" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    echo "crash: $fuzzer; a file in $build/crashes, to replay: $* FILE" >&2
    failed=1
  fi
  echo "$fuzzer: $(sed -n 's/stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
}
export ASAN_OPTIONS=allocator_may_return_null=1
for fuzzer in program rows arrow keys; do
  run $fuzzer $build/engine/${fuzzer}_fuzzer -timeout=20 -max_len=65536
done
for fuzzer in check state bundle; do
  run $fuzzer "$python" -m tests.fuzz.fuzzer $fuzzer -timeout=60 -max_len=20000
done
exit $failed
