#!/usr/bin/env bash
# tools/npm-ci.sh FOLDER: installs the npm packages of FOLDER's lock file, unless they already are.
set -euo pipefail
cd "${1:?usage: tools/npm-ci.sh FOLDER}"
lock=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat node_modules/.installed-for 2>/dev/null)" != "$lock" ]; then
  echo "Installing the npm packages of $(basename "$PWD")" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  echo "$lock" >node_modules/.installed-for
fi
