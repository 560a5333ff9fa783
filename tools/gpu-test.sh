#!/usr/bin/env bash
# The CUDA backend on a real GPU: every operation, golden models, a server, then the operations once more under compute-sanitizer where it
# is; one summary at the end, and exit status 77 where there is no GPU. A folder that tools/gpu-carry.sh made elsewhere is taken as it
# is (build/gpu-carry): then nothing is compiled and no package is needed. Otherwise it is made here, for this machine's GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=build/gpu-carry
if [ ! -x "$folder/run" ]; then
  if ! command -v nvidia-smi >/dev/null && [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ]; then
    echo "SKIP  no GPU here: nothing was tested"
    exit 77
  fi
  CUDA_ARCHITECTURES=${CUDA_ARCHITECTURES:-native} tools/gpu-carry.sh "$folder"
fi
exec "$folder/run" "$@"
