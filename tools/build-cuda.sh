#!/usr/bin/env bash
# Compiles the plugin for NVIDIA GPUs with the CUDA toolkit, for one architecture (CUDA_ARCHITECTURE, default 86), as a check:
# a release is built with `cmake --preset cuda` for all. Without the toolkit it says so and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

nvcc=${CUDACXX:-$(command -v nvcc || true)}
if [ -z "$nvcc" ]; then
  echo "No CUDA toolkit (nvcc): the plugin for GPUs is not compiled here."
  exit 0
fi
begin=$(date +%s)
CUDACXX=$nvcc cmake --preset cuda -B build/cuda-check -DCMAKE_CUDA_ARCHITECTURES="${CUDA_ARCHITECTURE:-86}-real" -DCMAKE_MESSAGE_LOG_LEVEL=WARNING
cmake --build build/cuda-check --target deepanalyze-cuda
echo "libdeepanalyze-cuda.so: $(stat -c %s build/cuda-check/bin/libdeepanalyze-cuda.so) bytes, $(($(date +%s) - begin)) s"
