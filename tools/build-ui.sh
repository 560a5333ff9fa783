#!/usr/bin/env bash
# Builds the web page into ui/dist: npm packages when the lock file has changed, the page when a source has.
# Touches the network only for the former.
set -euo pipefail
cd "$(dirname "$0")/../ui"

lock=$(sha256sum package.json package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat node_modules/.installed-for 2>/dev/null)" != "$lock" ]; then
  echo "Installing the page's npm packages" >&2
  npm ci --no-audit --no-fund --loglevel=error >&2
  echo "$lock" >node_modules/.installed-for
fi
sources=$(find src public index.html package-lock.json ./*.ts ./*.json ../samples -type f 2>/dev/null | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
if [ "$(cat dist/.built-from 2>/dev/null)" != "$sources" ]; then
  echo "Building the page" >&2
  npm run --silent build >&2
  echo "$sources" >dist/.built-from
fi
