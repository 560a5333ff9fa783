#!/usr/bin/env bash
# Puts what `ctest -L gpu` and tools/gpu-test.sh check into one folder that runs on another machine: one with a GPU and a driver, and
# without this program's packages, a compiler, a toolkit or a network. Programs, plugin, every shared library they need
# with its loader, the golden data, and `run`, which does it all and prints a summary.
#   tools/gpu-carry.sh [FOLDER]      default build/gpu-carry; a folder that is there is made anew
#   PLUGIN=path                      a plugin that is built already (default: built here for CUDA_ARCHITECTURES, all of
#                                    the preset's if unset; 90-real is an H100 alone)
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-build/gpu-carry}
golden=${DEEPANALYZE_GOLDEN:-$PWD/../shared/golden}
[ -f "$golden/models/index.json" ] || { echo "gpu-carry: no golden data in $golden (set DEEPANALYZE_GOLDEN)" >&2; exit 1; }

cmake --preset ci -DCMAKE_MESSAGE_LOG_LEVEL=WARNING
cmake --build --preset ci --target deepanalyze test_backend_gpu test_model_gpu
if [ -z "${PLUGIN:-}" ]; then
  CUDACXX=${CUDACXX:-$(command -v nvcc)} cmake --preset cuda ${CUDA_ARCHITECTURES:+-DCMAKE_CUDA_ARCHITECTURES="$CUDA_ARCHITECTURES"} \
    -DCMAKE_MESSAGE_LOG_LEVEL=WARNING
  cmake --build --preset cuda --target deepanalyze-cuda
  PLUGIN=build/cuda/bin/libdeepanalyze-cuda.so
fi

rm -rf "$folder"
mkdir -p "$folder"/{bin,lib,golden}
for program in deepanalyze test_backend_gpu test_model_gpu; do
  strip -o "$folder/bin/$program" "build/release/bin/$program"
done
strip -o "$folder/lib/libdeepanalyze-cuda.so" "$PLUGIN"
# All libraries but the driver's, and the loader: another distribution's may be too old.
ldd "$folder"/bin/* "$folder/lib/libdeepanalyze-cuda.so" | sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p' | sort -u |
  while read -r library; do cp -L "$library" "$folder/lib/"; done
cp -L "$(sed -n 's/.*interpreter: \(.*\)]/\1/p' < <(readelf -l build/release/bin/deepanalyze))" "$folder/lib/loader"
cp -r "$golden"/{README.md,blocks,models,quants,stories} "$folder/golden/"
rm -f "$folder"/golden/*/*.py
install -m 755 tools/gpu-carry-run.sh "$folder/run"
git describe --always --dirty > "$folder/version"
echo "$folder: $(du -sm "$folder" | cut -f1) MiB; there: ./run"
