#!/usr/bin/env bash
# Resolves setup.cfg, requirements/tools.in and requirements/ros.in in a fresh virtual environment and writes
# requirements/DISTRO.txt. Usage: scripts/lock.sh [jazzy|kilted]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
distro="${1:-jazzy}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3.11}" -m venv "$work/venv"
"$work/venv/bin/python" - >"$work/runtime.in" <<'PY'
import configparser
config = configparser.ConfigParser()
config.read("setup.cfg")
print(config["options"]["install_requires"].strip())
PY
sed -e "s/DISTRO/$distro/" -e "s/ *# $distro only//" -e '/# [a-z]* only/d' requirements/ros.in >"$work/ros.in"
"$work/venv/bin/pip" install -qq -r "$work/runtime.in" -r requirements/tools.in -r "$work/ros.in"
{
  echo "# Written by scripts/lock.sh $distro; do not edit."
  # Not `pip freeze`: the ROS wheels carry the metadata of the packages inside them, which no index has.
  "$work/venv/bin/python" - <<'PY'
from importlib.metadata import distributions
found = {}
for dist in distributions():
    if dist.read_text("INSTALLER") and dist.name != "pip":
        found[dist.name.lower().replace("_", "-")] = dist.version.split("+")[0]
print("\n".join(f"{name}=={version}" for name, version in sorted(found.items())))
PY
} >"requirements/$distro.txt.new"
mv "requirements/$distro.txt.new" "requirements/$distro.txt"
echo "wrote requirements/$distro.txt: $(grep -c == "requirements/$distro.txt") packages"
