#!/usr/bin/env bash
# Builds the web page into ui/dist: when a source has changed since the last build.
set -euo pipefail
cd "$(dirname "$0")/../ui"

../tools/npm-ci.sh .
sources=$(find src public index.html package-lock.json ./*.ts ./*.json ../samples -type f 2>/dev/null | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1)
stamp=node_modules/.page-built-from
if [ ! -f dist/index.html ] || [ "$(cat $stamp 2>/dev/null)" != "$sources" ]; then
  echo "Building the page" >&2
  npm run --silent build >&2
  echo "$sources" >$stamp
fi
