#!/usr/bin/env bash
# The CUDA backend on a real GPU: every operation, the golden models, the program's own device list; then the operations once more
# under compute-sanitizer where the toolkit has it. The golden data is expected as for ./test.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake --preset cuda -B build/gpu-test -DDEEPANALYZE_DEVELOPER=ON -DCMAKE_CUDA_ARCHITECTURES=native
cmake --build build/gpu-test --target deepanalyze deepanalyze-cuda test_backend_gpu test_model_gpu
build/gpu-test/bin/deepanalyze devices
ctest --test-dir build/gpu-test -L "^gpu$" --output-on-failure
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck synccheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 build/gpu-test/bin/test_backend_gpu --gtest_brief=1
  done
fi
