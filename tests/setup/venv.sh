#!/usr/bin/env bash
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# venv.sh DIRECTORY LOCK: a virtual environment with what the lock says, by hash. PYTHON names another interpreter.
set -euo pipefail
venv=$1 lock=$2

usable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if usable "$candidate"; then echo "$candidate"; return; fi
  done
  echo "No Python 3.11, 3.12 or 3.13 found (tried ${PYTHON:-python3.11 python3.12 python3.13 python3}). Install one, or name it: make PYTHON=/path/to/python3" >&2
  return 1
}

# announce WHAT COMMAND…: what runs and for how long; its output only where it fails.
announce() {
  local what=$1 log pid start=$SECONDS next=10
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 &
  pid=$!
  echo "$what"
  while sleep 0.2; kill -0 $pid 2>/dev/null; do
    if ((SECONDS - start >= next)); then echo "$what: $next s"; next=$((next + 10)); fi
  done
  wait $pid || { cat "$log" >&2; return 1; }
  rm -f "$log"
}

if ! usable "$venv/bin/python"; then
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
      echo "$python cannot make virtual environments (no ensurepip). Install $package, or name another interpreter: make PYTHON=/path/to/python3" >&2
      exit 1
    fi
    announce "Installing $package" bash -c "apt-get update -qq && apt-get install -qq -y --no-install-recommends $package"
  fi
  announce "Making $venv with $python" "$python" -m venv --clear "$venv"
fi
count=$(grep -c '^[A-Za-z0-9]' "$lock")
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r)

# uv installs in a tenth of the time; where it cannot (another index that only pip knows, say) pip does.
install() {
  local uv_lock
  uv_lock=$(mktemp)
  awk '/^[^ #]/ { ours = /^uv==/ } ours' "$lock" >"$uv_lock"
  "${pip[@]}" "$uv_lock"
  rm -f "$uv_lock"
  VIRTUAL_ENV="$venv" "$venv/bin/uv" pip install --quiet --require-hashes -r "$lock" || "${pip[@]}" "$lock"
}
announce "Installing $count Python packages into $venv" install
