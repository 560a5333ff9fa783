#!/usr/bin/env bash
# Debian 12 packages the project needs. `tools/packages.sh run|test` prints the missing ones on one line;
# `tools/packages.sh install run|test` installs them (as root or through sudo), or prints the line to run.
set -euo pipefail

run=(build-essential cmake ninja-build ccache pkg-config git ca-certificates
  libboost1.81-dev libboost-url1.81-dev nlohmann-json3-dev libfmt-dev libcli11-dev libutf8proc-dev libssl-dev
  libcurl4-openssl-dev libseccomp-dev libedit-dev prometheus-cpp-dev)
test=(libgtest-dev zlib1g-dev chromium python3 g++-aarch64-linux-gnu qemu-user-static)

# The page needs Node.js with npm; another installation than Debian's is as good (tools/node.sh sees to the version).
node_is_there() { command -v npm >/dev/null && command -v node >/dev/null; }

missing() {
  local wanted=("${run[@]}") package
  if [ "$1" = test ]; then wanted+=("${test[@]}"); fi
  if ! node_is_there; then wanted+=(nodejs npm); fi
  for package in "${wanted[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
  done
}

if [ "${1:-}" != install ]; then
  missing "${1:?usage: tools/packages.sh [install] run|test}"
  exit 0
fi

packages=$(missing "${2:?usage: tools/packages.sh [install] run|test}")
[ -n "$packages" ] || exit 0
become=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    echo "These Debian packages are missing. Install them as root and run this again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends $packages" >&2
    exit 1
  fi
  become=(sudo)
fi
echo "Installing: $packages" >&2
"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
# shellcheck disable=SC2086  # a list of names
"${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages >&2
