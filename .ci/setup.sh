#!/usr/bin/env bash
# Everything that the project needs on a fresh Debian or Ubuntu with git, make and Python 3.11 or newer:
# system packages (by apt where one is missing), the virtual environment, the C++ engine. Safe to run again: what is
# there is not done twice.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in python3.11 python3 python3.12 python3.13; do
    if have "$candidate" && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  echo "error: Python 3.11 or newer is needed and was not found" >&2
  exit 1
}

python=$(find_python)
version=$("$python" -c 'import sys; print(f"{sys.version_info[0]}.{sys.version_info[1]}")')
system_python=$("$python" -c 'import os, sys; print(int(os.path.realpath(sys.executable).startswith("/usr/bin/")))')

missing=()
have g++ || missing+=(g++)
have java || missing+=(openjdk-17-jre-headless)
have redis-server || missing+=(redis-server)
have openssl || missing+=(openssl)
{ have radosgw && have ceph-mon && have ceph-osd; } || missing+=(radosgw ceph-mon ceph-osd)
have prometheus || missing+=(prometheus)
have pkg-config || missing+=(pkg-config)
[ -e /usr/include/re2/re2.h ] || [ -e /usr/local/include/re2/re2.h ] || missing+=(libre2-dev)
if [ "$system_python" = 1 ]; then
  "$python" -c 'import ensurepip' 2>/dev/null || missing+=("python$version-venv")
  [ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || missing+=("python$version-dev")
fi

if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "error: system packages are missing: ${missing[*]}" >&2
    echo "help: run this line, then the same command again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  say "installing system packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # Debian 13 has no Java 17; Spark runs on 21 as well.
  if ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
    missing=("${missing[@]/openjdk-17-jre-headless/default-jre-headless}")
  fi
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -x .venv/bin/python ]; then
  say "making the virtual environment .venv ($python)"
  "$python" -m venv .venv
fi

stamp=.venv/.packages
wanted=$(cat pyproject.toml constraints.txt | sha256sum)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
  say "installing Python packages (a few minutes the first time)"
  .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt nanobind scikit-build-core cmake ninja
  # torch first and by its exact version: any other pulls gigabytes that are not needed
  .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt torch==2.13.0
  .venv/bin/python .ci/requirements.py | .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -r /dev/stdin
  echo "$wanted" >$stamp
fi

# The tree itself is what Python imports, and the engine is built into it; `pip install .` makes a package of both.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$PWD" >"$site/featdsl-tree.pth"
cat >.venv/bin/feat <<EOF
#!$PWD/.venv/bin/python
import sys

from featdsl.cli.main import main

if __name__ == "__main__":  # processes that a command starts read this file, too
    sys.exit(main())
EOF
chmod +x .venv/bin/feat

stamp=.venv/.engine
wanted=$(cat CMakeLists.txt engine/*.h engine/*.cc engine/*/*.h engine/*/*.cc engine/CMakeLists.txt | sha256sum)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ] || ! .venv/bin/python -c 'import engine._engine' 2>/dev/null; then
  say "building the engine (C++20, about a minute)"
  log=$(mktemp)
  PATH="$PWD/.venv/bin:$PATH" bash engine/dev_build.sh >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  rm -f "$log"
  echo "$wanted" >$stamp
fi
