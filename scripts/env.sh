# Environment of the source tree: `. scripts/env.sh` (bash or zsh), after `make setup`.
# ROS_DISTRO=kilted before it takes the Kilted environment. Nothing of a sourced apt installation is kept:
# the wheels bring their own ROS 2, and two of them in one process do not mix.

_priorrl_self="${BASH_SOURCE[0]:-${(%):-%x}}"
PRIORRL_ROOT="$(cd "$(dirname "$_priorrl_self")/.." && pwd)"
case "${ROS_DISTRO:-jazzy}" in
  kilted) VIRTUAL_ENV="$PRIORRL_ROOT/.venv-kilted" ;;
  *) ROS_DISTRO=jazzy; VIRTUAL_ENV="$PRIORRL_ROOT/.venv" ;;
esac

_priorrl_prepend() {  # NAME VALUE OLD: NAME="VALUE:OLD", OLD without entries of ours and of /opt/ros
  local rest
  rest="$(printf '%s' "$3" | tr ':' '\n' | grep -v -e '^$' -e '^/opt/ros/' -e "^$PRIORRL_ROOT\(/\.venv.*\)*$" |
    paste -sd: - || true)"
  export "$1=$2${rest:+:$rest}"
}

if [ ! -x "$VIRTUAL_ENV/bin/python" ]; then
  echo "priorrl: $VIRTUAL_ENV is missing; run 'make setup ROS_DISTRO=$ROS_DISTRO' first" >&2
  return 1 2>/dev/null || exit 1
fi
_priorrl_site="$(echo "$VIRTUAL_ENV"/lib/python3.*/site-packages)"
_priorrl_ws="$VIRTUAL_ENV/ros_ws/install"
_priorrl_libs="$_priorrl_ws/lib:$VIRTUAL_ENV/lib"
for _priorrl_dir in "$_priorrl_site"/ros_*.libs; do
  [ -d "$_priorrl_dir" ] && _priorrl_libs="$_priorrl_libs:$_priorrl_dir"
done

export PRIORRL_ROOT VIRTUAL_ENV ROS_DISTRO
export ROS_VERSION=2 ROS_PYTHON_VERSION=3 RMW_IMPLEMENTATION=rmw_fastrtps_cpp
export AMENT_PREFIX_PATH="$_priorrl_ws:$VIRTUAL_ENV" CMAKE_PREFIX_PATH="$_priorrl_ws:$VIRTUAL_ENV"
export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1  # LD_LIBRARY_PATH is set here: no second exec at each start
_priorrl_prepend LD_LIBRARY_PATH "$_priorrl_libs" "${LD_LIBRARY_PATH:-}"
_priorrl_prepend PYTHONPATH "$PRIORRL_ROOT:$_priorrl_ws/lib/$(basename "$(dirname "$_priorrl_site")")/site-packages" "${PYTHONPATH:-}"
_priorrl_prepend PATH "$VIRTUAL_ENV/bin" "${PATH:-}"
unset PYTHONHOME _priorrl_self _priorrl_site _priorrl_ws _priorrl_libs _priorrl_dir
unset -f _priorrl_prepend
