#!/usr/bin/env bash
# Makes or updates the environment of the source tree: virtual environment, locked packages, interfaces.
# Usage: scripts/setup.sh [jazzy|kilted] [all|interfaces]. Each step leaves a stamp, so that a repeat is quick.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
DISTRO="${1:-jazzy}"
WHAT="${2:-all}"
case "$DISTRO" in
  jazzy) VENV="$ROOT/.venv" ;;
  kilted) VENV="$ROOT/.venv-kilted" ;;
  *) echo "setup: unknown ROS_DISTRO '$DISTRO'; use jazzy or kilted" >&2; exit 2 ;;
esac
LOCK="$ROOT/requirements/$DISTRO.txt"
WS="$VENV/ros_ws"
STAMPS="$VENV/stamps"
LOGS="$VENV/logs"
cd "$ROOT"

say() { echo "setup: $*"; }
fail() { echo "setup: $1" >&2; [ -z "${2:-}" ] || echo "setup: $2" >&2; exit 1; }

digest() { cat "$@" | sha256sum | cut -d' ' -f1; }
fresh() { [ -f "$STAMPS/$1" ] && [ "$(cat "$STAMPS/$1")" = "$2" ]; }

# A step's output goes to a log; if it fails its last lines are shown with what to do.
logged() {
  local name="$1" advice="$2" start=$SECONDS; shift 2
  if ! "$@" >"$LOGS/$name.log" 2>&1 </dev/null; then
    tail -n 25 "$LOGS/$name.log" >&2
    fail "step '$name' failed (whole log: $LOGS/$name.log)" "$advice"
  fi
  say "$name done in $((SECONDS - start)) s"
}

need() { command -v "$1" >/dev/null 2>&1 || fail "'$1' is not installed" "Debian and Ubuntu: apt install $2"; }

find_python() {
  local name
  for name in ${PYTHON:-} python3.11 python3.12 python3; do
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
      command -v "$name"; return
    fi
  done
  fail "no Python 3.11 or 3.12 found (the ROS 2 wheels are used with these)" \
    "install one, for example 'apt install python3.11 python3.11-venv python3.11-dev', or name it: make setup PYTHON=/path/to/python3.11"
}

make_venv() {
  [ -x "$VENV/bin/pip" ] && return
  need g++ "g++"; need cmake cmake; need make make
  local python
  python="$(find_python)"
  say "virtual environment $VENV from $("$python" -V) ($python)"
  "$python" - <<'PY' || fail "Python's C headers are missing (Python.h)" "apt install python3-dev, or python3.X-dev of the Python in use"
import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())
PY
  rm -rf "$VENV"
  "$python" -m venv "$VENV" 2>/dev/null || { rm -rf "$VENV"
    fail "$python cannot make virtual environments" "apt install python3-venv, or python3.X-venv of the Python in use"; }
  touch "$VENV/COLCON_IGNORE"  # colcon must not take the wheels' package.xml files for sources
}

# The wheels' exported CMake targets name the include folders of the machine that built them.
mend_paths() {
  "$VENV/bin/python" - <<'PY'
import pathlib, re, sys, sysconfig
import numpy
number = 0
for path in pathlib.Path(sys.prefix, "share").glob("*/cmake/*.cmake"):
    text = path.read_text()
    new = re.sub(r"/opt/python/[^/;\"]+/lib/python3\.\d+/site-packages/numpy/_?core/include", numpy.get_include(), text)
    new = re.sub(r"/opt/python/[^/;\"]+/include/python3\.\d+", sysconfig.get_path("include"), new)
    if new != text:
        path.write_text(new)
        number += 1
print(f"include paths mended in {number} files")
PY
}

# What has no wheel is built with the locked setuptools and NumPy: PyBullet then returns images as arrays.
pip_install() {
  local pip=("$VENV/bin/pip" install --disable-pip-version-check --no-input)
  "${pip[@]}" $(grep -E '^(numpy|setuptools)==' "$LOCK") && "${pip[@]}" --no-build-isolation -r "$LOCK"
}

install_packages() {
  local key
  key="$(digest "$LOCK")"
  fresh packages "$key" && return
  [ -f "$LOCK" ] || fail "$LOCK is missing" "it belongs to the repository: git checkout $LOCK"
  say "installing $(grep -c == "$LOCK") locked packages (one to three minutes the first time, about 3 GB)"
  "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))' ||
    say "no PyBullet wheel for this Python: it is compiled once, which takes some minutes more"
  logged packages "check the network and free disk space, then run 'make setup' again" pip_install
  logged include_paths "remove $VENV and run 'make setup' again" mend_paths
  rm -rf "$WS/build"
  echo "$key" >"$STAMPS/packages"
}

# CMake refuses include folders below the source folder, and the virtual environment is one: so it is shown
# the sources through links in a folder of their own.
link_sources() {
  local name
  rm -rf "$WS/src"; mkdir -p "$WS/src/priorrl"
  for name in CMakeLists.txt package.xml setup.cfg msg srv action config launch scripts urdf weights \
      priorrl_core priorrl_nodes; do
    [ ! -e "$ROOT/$name" ] || ln -s "$ROOT/$name" "$WS/src/priorrl/$name"
  done
}

colcon_build() {
  link_sources
  env -u PYTHONPATH -u LD_LIBRARY_PATH -u AMENT_PREFIX_PATH -u COLCON_PREFIX_PATH \
    VIRTUAL_ENV="$VENV" PATH="$VENV/bin:$PATH" AMENT_PREFIX_PATH="$VENV" CMAKE_PREFIX_PATH="$VENV" \
    "$VENV/bin/colcon" --log-base "$WS/log" build --paths "$WS/src/priorrl" --merge-install \
    --build-base "$WS/build" --install-base "$WS/install" --event-handlers console_direct+ \
    --cmake-args -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
    -DPython3_EXECUTABLE="$VENV/bin/python" -DPython3_FIND_VIRTUALENV=ONLY
}

build_interfaces() {
  local key
  key="$(digest CMakeLists.txt package.xml setup.cfg msg/*.msg srv/*.srv action/*.action "$STAMPS/packages")"
  fresh interfaces "$key" && return
  say "building the ROS 2 interfaces and the package with colcon"
  logged interfaces "correct the file that the log names, then run 'make interfaces' again" colcon_build
  echo "$key" >"$STAMPS/interfaces"
}

# .venv/bin/priorrl: sets the environment by itself.
write_launcher() {
  cat >"$VENV/bin/priorrl.new" <<SH
#!/usr/bin/env bash
# written by scripts/setup.sh
ROS_DISTRO=$DISTRO; . "\$(dirname "\$(readlink -f "\$0")")/../../scripts/env.sh" || exit 1
exec python -m priorrl_core.cli.main "\$@"
SH
  chmod +x "$VENV/bin/priorrl.new"
  mv "$VENV/bin/priorrl.new" "$VENV/bin/priorrl"
}

# One set-up at a time in one tree.
if command -v flock >/dev/null 2>&1; then
  exec 9>"$ROOT/.setup-$DISTRO.lock"
  flock -n 9 || { say "another set-up is running in this tree; waiting for it"; flock 9; }
fi
make_venv
mkdir -p "$STAMPS" "$LOGS"
[ "$WHAT" = interfaces ] && [ -f "$STAMPS/packages" ] || install_packages
build_interfaces
[ -x "$VENV/bin/priorrl" ] || write_launcher
