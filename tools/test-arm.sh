#!/usr/bin/env bash
# Cross-compiles the kernels for ARM and runs the backend's tests of them under qemu. Arguments go to the test program.
set -euo pipefail
cd "$(dirname "$0")/.."

compiler=aarch64-linux-gnu-g++
if ! command -v $compiler >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
  echo "No $compiler or qemu-aarch64-static: the kernels for ARM are not tested here."
  exit 0
fi
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake -S tests/arm -B build/arm -G Ninja -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 \
  -DCMAKE_CXX_COMPILER=$compiler "${launcher[@]}" -DCMAKE_MESSAGE_LOG_LEVEL=WARNING
cmake --build build/arm
# One processor has dot and matrix products, one dot products alone: each must choose, and pass, its best.
qemu-aarch64-static -cpu max -E DA_BEST_ISA=neon_i8mm build/arm/test_arm --gtest_brief=1 "$@"
exec qemu-aarch64-static -cpu cortex-a76 -E DA_BEST_ISA=neon build/arm/test_arm --gtest_brief=1 "$@"
