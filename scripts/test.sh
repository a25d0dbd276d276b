#!/usr/bin/env bash
# All tests, in the environment of scripts/env.sh: unit tests side by side, then those with ROS processes one by one,
# for these keep the machine's clock. Usage: scripts/test.sh WORKERS [pytest's arguments]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
workers="$1"; shift
STOPPED=2 NONE=5  # pytest's status after Ctrl-C, and where the arguments chose no test

python -m pytest -n "$workers" --dist loadfile -m "not ros and not e2e" "$@" </dev/null; unit=$?
[ "$unit" -eq "$STOPPED" ] && exit "$unit"
python -m pytest -m "ros or e2e" "$@" </dev/null; ros=$?

[ "$unit" -eq "$NONE" ] && exit "$ros"
[ "$ros" -eq "$NONE" ] && exit "$unit"
[ "$unit" -ne 0 ] && exit "$unit"
exit "$ros"
